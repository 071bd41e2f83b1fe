"""API keys in the schema: their records, and what makes and stops them."""

from datetime import datetime
from typing import Self

import strawberry

from app.domain.principal import Scope
from app.graphql.errors import UserError
from app.graphql.node import Node
from app.graphql.publish import publish_enum
from app.services import auth, keys

publish_enum(
    Scope,
    name="Scope",
    description="What a key may do.",
    values={
        "ORDERS_READ": "Read one's own orders, and products. In keys: `orders:read`.",
        "ORDERS_WRITE": "Place, correct and delete one's own orders. In keys: `orders:write`.",
        "ADMIN": (
            "See and delete everyone's orders, change status, read all events and figures. Brings"
            " the two others with it."
            " In keys: `admin`, as in the legacy documentation."
        ),
    },
)


@strawberry.type(description="An API key. The key itself is shown once, when made.")
class ApiKey(Node):
    """A key's record."""

    id: strawberry.ID = strawberry.field(description="The id.")
    name: str = strawberry.field(description="What it is for, in the owner's words.")
    prefix: str = strawberry.field(description="How the key begins, to recognise it.")
    scopes: list[Scope] = strawberry.field(description="What it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops. Null for never.")
    revoked_at: datetime | None = strawberry.field(
        description="When it was revoked. Null while it works."
    )
    last_used_at: datetime | None = strawberry.field(
        description="When it was last used, to the minute. Null when never."
    )

    @classmethod
    def of(cls, key: auth.ApiKey) -> Self:
        """From the key's record."""
        return cls(
            id=strawberry.ID(key.id),
            name=key.name,
            prefix=key.prefix,
            scopes=list(key.scopes),
            created_at=key.created_at,
            expires_at=key.expires_at,
            revoked_at=key.revoked_at,
            last_used_at=key.last_used_at,
        )


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    """A new API key."""

    name: str = strawberry.field(description="What it is for.")
    scopes: list[Scope] = strawberry.field(description="What it may do, at least one.")
    expires_at: datetime | None = strawberry.field(
        default=None,
        description="When it stops. Null for never. No later than the key that makes it stops.",
    )
    user_id: strawberry.ID | None = strawberry.field(
        default=None, description="Whose it is. The caller's own when absent."
    )

    def to_service(self) -> keys.NewKey:
        """As the service takes it."""
        return keys.NewKey(self.name, self.scopes, self.expires_at, self.user_id)


@strawberry.input(description="An API key to stop.")
class RevokeApiKeyInput:
    """An API key to stop."""

    id: strawberry.ID = strawberry.field(description="The key's id.")


@strawberry.type(description="The result of `createApiKey`.")
class CreateApiKeyPayload:
    """A new key, or why there is none."""

    api_key: ApiKey | None = strawberry.field(description="The key's record. Null when refused.")
    secret: str | None = strawberry.field(
        description="The key to put into `Authorization`, this once. Null when refused."
    )
    user_errors: list[UserError] = strawberry.field(
        description="Why it was refused. Empty on success."
    )


@strawberry.type(description="The result of `revokeApiKey`.")
class RevokeApiKeyPayload:
    """A stopped key, or why there is none."""

    api_key: ApiKey | None = strawberry.field(description="The key's record. Null when refused.")
    user_errors: list[UserError] = strawberry.field(
        description="Why it was refused. Empty on success."
    )
