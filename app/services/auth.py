"""API keys: making, listing and revoking them, and telling from a header who calls.

A key is `ofk_` and 32 random bytes in base 62. Only its SHA-256 is kept: with 256 random bits
there is nothing to guess, so a slow password hash would buy nothing.
"""

import hashlib
import hmac
import secrets
import string
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.database import Database
from app.db.prepared import Bound, Prepared
from app.db.types import instant
from app.domain import clock
from app.domain.errors import InvalidInput, MissingKey, ProblemCode, UnknownKey
from app.domain.ids import UserId, new_object_id
from app.domain.principal import Principal, Scope, effective_scopes
from app.services.legacy_tokens import LegacyClaims, LegacyTokens
from app.services.users import User

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_MARK = "ofk_"
_PREFIX_LENGTH = len(_MARK) + 8
_RANDOM_BYTES = 32
_MOST_KNOWN = 10_000
_DIGITS = 43  # enough base-62 digits for 32 bytes

# Made once: each request needs it.
_KEY_BY_HASH = Prepared(
    select(
        col(tables.ApiKey.id),
        col(tables.ApiKey.sha256),
        col(tables.ApiKey.user_id),
        col(tables.ApiKey.scopes),
        col(tables.ApiKey.expires_at),
        col(tables.User.is_admin),
    )
    .join(tables.User, col(tables.User.id) == tables.ApiKey.user_id)
    .where(
        col(tables.ApiKey.sha256) == bindparam("digest", None, type_=String),
        col(tables.ApiKey.revoked_at).is_(None),
    ),
    for_several=True,
)

KNOWN_S = 2
"""For how long what a key stands for is remembered, in seconds."""

LEGACY_KEY_ID = "legacy-jwt"
"""What stands for a key's id when a token of the legacy shop was sent: it has no record here."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key's record. `prefix` is how the key begins, to recognise it."""

    id: str
    user_id: UserId
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose header it is, until when on the monotonic clock, and whether its use is noted."""

    principal: Principal
    until_s: float
    is_noted: bool


class Authenticator:
    """Tells from an `Authorization` header who calls, and notes when each key was used.

    What a header stands for is good for two seconds, in which the database is not asked again: a
    key that is revoked, loses a scope or its user stops within them. Only headers that name a
    caller are kept, and of those the newest, so that nobody can fill the memory with wrong ones.

    The notes stay in memory until `write_use`, so that no request waits for them.

    Args:
        database: Where the keys are.
        legacy_secrets: What tokens of the legacy shop may be signed with; by default none is good.
    """

    def __init__(self, database: Database, legacy_secrets: Sequence[str] = ()) -> None:
        self._database = database
        self._legacy_tokens = LegacyTokens(legacy_secrets)
        self._known: dict[str, _Known] = {}
        # When each key was used last, on the monotonic clock.
        self._used: dict[str, float] = {}

    def known(self, header: str | bytes | None) -> Principal | None:
        """The caller behind a header that was looked up a moment ago; None if it has to be.

        Args:
            header: As for `authenticate`; bytes as HTTP carries them.
        """
        if header is None:
            return None
        known = self._known.get(header.decode("latin-1") if isinstance(header, bytes) else header)
        if known is None:
            return None
        now_s = clock.monotonic_s()
        if now_s >= known.until_s:
            return None
        if known.is_noted:
            self._used[known.principal.key_id] = now_s
        return known.principal

    def at_once(self, header: bytes | None) -> Principal | None:
        """The caller behind a header, if that can be told without waiting for anything.

        Args:
            header: As for `known`.
        """
        principal = self.known(header)
        if principal is not None or header is None or not self._database.reads_at_once:
            return principal
        text = header.decode("latin-1")
        began_s = clock.monotonic_s()
        try:
            key = _key_in(text)
            if self._legacy_tokens.read(key) is not None:
                return None
            digest = hash_key(key)
            found = self._database.at_once([self._by_hash(digest)])
            if found is None:
                return None
            principal = _principal_of(found[0], digest)
        except (MissingKey, UnknownKey):
            return None
        self._keep(text, principal, began_s)
        return principal

    async def authenticate(self, header: str | None) -> Principal:
        """The caller behind the header: the key alone, or after `Bearer `.

        They were looked up within the last two seconds.

        Raises:
            MissingKey: no header, or an empty one.
            UnknownKey: no such key, or it is expired or revoked; a legacy token of no user here.
            Unavailable: the database can't be asked.
        """
        if (principal := self.known(header)) is not None:
            return principal
        # What was true when the look-up began may have changed by its end.
        began_s = clock.monotonic_s()
        principal = await self._look_up(header)
        self._keep(header or "", principal, began_s)
        return principal

    async def _look_up(self, header: str | None) -> Principal:
        key = _key_in(header)
        if (claims := self._legacy_tokens.read(key)) is not None:
            return await self._bearer(claims)
        digest = hash_key(key)
        read = self._by_hash(digest)
        found = self._database.at_once([read])
        if found is not None:
            return _principal_of(found[0], digest)
        return _principal_of(await self._database.latest(read), digest)

    def _by_hash(self, digest: str) -> Bound:
        return _KEY_BY_HASH.bind(self._database.engine, {"digest": digest})

    def _keep(self, header: str, principal: Principal, began_s: float) -> None:
        now_s = clock.monotonic_s()
        until_s = began_s + KNOWN_S
        if principal.expires_at is not None:
            left = (principal.expires_at - clock.now()).total_seconds()
            until_s = min(until_s, now_s + left)
        # A token of the legacy shop has no record to note it in.
        is_noted = principal.key_id != LEGACY_KEY_ID
        if is_noted:
            self._used[principal.key_id] = now_s
        self._known.pop(header, None)
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]
        self._known[header] = _Known(principal, until_s, is_noted)

    def _forget_old(self) -> None:
        now_s = clock.monotonic_s()
        self._known = {
            header: known for header, known in self._known.items() if known.until_s > now_s
        }

    async def _bearer(self, claims: LegacyClaims) -> Principal:
        """The caller behind a legacy token. Its claims alone say what it may do, for its hours.

        Raises:
            UnknownKey: its user has no account here.
            Unavailable: the database can't be asked.
        """
        statement = select(col(tables.User.id)).where(col(tables.User.id) == claims.user_id)
        async with self._database.read() as connection:
            if await connection.scalar(statement) is None:
                raise UnknownKey
        granted = [Scope.ADMIN] if claims.is_admin else [Scope.ORDERS_READ, Scope.ORDERS_WRITE]
        scopes = effective_scopes(granted, user_is_admin=claims.is_admin)
        return Principal(claims.user_id, scopes, LEGACY_KEY_ID, claims.expires_at)

    async def write_use(self) -> None:
        """Write down when keys were last used, to the minute; forget keys of a while ago.

        Raises:
            Unavailable: the database can't be written; the notes are kept for the next time.
        """
        self._forget_old()
        used, self._used = self._used, {}
        if not used:
            return
        row = tables.ApiKey
        now, now_s = clock.now(), clock.monotonic_s()

        async def note(connection: AsyncConnection) -> None:
            for key_id, at_s in sorted(used.items()):
                at = now - timedelta(seconds=now_s - at_s)
                minute = at.replace(second=0, microsecond=0)
                await connection.execute(
                    update(row)
                    .where(
                        col(row.id) == key_id,
                        col(row.last_used_at).is_distinct_from(minute),
                    )
                    .values(last_used_at=minute)
                )

        try:
            await self._database.write(note)
        except BaseException:
            self._used = used | self._used
            raise


def _key_in(header: str | None) -> str:
    """The key in a header.

    Raises:
        MissingKey: there is none.
    """
    # What HTTP lets stand round a value, and no more: str.strip takes some non-ASCII bytes too.
    key = (header or "").strip(" \t")
    if not key:
        raise MissingKey
    scheme, _, rest = key.partition(" ")
    return rest.strip(" \t") if scheme.lower() == "bearer" else key


def _principal_of(rows: Sequence[Sequence[Any]], digest: str) -> Principal:
    """The caller whose key was found by its digest.

    Raises:
        UnknownKey: none was, or it works no more.
    """
    if not rows:
        raise UnknownKey
    key_id, sha256, user_id, scopes, ends, is_admin = rows[0]
    expires_at = None if ends is None else instant(ends)
    expired = expires_at is not None and expires_at <= clock.now()
    if expired or not hmac.compare_digest(sha256, digest):
        raise UnknownKey
    granted = (Scope(scope) for scope in scopes.split())
    rights = effective_scopes(granted, user_is_admin=bool(is_admin))
    return Principal(UserId(user_id), rights, key_id, expires_at)


def new_key() -> str:
    """A fresh key."""
    number = int.from_bytes(secrets.token_bytes(_RANDOM_BYTES))
    digits = ""
    for _ in range(_DIGITS):
        number, digit = divmod(number, len(_BASE62))
        digits += _BASE62[digit]
    return _MARK + digits


def hash_key(key: str) -> str:
    """What is kept of a key: SHA-256 in hex. Any text has one, whatever bytes a header held."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


async def create_key(
    connection: AsyncConnection,
    user: User,
    *,
    scopes: Iterable[Scope] = (),
    name: str = "",
    expires_in: timedelta | None = None,
    key: str | None = None,
) -> str:
    """Make a key for a user.

    Args:
        connection: A transaction.
        user: Whose it is.
        scopes: What it may do; by default all that the user may.
        name: What it is for.
        expires_in: How long it works; for ever by default.
        key: A key that exists already (a demo key kept in a file); a fresh one by default.

    Returns:
        The key, which can't be had again.

    Raises:
        InvalidInput: `admin` for a user who is no administrator, or an expiry out of range.
    """
    allowed = [scope for scope in Scope if scope is not Scope.ADMIN or user.is_admin]
    granted = [scope for scope in Scope if scope in set(scopes)] or allowed
    if not set(granted) <= set(allowed):
        raise InvalidInput.single("may hold admin only for a user who is an administrator", "scope")
    now = clock.now()
    try:
        expires_at = None if expires_in is None else now + expires_in
    except OverflowError:
        raise InvalidInput.single(
            "is too far away", "expires_in", code=ProblemCode.OUT_OF_RANGE
        ) from None
    _, key = await store_key(
        connection, user.id, scopes=granted, name=name, expires_at=expires_at, key=key
    )
    return key


async def store_key(
    connection: AsyncConnection,
    user_id: UserId,
    *,
    scopes: Iterable[Scope],
    name: str,
    expires_at: datetime | None,
    key: str | None = None,
) -> tuple[ApiKey, str]:
    """Write down a key, a fresh one by default; what is allowed is the caller's concern.

    Returns:
        Its record, and the key itself.
    """
    key = key or new_key()
    record = ApiKey(
        id=new_object_id(),
        user_id=user_id,
        name=name,
        prefix=key[:_PREFIX_LENGTH],
        scopes=tuple(scope for scope in Scope if scope in set(scopes)),
        created_at=clock.now(),
        expires_at=expires_at,
        revoked_at=None,
        last_used_at=None,
    )
    row = asdict(record) | {"scopes": " ".join(record.scopes), "sha256": hash_key(key)}
    await connection.execute(insert(tables.ApiKey).values(row))
    return record, key


async def current_scopes(
    connection: AsyncConnection, key_ids: Sequence[str]
) -> dict[str, frozenset[Scope]]:
    """What each of the keys may do now, by its id; one that is revoked or gone is left out."""
    key_row, user_row = tables.ApiKey, tables.User
    statement = (
        select(col(key_row.id), col(key_row.scopes), col(user_row.is_admin))
        .join(user_row, col(user_row.id) == key_row.user_id)
        .where(col(key_row.id).in_(key_ids), col(key_row.revoked_at).is_(None))
    )
    return {
        key_id: effective_scopes(map(Scope, scopes.split()), user_is_admin=is_admin)
        for key_id, scopes, is_admin in await connection.execute(statement)
    }


async def find_key(connection: AsyncConnection, key: str) -> ApiKey | None:
    """The record of a key, working or not."""
    found = await find_keys(connection, col(tables.ApiKey.sha256) == hash_key(key))
    return found[0] if found else None


async def list_keys(connection: AsyncConnection) -> list[ApiKey]:
    """Every key's record, oldest first, for whoever runs the shop."""
    return await find_keys(connection)


async def revoke_key(connection: AsyncConnection, prefix: str) -> ApiKey:
    """Stop the key that begins with `prefix`, within two seconds in all processes.

    Raises:
        InvalidInput: no working key begins so, or more than one does.
    """
    row = tables.ApiKey
    # A whole key may be given too; its prefix finds it. Not LIKE: that ignores letter case.
    prefix = prefix[:_PREFIX_LENGTH]
    matching = await find_keys(
        connection,
        func.substr(col(row.prefix), 1, len(prefix)) == prefix,
        col(row.revoked_at).is_(None),
    )
    if not prefix or not matching:
        raise InvalidInput.single(
            f"begins no working key: {prefix}", "prefix", code=ProblemCode.NOT_FOUND
        )
    if len(matching) > 1:
        candidates = ", ".join(key.prefix for key in matching)
        raise InvalidInput.single(f"begins more than one key: {candidates}", "prefix")
    await connection.execute(
        update(row).where(col(row.id) == matching[0].id).values(revoked_at=clock.now())
    )
    return matching[0]


async def find_keys(connection: AsyncConnection, *conditions: ColumnElement[bool]) -> list[ApiKey]:
    """The records that meet the conditions, oldest first; rights are the caller's concern."""
    row = tables.ApiKey
    statement = (
        select(
            col(row.id),
            col(row.user_id),
            col(row.name),
            col(row.prefix),
            col(row.scopes),
            col(row.created_at),
            col(row.expires_at),
            col(row.revoked_at),
            col(row.last_used_at),
        )
        .where(*conditions)
        .order_by(col(row.created_at), col(row.id))
    )
    return [
        ApiKey(
            id_,
            UserId(user_id),
            name,
            prefix,
            tuple(Scope(scope) for scope in scopes.split()),
            created_at,
            expires_at,
            revoked_at,
            last_used_at,
        )
        for (
            id_,
            user_id,
            name,
            prefix,
            scopes,
            created_at,
            expires_at,
            revoked_at,
            last_used_at,
        ) in await connection.execute(statement)
    ]
