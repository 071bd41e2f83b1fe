"""PostgreSQL: connections from two pools, and what the server's failures are called above.

Reads and changes have connections apart, so that changes that wait for each other's locks leave
reads alone. Reads are outside of transactions: one round trip each, and nothing to keep open.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import asyncpg
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.db import event_order
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.wakeups import Wakeups
from app.domain.errors import Contended, TimedOut, Unavailable

SCHEMES = ("postgresql+asyncpg", "postgresql", "postgres")

_NAME = "orders-graphql"
_COMPANIONS = Path("data")
# Longer than the server waits: what it says is better than a timeout of ours.
_PATIENCE_S = 5.0
# A server of 17 or newer knows it; to others it must not be mentioned.
_LIMIT_TRANSACTIONS = (
    "SELECT set_config(name, $1, false) FROM pg_settings WHERE name = 'transaction_timeout'"
)

# Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
_OTHERS_IN_THE_WAY = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout
_TOOK_TOO_LONG = {"57014", "25P03", "25P04"}  # a statement, an idle transaction, a transaction
_NOT_AVAILABLE = {
    "08",  # the connection
    "28",  # who connects
    "3D",  # no such database
    "53",  # the server's resources
    "57",  # an operator, a stop, a start
    "58",  # the server's system
    "25006",  # a server that only reads, after another one took over
    "42501",  # rights
    "42P01",  # no such table: not migrated
    "42703",  # no such column: not migrated
}


def dsn_of(url: str) -> str:
    """The URL as the driver knows it, with all of its parameters, TLS among them."""
    return "postgresql" + url[url.index("://") :]


class PostgreSQLDatabase(Database):
    """A database on a PostgreSQL server, or on one behind PgBouncer.

    The arguments are those of `DatabaseOptions`.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        pool_wait_s: float,
        connect_timeout_s: float,
        statement_timeout_s: float | None,
        pgbouncer: bool,
        listen_url: str,
    ) -> None:
        super().__init__()
        self._dsn = dsn_of(url)
        connect_args: dict[str, Any] = {"dsn": self._dsn, "timeout": connect_timeout_s}
        if statement_timeout_s is not None:
            connect_args["command_timeout"] = statement_timeout_s + _PATIENCE_S
        if pgbouncer:
            # A statement prepared on one connection of the server may be asked for on another one,
            # and would be another client's: a wrong answer without an error.
            connect_args |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        else:
            connect_args["server_settings"] = {"application_name": _NAME}
            if statement_timeout_s is not None:
                limit = f"{round(statement_timeout_s * 1_000)}ms"
                connect_args["server_settings"] |= {
                    "statement_timeout": limit,
                    "idle_in_transaction_session_timeout": limit,
                }
        pool: dict[str, Any] = {
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": pool_wait_s,
            "pool_use_lifo": True,
            "connect_args": connect_args,
        }
        self._writers: AsyncEngine = create_async_engine("postgresql+asyncpg://", **pool)
        self._readers: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://",
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            **pool,
        )
        for engine in (self._writers, self._readers):
            event.listen(engine.sync_engine, "checkout", _refuse_closed)
        if statement_timeout_s is not None and not pgbouncer:
            limit = f"{round(2 * statement_timeout_s * 1_000)}ms"

            @event.listens_for(self._writers.sync_engine, "connect")
            def _limit_transactions(connection: Any, _record: object) -> None:
                connection.run_async(lambda driver: driver.execute(_LIMIT_TRANSACTIONS, limit))

        self._wakeups = Wakeups(dsn_of(listen_url), self._others_committed) if listen_url else None

    @property
    def place(self) -> str:
        """Server and database."""
        parts = urlsplit(self._dsn)
        hosts = parts.netloc.rpartition("@")[2] or "the local server"
        return f"{hosts}{unquote(parts.path)}"

    @property
    def companion(self) -> Path:
        """A path in the folder `data`."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.place)
        return _COMPANIONS / f"{name}.db"

    async def exists(self) -> bool:
        """Whether the server has the database."""
        try:
            async with self.read():
                return True
        except Unavailable as error:
            if _sqlstate(error.__cause__) == "3D000":
                return False
            raise

    @asynccontextmanager
    async def read(self, until: Deadline | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading; each statement sees the latest commit.

        Raises:
            Unavailable: the database can't be reached, is not set up, or all connections are busy.
            TimedOut: it was not done by the deadline.
        """
        with _failures_named(until):
            async with _connected(self._readers, until) as connection, _timeout(until):
                yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading, also for streams: all statements see the same moment.

        Raises:
            Unavailable: as for `read`.
        """
        with _failures_named(None):
            async with _connected(self._readers, None) as connection:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                async with connection.begin():
                    yield connection

    @asynccontextmanager
    async def transaction(self, until: Deadline | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection in a transaction: committed on leaving, rolled back on an error.

        Raises:
            Unavailable: as for `read`. If the server is lost during the commit, nobody knows
                whether the change was made.
            Contended: others were in the way, and nothing was changed.
            TimedOut: it was not done by the deadline, and nothing was changed.
        """
        with _failures_named(until):
            async with (
                _connected(self._writers, until) as connection,
                connection.begin(),
                _timeout(until),
            ):
                yield connection
        if self.on_commit is not None:
            self.on_commit()
        if self._wakeups is not None:
            self._wakeups.tell()

    async def expect_bulk(self) -> None:
        """Nothing: the server is set up by whoever runs it."""

    async def log_version(self) -> int:
        """The last number up to which the event log can be read.

        Raises:
            Unavailable: as for `read`.
        """
        if self._wakeups is not None:
            self._wakeups.listen()
        async with self.read() as connection:
            return await event_order.settled_until(connection) or 0

    async def create(self) -> None:
        """Nothing: databases are made by whoever runs the server."""

    async def dispose(self) -> None:
        """Close every connection."""
        if self._wakeups is not None:
            await self._wakeups.close()
        await self._readers.dispose()
        await self._writers.dispose()

    def _others_committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()


def _refuse_closed(connection: Any, _record: object, _proxy: object) -> None:
    """Have a connection replaced that has been closed while nobody used it."""
    if connection.driver_connection.is_closed():
        raise DisconnectionError


@asynccontextmanager
async def _connected(
    engine: AsyncEngine, until: Deadline | None
) -> AsyncGenerator[AsyncConnection]:
    connection = engine.connect()
    try:
        async with _timeout(until):
            await connection.start()
    except OSError as error:
        # Here it is the network's, whatever it is. In between it may be another thing's.
        raise _NoConnection from error
    try:
        yield connection
    finally:
        await connection.close()


def _timeout(until: Deadline | None) -> asyncio.Timeout:
    return asyncio.timeout_at(None if until is None else until.at_s)


class _NoConnection(Exception):
    """The server can't be reached; the cause says why."""


_NO_ANSWER = (
    _NoConnection,
    PoolTimeoutError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class _failures_named:  # noqa: N801 (used as a statement)
    """Give the server's and the network's ways to fail the names that the layers above know."""

    def __init__(self, until: Deadline | None) -> None:
        self._until = until

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        cause = error.__cause__ if isinstance(error, _NoConnection) else error
        state = _sqlstate(error)
        if state in _OTHERS_IN_THE_WAY or _is_stale_plan(error):
            raise Contended from error
        is_ours = (
            isinstance(error, _NO_ANSWER)
            or (isinstance(error, DBAPIError) and error.connection_invalidated)
            or (state is not None and not _NOT_AVAILABLE.isdisjoint({state, state[:2]}))
            or state in _TOOK_TOO_LONG
        )
        if is_ours:
            if self._until is not None and self._until.is_past:
                raise TimedOut(self._until.limit_s) from cause
            raise Unavailable from cause


def _sqlstate(error: BaseException | None) -> str | None:
    if isinstance(error, DBAPIError):
        error = error.orig
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None


def _is_stale_plan(error: BaseException) -> bool:
    """Whether a migration changed what a prepared statement returns; the next time it is fresh."""
    cause = getattr(error.orig, "__cause__", None) if isinstance(error, DBAPIError) else error
    return isinstance(cause, asyncpg.InvalidCachedStatementError)
