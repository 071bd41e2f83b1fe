"""The database behind a URL: opened here, and used without knowing which engine it is."""

import secrets
from dataclasses import dataclass

from sqlalchemy import BigInteger, func, literal, select

from app.db.database import Database
from app.db.sqlite import URL_PREFIX, SQLiteDatabase

BUSY_TIMEOUT_S = 15.0
"""How long a connection of SQLite's waits for another process to finish writing."""

# The upper 16 bits of a lock's number say what it is for: "co".
_COMPARE = 0x636F << 48


@dataclass(frozen=True, slots=True)
class DatabaseOptions:
    """How a process uses its database; each engine takes what concerns it.

    `busy_timeout_s` is how long SQLite waits for another process to finish writing. The others are
    PostgreSQL's: connections for reading, and as many again for writing; how long one is waited
    for; how long a statement may take (None: any time), and half of what a transaction may;
    whether there is a PgBouncer in between; where to LISTEN, past it (empty: nowhere); and where a
    replica is, for reading (empty: nowhere).
    """

    busy_timeout_s: float = BUSY_TIMEOUT_S
    pool_size: int = 5
    pool_wait_s: float = 10.0
    connect_timeout_s: float = 5.0
    statement_timeout_s: float | None = None
    pgbouncer: bool = False
    listen_url: str = ""
    replica_url: str = ""


def open_database(
    url: str, options: DatabaseOptions | None = None, *, foreign_keys: bool = True
) -> Database:
    """The database; it is connected to when it is used first.

    Args:
        url: `sqlite+aiosqlite:///` and a path, or a URL of PostgreSQL.
        options: How it is used.
        foreign_keys: Whether SQLite enforces them; it can't alter tables while it does.

    Raises:
        RuntimeError: the SQLite library of this Python can't be used.
    """
    options = options or DatabaseOptions()
    if url.startswith(URL_PREFIX):
        return SQLiteDatabase(url, foreign_keys=foreign_keys, busy_timeout_s=options.busy_timeout_s)
    # Here, as its driver is large and a server on SQLite has no use for it.
    from app.db.postgresql import PostgreSQLDatabase  # noqa: PLC0415

    return PostgreSQLDatabase(
        url,
        pool_size=options.pool_size,
        pool_wait_s=options.pool_wait_s,
        connect_timeout_s=options.connect_timeout_s,
        statement_timeout_s=options.statement_timeout_s,
        pgbouncer=options.pgbouncer,
        listen_url=options.listen_url,
        replica_url=options.replica_url,
    )


async def is_same_database(one: Database, other: Database) -> bool:
    """Whether two that exist are one, by whatever names they are reached.

    Raises:
        Unavailable: one of them can't be reached.
    """
    if isinstance(one, SQLiteDatabase) and isinstance(other, SQLiteDatabase):
        return one.path.samefile(other.path)
    if one.engine != other.engine:
        return False
    # A lock of this kind is its database's own, and nobody else has this number.
    number = literal(_COMPARE | secrets.randbits(48), BigInteger)
    lock = select(func.pg_try_advisory_xact_lock(number))
    async with one.snapshot() as holding, other.snapshot() as trying:
        await holding.execute(lock)
        return not await trying.scalar(lock)
