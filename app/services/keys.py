"""API keys in their users' own hands: everyone's for administrators, else one's own.

Any key that works may list, make and revoke. What it can't do is hand on more than it holds: no
other scope, and no more time. Only a token of the legacy shop may make a key that outlives it, as
callers move over so.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, and_, case, func, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.domain import clock
from app.domain.errors import InvalidInput, Problem, ProblemCode, UnknownKey
from app.domain.ids import UserId, parse_object_id
from app.domain.order import text_problem
from app.domain.principal import Principal, Scope
from app.services.auth import LEGACY_KEY_ID, ApiKey, current_scopes, find_keys, store_key
from app.services.users import visible_users

MAX_NAME_LENGTH = 100
"""The most characters that the name of a key may have."""

MAX_WORKING_KEYS = 100
"""The most keys of one user that may work at a time, when users make them themselves."""

MAX_LISTED_KEYS = 100
"""The most keys of one user that are listed."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a caller asks for. A user id of None means the caller."""

    name: str
    scopes: Sequence[Scope]
    expires_at: datetime | None = None
    user_id: str | None = None


async def create_api_key(
    connection: AsyncConnection, principal: Principal, new: NewKey
) -> tuple[ApiKey, str]:
    """Make a key for the caller, or as an administrator for anyone.

    Returns:
        Its record, and the key itself, which can't be had again.

    Raises:
        InvalidInput: something about it is not allowed; no key was made.
        UnknownKey: the caller's own key was revoked a moment ago.
    """
    principal = await _as_of_now(connection, principal)
    now = clock.now()
    expires_at = None if new.expires_at is None else clock.cut_to_milliseconds(new.expires_at)
    problems = [*_name_problems(new.name)]
    for scope in dict.fromkeys(new.scopes):
        if scope not in principal.scopes:
            path = ("scopes", new.scopes.index(scope))
            message = f"is {scope}, which your key lacks"
            problems.append(Problem(ProblemCode.INVALID, path, message))
    if not new.scopes:
        message = "must hold at least one scope"
        problems.append(Problem(ProblemCode.OUT_OF_RANGE, ("scopes",), message))
    if expires_at is not None and expires_at <= now:
        problems.append(Problem(ProblemCode.INVALID, ("expires_at",), "must be in the future"))
    problems += _outliving_problems(principal, expires_at)
    owner_id = principal.user_id if new.user_id is None else parse_object_id(new.user_id)
    if owner_id is None:
        message = "must be an id of 24 hex digits"
        problems.append(Problem(ProblemCode.INVALID, ("user_id",), message))
    if problems or owner_id is None:
        raise InvalidInput(*problems)
    owner = (await visible_users(connection, principal, [UserId(owner_id)])).get(UserId(owner_id))
    if owner is None:
        raise InvalidInput.single("names no user", "user_id", code=ProblemCode.NOT_FOUND)
    if Scope.ADMIN in new.scopes and not owner.is_admin:
        raise InvalidInput.single(
            "may be admin only for a user who is an administrator",
            "scopes",
            new.scopes.index(Scope.ADMIN),
        )
    if await _count_working(connection, owner.id, now) >= MAX_WORKING_KEYS:
        raise InvalidInput.single(
            f"has {MAX_WORKING_KEYS} working keys already: revoke one first",
            "user_id",
            code=ProblemCode.OUT_OF_RANGE,
        )
    return await store_key(
        connection, owner.id, scopes=new.scopes, name=new.name, expires_at=expires_at
    )


async def keys_of_users(
    connection: AsyncConnection, principal: Principal, user_ids: Iterable[UserId]
) -> dict[UserId, list[ApiKey]]:
    """The keys of those users whose keys the caller may see, newest first.

    Of each user at most `MAX_LISTED_KEYS`: those that work before those that don't, then the
    newest.
    """
    wanted = [id_ for id_ in user_ids if principal.is_admin or id_ == principal.user_id]
    if not wanted:
        return {}
    row = tables.ApiKey
    place = func.row_number().over(
        partition_by=col(row.user_id),
        order_by=(
            case((_works(clock.now()), 0), else_=1),
            col(row.created_at).desc(),
            col(row.id).desc(),
        ),
    )
    placed = (
        select(col(row.id), place.label("place")).where(col(row.user_id).in_(wanted)).subquery()
    )
    listed = select(placed.c.id).where(placed.c.place <= MAX_LISTED_KEYS)
    keys: dict[UserId, list[ApiKey]] = {}
    for key in reversed(await find_keys(connection, col(row.id).in_(listed))):
        keys.setdefault(key.user_id, []).append(key)
    return keys


async def visible_keys(
    connection: AsyncConnection, principal: Principal, ids: Iterable[str]
) -> dict[str, ApiKey]:
    """Those of the keys that exist and the caller may see: one's own, all for administrators."""
    row = tables.ApiKey
    mine = literal(True) if principal.is_admin else col(row.user_id) == principal.user_id
    return {key.id: key for key in await find_keys(connection, mine, col(row.id).in_(list(ids)))}


async def revoke_api_key(connection: AsyncConnection, principal: Principal, key_id: str) -> ApiKey:
    """Stop a key within two seconds, in all processes. One that was stopped stays as it is.

    Raises:
        InvalidInput: the caller may see no such key.
        UnknownKey: the caller's own key was revoked a moment ago.
    """
    principal = await _as_of_now(connection, principal)
    id_ = parse_object_id(key_id)
    if id_ is None:
        raise InvalidInput.single("must be an id of 24 hex digits", "id")
    key = (await visible_keys(connection, principal, [id_])).get(id_)
    if key is None:
        raise InvalidInput.single("names no key", "id", code=ProblemCode.NOT_FOUND)
    if key.revoked_at is None:
        key = replace(key, revoked_at=clock.now())
        row = tables.ApiKey
        await connection.execute(
            update(row).where(col(row.id) == id_).values(revoked_at=key.revoked_at)
        )
    return key


async def _as_of_now(connection: AsyncConnection, principal: Principal) -> Principal:
    """The caller with what their key may do now, not up to two seconds ago.

    Whoever took a key that is not theirs must not make another one of it when it is revoked.
    """
    if principal.key_id == LEGACY_KEY_ID:
        return principal
    scopes = await current_scopes(connection, [principal.key_id])
    if principal.key_id not in scopes:
        raise UnknownKey
    return replace(principal, scopes=principal.scopes & scopes[principal.key_id])


def _name_problems(name: str) -> Iterable[Problem]:
    if len(name) > MAX_NAME_LENGTH:
        message = f"must have at most {MAX_NAME_LENGTH} characters, not {len(name)}"
        yield Problem(ProblemCode.OUT_OF_RANGE, ("name",), message)
    elif refusal := text_problem(name):
        yield Problem(ProblemCode.INVALID, ("name",), refusal)
    elif any(unicodedata.category(letter) == "Cc" for letter in name):
        # Names are shown on terminals, which take some of these for orders.
        yield Problem(ProblemCode.INVALID, ("name",), "must not contain control characters")


def _outliving_problems(principal: Principal, expires_at: datetime | None) -> Iterable[Problem]:
    last = principal.expires_at
    if last is None or principal.key_id == LEGACY_KEY_ID:
        return
    if expires_at is None or expires_at > last:
        message = f"must not be later than your own key's expiry, {clock.rfc3339(last)}"
        yield Problem(ProblemCode.INVALID, ("expires_at",), message)


def _works(now: datetime) -> ColumnElement[bool]:
    row = tables.ApiKey
    return and_(
        col(row.revoked_at).is_(None), or_(col(row.expires_at).is_(None), col(row.expires_at) > now)
    )


async def _count_working(connection: AsyncConnection, user_id: UserId, now: datetime) -> int:
    row = tables.ApiKey
    statement = (
        select(func.count()).select_from(row).where(col(row.user_id) == user_id, _works(now))
    )
    return (await connection.scalar(statement)) or 0
