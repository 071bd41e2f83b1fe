"""The tables. What the rules promise, the database holds too: CHECKs, unique keys, foreign keys.

Every row of an order's family carries `user_id` and its primary key starts with it, so that a
user's orders and their items lie together on disk (and could be sharded by it). Orders have no
foreign key to `users`: an order outlives its customer. Events have none at all: the log outlives
everything. Amounts are minor units.
"""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from app.db.types import PlainText, UTCDateTime
from app.domain.order import EventSource, EventType, OrderStatus, ShippingMethod

metadata = SQLModel.metadata
# Deterministic names, so that a migration can alter on one engine what was made on another.
metadata.naming_convention = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

# Rows lie in the order of the primary key, without SQLite's hidden rowid in between.
_CLUSTERED = {"sqlite_with_rowid": False}


def _one_of(
    column: str, values: type[OrderStatus | ShippingMethod | EventType | EventSource]
) -> str:
    return f"{column} IN ({', '.join(repr(value.value) for value in values)})"


class User(SQLModel, table=True):
    """A person with an account."""

    __tablename__ = "users"
    __table_args__: ClassVar[Any] = (UniqueConstraint("email"),)

    id: str = Field(primary_key=True, sa_type=PlainText)
    email: str | None = Field(sa_type=PlainText)
    name: str = Field(sa_type=PlainText)
    is_admin: bool
    created_at: datetime = Field(sa_type=UTCDateTime)


class ApiKey(SQLModel, table=True):
    """A key's hash and rights. The key itself is not kept. `scopes` are separated by spaces."""

    __tablename__ = "api_keys"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("sha256"),
        Index(None, "user_id"),
        Index(None, "prefix"),
        ForeignKeyConstraint(["user_id"], ["users.id"], ondelete="CASCADE"),
    )

    id: str = Field(primary_key=True, sa_type=PlainText)
    user_id: str = Field(sa_type=PlainText)
    name: str = Field(sa_type=PlainText)
    prefix: str = Field(sa_type=PlainText)
    sha256: str = Field(sa_type=PlainText)
    scopes: str = Field(sa_type=PlainText)
    created_at: datetime = Field(sa_type=UTCDateTime)
    expires_at: datetime | None = Field(sa_type=UTCDateTime)
    revoked_at: datetime | None = Field(sa_type=UTCDateTime)
    last_used_at: datetime | None = Field(sa_type=UTCDateTime)


class Product(SQLModel, table=True):
    """The catalogue as it is today. A removed product keeps its row, with `deleted_at` set.

    `name_words` are the name's words of `domain.words`, a space before each, to search in.
    """

    __tablename__ = "products"
    __table_args__: ClassVar[Any] = (
        Index(None, "name", "id"),
        CheckConstraint("price_minor >= 0", name="price_minor"),
        CheckConstraint("length(currency) = 3", name="currency"),
        _CLUSTERED,
    )

    id: str = Field(primary_key=True, sa_type=PlainText)
    name: str = Field(sa_type=PlainText)
    image: str | None = Field(sa_type=PlainText)
    description: str = Field(sa_type=PlainText)
    price_minor: int = Field(sa_type=BigInteger)
    currency: str = Field(sa_type=PlainText)
    deleted_at: datetime | None = Field(sa_type=UTCDateTime)
    name_words: str = Field(sa_type=PlainText, sa_column_kwargs={"server_default": ""})


class OrderCounter(SQLModel, table=True):
    """The number that each user's latest order got. It never goes down."""

    __tablename__ = "order_counters"
    __table_args__: ClassVar[Any] = (_CLUSTERED,)

    user_id: str = Field(primary_key=True, sa_type=PlainText)
    last_order_number: int


class Order(SQLModel, table=True):
    """An order. `total_minor` is the sum over its items, kept here to sort and add up by."""

    __tablename__ = "orders"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("id"),
        UniqueConstraint("user_id", "order_number"),
        Index(None, "user_id", "created_at", "id"),
        Index(None, "created_at", "id"),
        Index(None, "user_id", "updated_at", "id"),
        Index(None, "updated_at", "id"),
        Index(None, "user_id", "total_minor", "id"),
        Index(None, "total_minor", "id"),
        Index(None, "status", "created_at", "id"),
        # For administrators too, who ask without a user. Orders without such an id cost nothing.
        Index(
            None,
            "external_id",
            "user_id",
            unique=True,
            sqlite_where=text("external_id IS NOT NULL"),
            postgresql_where=text("external_id IS NOT NULL"),
        ),
        CheckConstraint(_one_of("status", OrderStatus), name="status"),
        CheckConstraint("order_number >= 1", name="order_number"),
        CheckConstraint("total_minor >= 0", name="total_minor"),
        CheckConstraint("version >= 0", name="version"),
        CheckConstraint("length(currency) = 3", name="currency"),
        _CLUSTERED,
    )

    user_id: str = Field(primary_key=True, sa_type=PlainText)
    id: str = Field(primary_key=True, sa_type=PlainText)
    order_number: int
    status: str = Field(sa_type=PlainText)
    address: str = Field(sa_type=PlainText)
    currency: str = Field(sa_type=PlainText)
    total_minor: int = Field(sa_type=BigInteger)
    version: int
    created_at: datetime = Field(sa_type=UTCDateTime)
    updated_at: datetime = Field(sa_type=UTCDateTime)
    external_id: str | None = Field(sa_type=PlainText)


class OrderItem(SQLModel, table=True):
    """One line of an order; `position` counts from 0 in the order in which items were sent."""

    __tablename__ = "order_items"
    __table_args__: ClassVar[Any] = (
        ForeignKeyConstraint(
            ["user_id", "order_id"], ["orders.user_id", "orders.id"], ondelete="CASCADE"
        ),
        Index(None, "product_id", "user_id", "order_id"),
        CheckConstraint("quantity >= 1", name="quantity"),
        CheckConstraint("unit_price_minor >= 0", name="unit_price_minor"),
        CheckConstraint(_one_of("shipping", ShippingMethod), name="shipping"),
        _CLUSTERED,
    )

    user_id: str = Field(primary_key=True, sa_type=PlainText)
    order_id: str = Field(primary_key=True, sa_type=PlainText)
    position: int = Field(primary_key=True, sa_type=Integer)
    id: str = Field(sa_type=PlainText)
    product_id: str = Field(sa_type=PlainText)
    name: str = Field(sa_type=PlainText)
    image: str | None = Field(sa_type=PlainText)
    unit_price_minor: int = Field(sa_type=BigInteger)
    quantity: int
    shipping: str = Field(sa_type=PlainText)


class OrderWords(SQLModel, table=True):
    """What an order is found by: words as `domain.words` makes them, separated by spaces.

    `app.db.search` has the index over them. `seq` is what SQLite's index calls a row.
    """

    __tablename__ = "order_words"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("user_id", "order_id"),
        ForeignKeyConstraint(
            ["user_id", "order_id"], ["orders.user_id", "orders.id"], ondelete="CASCADE"
        ),
    )

    seq: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    user_id: str = Field(sa_type=PlainText)
    order_id: str = Field(sa_type=PlainText)
    words: str = Field(sa_type=PlainText)


class OrderEvent(SQLModel, table=True):
    """One entry of the append-only log of what happened to orders.

    `order_version` is the version that the change made. `data` of a deletion holds the whole order.
    """

    __tablename__ = "order_events"
    __table_args__: ClassVar[Any] = (
        UniqueConstraint("id"),
        Index(None, "order_id", "seq"),
        Index(None, "user_id", "seq"),
        Index(None, "type", "seq"),
        CheckConstraint(_one_of("type", EventType), name="type"),
        CheckConstraint(_one_of("source", EventSource), name="source"),
    )

    seq: int | None = Field(
        default=None,
        sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    )
    id: str = Field(sa_type=PlainText)
    user_id: str = Field(sa_type=PlainText)
    order_id: str = Field(sa_type=PlainText)
    order_version: int
    type: str = Field(sa_type=PlainText)
    source: str = Field(sa_type=PlainText)
    from_status: str | None = Field(sa_type=PlainText)
    to_status: str | None = Field(sa_type=PlainText)
    actor_id: str = Field(sa_type=PlainText)
    occurred_at: datetime = Field(sa_type=UTCDateTime)
    data: dict[str, Any] | None = Field(sa_type=JSON)


class IdempotencyKey(SQLModel, table=True):
    """A caller's own key for a write, so that repeating it repeats the answer, not the write.

    `request_sha256` tells the same request from another one under the same key.
    """

    __tablename__ = "idempotency_keys"
    __table_args__: ClassVar[Any] = (Index(None, "created_at"), _CLUSTERED)

    user_id: str = Field(primary_key=True, sa_type=PlainText)
    key: str = Field(primary_key=True, sa_type=PlainText)
    request_sha256: str = Field(sa_type=PlainText)
    order_id: str = Field(sa_type=PlainText)
    created_at: datetime = Field(sa_type=UTCDateTime)


class RestUsage(SQLModel, table=True):
    """Calls of a REST path by a key on a day (UTC, `2026-11-24`)."""

    __tablename__ = "rest_usage"
    __table_args__: ClassVar[Any] = (CheckConstraint("calls >= 1", name="calls"), _CLUSTERED)

    day: str = Field(primary_key=True, sa_type=PlainText)
    user_id: str = Field(primary_key=True, sa_type=PlainText)
    key_id: str = Field(primary_key=True, sa_type=PlainText)
    path: str = Field(primary_key=True, sa_type=PlainText)
    calls: int
    last_called_at: datetime = Field(sa_type=UTCDateTime)


class LegacyRecord(SQLModel, table=True):
    """What was last imported of a legacy record: tells new, changed and known records apart."""

    __tablename__ = "legacy_records"
    __table_args__: ClassVar[Any] = (_CLUSTERED,)

    collection: str = Field(primary_key=True, sa_type=PlainText)
    id: str = Field(primary_key=True, sa_type=PlainText)
    sha256: str = Field(sa_type=PlainText)


class PersistedOperation(SQLModel, table=True):
    """A GraphQL document that clients name by the SHA-256 of its text."""

    __tablename__ = "persisted_operations"
    __table_args__: ClassVar[Any] = (Index(None, "last_used_at"), _CLUSTERED)

    sha256: str = Field(primary_key=True, sa_type=PlainText)
    text: str = Field(sa_type=PlainText)
    created_at: datetime = Field(sa_type=UTCDateTime)
    last_used_at: datetime = Field(sa_type=UTCDateTime)
