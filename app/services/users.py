"""People with accounts."""

import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Row, Select, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.domain import clock
from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import UserId, new_object_id, parse_object_id
from app.domain.principal import Principal
from app.services.search import index_customer

_AT_ONCE = 1_000
# Delivery is the only real test of an address; this refuses what can't be one.
EMAIL = re.compile(r"[^@\s\x00]+@[^@\s\x00]+\Z")


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account."""

    id: UserId
    email: str | None
    name: str
    is_admin: bool
    created_at: datetime


async def add_user(
    connection: AsyncConnection,
    email: str,
    *,
    name: str = "",
    is_admin: bool = False,
    user_id: str | None = None,
) -> User:
    """Make an account.

    Args:
        connection: A transaction.
        email: Kept in lower case, unique.
        name: Full name; by default what stands before the `@`.
        is_admin: Whether this person may act on everyone's orders.
        user_id: An id from another system; a new one by default.

    Raises:
        InvalidInput: the address or the id is malformed or taken.
    """
    email = email.strip().lower()
    if not EMAIL.match(email):
        raise InvalidInput.single("must be an e-mail address", "email")
    id_ = new_object_id() if user_id is None else parse_object_id(user_id)
    if id_ is None:
        raise InvalidInput.single("must be an id of 24 hex digits", "id")
    row = tables.User
    taken = await _users(connection, or_(col(row.id) == id_, col(row.email) == email))
    if taken:
        field = "email" if taken[0].email == email else "id"
        raise InvalidInput.single("is taken by another user", field, code=ProblemCode.CONFLICT)
    user = User(UserId(id_), email, name or email.partition("@")[0], is_admin, clock.now())
    await connection.execute(
        insert(row).values(
            id=user.id,
            email=user.email,
            name=user.name,
            is_admin=user.is_admin,
            created_at=user.created_at,
        )
    )
    if user_id is not None:  # whose orders may be here already
        await index_customer(connection, user.id)
    return user


async def find_user(connection: AsyncConnection, email_or_id: str) -> User:
    """The user with an e-mail address (in any letter case) or an id.

    Raises:
        InvalidInput: there is none.
    """
    row = tables.User
    wanted = email_or_id.strip().lower()
    found = await _users(connection, or_(col(row.email) == wanted, col(row.id) == wanted))
    if not found:
        raise InvalidInput.single(
            f"names no user: {email_or_id}", "user", code=ProblemCode.NOT_FOUND
        )
    return found[0]


async def visible_users(
    connection: AsyncConnection, principal: Principal, ids: Iterable[UserId]
) -> dict[UserId, User]:
    """Those of the users that exist and the caller may see: oneself, all for administrators."""
    wanted = [id_ for id_ in ids if principal.is_admin or id_ == principal.user_id]
    found = await _users(connection, col(tables.User.id).in_(wanted)) if wanted else []
    return {user.id: user for user in found}


async def users_by_id(connection: AsyncConnection, ids: Sequence[UserId]) -> dict[UserId, User]:
    """Those of the users that exist; rights are the caller's concern."""
    found = await _users(connection, col(tables.User.id).in_(ids))
    return {user.id: user for user in found}


async def each_user(connection: AsyncConnection) -> AsyncIterator[User]:
    """Every user, oldest account first, a few in memory at a time, for whoever runs the shop."""
    async with connection.stream(_select_users(), execution_options={"yield_per": 1_000}) as rows:
        async for row in rows:
            yield _user(row)


async def replace_users(connection: AsyncConnection, users: Sequence[User]) -> None:
    """Insert users as they are, or overwrite those with the same id.

    They may exchange e-mail addresses with each other.
    """
    row = tables.User
    for start in range(0, len(users), _AT_ONCE):
        # No address may be there twice at any moment, so first theirs are all free.
        some = col(row.id).in_([user.id for user in users[start : start + _AT_ONCE]])
        await connection.execute(update(row).where(some).values(email=None))
    statement = upsert(row)
    statement = statement.on_conflict_do_update(
        index_elements=[row.id],
        set_={
            name: statement.excluded[name] for name in ("email", "name", "is_admin", "created_at")
        },
    )
    if users:
        await connection.execute(
            statement,
            [
                {
                    "id": user.id,
                    "email": user.email,
                    "name": user.name,
                    "is_admin": user.is_admin,
                    "created_at": user.created_at,
                }
                for user in users
            ],
        )


def visible_email(principal: Principal, user: User) -> str | None:
    """The address, if the caller may see it: one's own, everyone's for administrators."""
    return user.email if principal.is_admin or user.id == principal.user_id else None


async def list_users(connection: AsyncConnection) -> list[User]:
    """All users, oldest account first, for whoever runs the shop."""
    return await _users(connection)


async def _users(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[User]:
    return [_user(row) for row in await connection.execute(_select_users(*conditions))]


def _select_users(
    *conditions: ColumnElement[bool],
) -> Select[str, str | None, str, bool, datetime]:
    row = tables.User
    return (
        select(col(row.id), col(row.email), col(row.name), col(row.is_admin), col(row.created_at))
        .where(*conditions)
        .order_by(col(row.created_at), col(row.id))
    )


def _user(row: Row[str, str | None, str, bool, datetime]) -> User:
    id_, email, name, is_admin, created_at = row
    return User(UserId(id_), email, name, is_admin, created_at)
