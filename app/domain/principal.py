"""Who calls, and what their key lets them do."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.errors import Forbidden
from app.domain.ids import UserId


class Scope(StrEnum):
    """What a key may do; the values are how scopes are written in keys."""

    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: the user behind the key, and the key's effective scopes.

    `expires_at` is the first instant at which the key works no more; None for never.
    """

    user_id: UserId
    scopes: frozenset[Scope]
    key_id: str
    expires_at: datetime | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the caller may act on everyone's orders."""
        return Scope.ADMIN in self.scopes

    def require(self, scope: Scope) -> None:
        """Let the caller pass if the key has the scope.

        Raises:
            Forbidden: it has not.
        """
        if scope not in self.scopes:
            raise Forbidden(scope)


def effective_scopes(granted: Iterable[Scope], *, user_is_admin: bool) -> frozenset[Scope]:
    """The scopes that count for a key: `admin` brings the two others with it.

    `admin` counts only while the key's user is an administrator, so that taking the role from a
    user takes it from all of their keys at once.
    """
    scopes = set(granted)
    if Scope.ADMIN in scopes:
        scopes = set(Scope) if user_is_admin else scopes - {Scope.ADMIN}
    return frozenset(scopes)
