"""PostgreSQL: connections from two pools, and what the server's failures are called above.

Reads and changes have connections apart, so that changes that wait for each other's locks leave
reads alone. Reads are outside of transactions: one round trip each, and nothing to keep open.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from app.db import event_order
from app.db.database import Database, PoolUse
from app.db.deadline import Deadline
from app.db.dsn import dsn_of, place_of
from app.db.faults import PoolerInBetween, driver_error, fault_of, sqlstate
from app.db.pool import FairPool
from app.db.postgresql_sharing import MustBeAlone, SharedStatements
from app.db.prepared import Bound
from app.db.replica import Replica
from app.db.steps import Row, Shared, Statement, Steps, carry_out, unfolded
from app.db.wakeups import Wakeups
from app.domain.errors import AppError, Contended, TimedOut, Unavailable

T = TypeVar("T")

_NAME = "orders-graphql"
_COMPANIONS = Path("data")
# Longer than the server waits: what it says is better than a timeout of ours.
_PATIENCE_S = 5.0
# How long a command may do nothing in the middle of a change.
_LONGEST_IDLE_MS = 60_000
_REPLICA_CONNECTS_WITHIN_S = 1.0
_REPLICA_WAIT_S = 0.25
_OUTSIDE_OF_TRANSACTIONS: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
}
# A server of 17 or newer knows it; to others it must not be mentioned.
_LIMIT_TRANSACTIONS = (
    "SELECT set_config(name, '{}ms', false) FROM pg_settings WHERE name = 'transaction_timeout'"
)
# The server tells each client the number of its process. A pooler tells a number of its own. Asked
# without a prepared statement, which might be another client's: the answer is how many rows.
_IS_SERVER = "SELECT 1 WHERE pg_backend_pid() = {}"
_YES = "SELECT 1"
_BREAK_OFF = "SELECT pg_cancel_backend({})"
# How a server puts it that a statement prepared on one connection is asked for on another one.
_MIXED_UP = {"26000", "42P05"}
_NOT_AT_A_POOLER = "unsupported startup parameter"
_UNLIMITED = text("""
    SELECT name FROM pg_settings WHERE setting = '0'
      AND name IN ('statement_timeout', 'idle_in_transaction_session_timeout',
                   'transaction_timeout')
    ORDER BY name
""")
_CONNECTIONS = text("""
    SELECT current_setting('max_connections')::int
         - current_setting('superuser_reserved_connections')::int
""")
# Citus keeps what it spreads in tables of its own.
_IS_SPREAD = "SELECT to_regclass('pg_dist_partition') IS NOT NULL"
_LISTENING = 1
_NO_POOLER = (
    "ORDERS_DATABASE_PGBOUNCER is set, but there is no pooler: without it, statements are faster"
    " and have time limits."
)

# Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
_OTHERS_IN_THE_WAY = {"40001", "40P01", "55P03"}  # serialization, deadlock, lock timeout
_TOOK_TOO_LONG = {"57014", "25P03", "25P04"}  # a statement, an idle transaction, a transaction
_NOT_AVAILABLE = {
    "08",  # the connection
    "28",  # who connects
    "3D",  # no such database
    "53",  # the server's resources
    "54",  # its limits, such as the size of what an index holds
    "57",  # an operator, a stop, a start
    "58",  # the server's system
    "25006",  # a server that only reads, after another one took over
    "42501",  # rights
    "42P01",  # no such table: not migrated
    "42703",  # no such column: not migrated
}


class PostgreSQLDatabase(Database):
    """A database on a PostgreSQL server, or on one behind PgBouncer.

    The arguments are those of `DatabaseOptions`.
    """

    engine = "postgresql"

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
        replica_url: str,
    ) -> None:
        super().__init__()
        self._dsn = dsn_of(url)
        self._pool_size = pool_size
        self._has_pooler = pgbouncer
        self._limit_ms = (
            None if statement_timeout_s is None else max(round(statement_timeout_s * 1_000), 1)
        )
        connect_args: dict[str, Any] = {"dsn": self._dsn, "timeout": connect_timeout_s}
        self._patience_s = (
            None if statement_timeout_s is None else statement_timeout_s + _PATIENCE_S
        )
        if self._patience_s is not None:
            connect_args["command_timeout"] = self._patience_s
        if pgbouncer:
            # A statement prepared on one connection of the server may be asked for on another one,
            # and would be another client's: a wrong answer without an error.
            connect_args |= {"statement_cache_size": 0, "prepared_statement_cache_size": 0}
        else:
            settings = {"application_name": _NAME}
            if self._limit_ms is not None:
                settings["statement_timeout"] = f"{self._limit_ms}ms"
            connect_args["server_settings"] = settings
        pool: dict[str, Any] = {
            "poolclass": FairPool,
            "pool_size": pool_size,
            "max_overflow": 0,
            "pool_timeout": pool_wait_s,
            "pool_use_lifo": True,
        }
        writer_args = {
            **connect_args,
            "async_creator_fn": partial(self._connect, limits_transactions=True),
        }
        if not pgbouncer:
            # Who hangs amid a change keeps rows from others, and events from who reads the log.
            idle_ms = _LONGEST_IDLE_MS if self._limit_ms is None else self._limit_ms
            writer_args["server_settings"] = {
                **connect_args["server_settings"],
                "idle_in_transaction_session_timeout": f"{idle_ms}ms",
            }
        self._writers: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://", connect_args=writer_args, **pool
        )
        reader_args = {**connect_args, "async_creator_fn": self._connect}
        self._readers: AsyncEngine = create_async_engine(
            "postgresql+asyncpg://", connect_args=reader_args, **_OUTSIDE_OF_TRANSACTIONS, **pool
        )
        self._copies: AsyncEngine | None = None
        self._replica: Replica | None = None
        if replica_url:
            self._copies = _replica_engine(replica_url, pool, reader_args, outside=not pgbouncer)
            connect = partial(_copy, self._copies, dsn_of(replica_url), outside=not pgbouncer)
            self._replica = Replica(connect, self.read, keeps_connections=not pgbouncer)
        for engine in filter(None, (self._writers, self._readers, self._copies)):
            event.listen(engine.sync_engine, "checkout", _refuse_closed)
        # Whether Citus spreads the tables; looked up when it is needed first.
        self._is_spread: bool | None = None
        self._shared = SharedStatements(
            self._for_groups, self._interrupt, on_commit=self._committed, groups=pool_size
        )
        self._wakeups = Wakeups(dsn_of(listen_url), self._others_committed) if listen_url else None

    @property
    def place(self) -> str:
        """Server and database."""
        return place_of(self._dsn)

    @property
    def companion(self) -> Path:
        """A path in the folder `data`."""
        name = "".join(letter if letter.isalnum() else "-" for letter in self.place)
        return _COMPANIONS / f"{name}.db"

    @property
    def pools(self) -> Mapping[str, PoolUse]:
        """The two pools."""
        return {"reading": _use(self._readers), "changes": _use(self._writers)}

    async def exists(self, until: Deadline | None = None) -> bool:
        """True, as soon as the server says so: making the database is for whoever runs that.

        Raises:
            Unavailable: there is none, or it can't be reached.
            TimedOut: it was not told by the deadline.
        """
        async with self.read(until):
            return True

    async def take_changes(self, until: Deadline) -> None:
        """Wait until a connection for changes is free.

        Raises:
            Unavailable: there is none, and none can be made.
            TimedOut: none was by the deadline.
        """
        with self._failures_named(until):
            async with _connected(self._writers, until):
                pass

    async def remarks(self, processes: int) -> Sequence[str]:
        """What is missing for safety's sake, and what connections there are too few of."""
        async with self.read() as connection:
            if self._has_pooler:
                driver = (await connection.get_raw_connection()).driver_connection
                pid = (await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
                if driver is not None and driver.get_server_pid() == pid:
                    return [_NO_POOLER]
                unlimited = (await connection.execute(_UNLIMITED)).scalars().all()
                return [_advice_on_limits(unlimited)] if unlimited else []
            there_are = (await connection.execute(_CONNECTIONS)).scalar_one()
        may_use = processes * (2 * self._pool_size + (_LISTENING if self._wakeups else 0))
        if may_use <= there_are:
            return []
        return [
            f"Up to {may_use} connections may be used, and the server has {there_are}:"
            " raise its max_connections, or lower ORDERS_DATABASE_POOL_SIZE."
        ]

    @asynccontextmanager
    async def read(self, until: Deadline | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading; each statement sees the latest commit.

        Raises:
            Unavailable: the database can't be reached, is not set up, or all connections are busy.
            TimedOut: it was not done by the deadline.
        """
        with self._failures_named(until):
            async with _connected(self._readers, until) as connection, _timeout(until):
                yield connection

    async def query(
        self, work: Callable[[AsyncConnection], Awaitable[T]], until: Deadline | None = None
    ) -> T:
        """Do work that only reads what anybody asks for: on the replica, if it can be had.

        Args:
            work: What to do. It may be called twice, if the replica fails in the middle.
            until: When to give up.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        replica = self._replica
        if replica is not None and replica.is_trusted():
            with self._failures_named(until):
                async with _timeout(until):
                    position = await replica.position()
            try:
                async with replica.read(position, until) as connection:
                    return await work(connection)
            except Contended:
                pass  # the primary had removed what was being read here
            except Unavailable as error:
                if not isinstance(error.__cause__, PoolTimeoutError):
                    replica.leave(error)
        return await super().query(work, until)

    async def fetch(
        self, reads: Sequence[Bound], until: Deadline | None = None, *, short: bool = False
    ) -> list[Sequence[Sequence[Any]]]:
        """The rows of some statements, as the driver has them, each with the latest commit.

        As for `query`, they may come from a replica.

        Args:
            reads: The statements, for this engine.
            until: When to give up.
            short: Makes no difference.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        if self._replica is not None:
            return await super().fetch(reads, until)
        pool = _pool(self._readers)
        with self._failures_named(until):
            entry = await pool.borrow(None if until is None else until.at_s)
            if entry is not None:
                driver: Any = entry.driver_connection
                try:
                    return [
                        await self._fetched(driver, read, self._left_s(until)) for read in reads
                    ]
                finally:
                    pool.give_back(entry)
        return await super().fetch(reads, until)

    def _left_s(self, until: Deadline | None) -> float | None:
        return None if until is None else until.left_s(self._patience_s)

    async def _fetched(
        self, driver: Any, read: Bound, within_s: float | None = None
    ) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await driver.fetch(
            read.text, *read.parameters, timeout=within_s
        )
        return rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading, also for streams: all statements see the same moment.

        Raises:
            Unavailable: as for `read`.
        """
        with self._failures_named(None):
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
        with self._failures_named(until):
            async with (
                _connected(self._writers, until) as connection,
                connection.begin(),
                _timeout(until),
            ):
                yield connection
        self._committed()

    def _committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()
        if self._wakeups is not None:
            self._wakeups.tell()

    async def _perform(self, make: Callable[[], Steps[T]], until: Deadline | None) -> T:
        if self._is_spread is None:
            async with self.read(until) as connection:
                self._is_spread = (await connection.exec_driver_sql(_IS_SPREAD)).scalar_one()
        if not self._is_spread:
            steps = make()
            try:
                step = next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Shared):
                with suppress(MustBeAlone), self._failures_named(until):
                    return await self._shared.perform(steps, step, until)
            else:
                steps.close()
        return await self._perform_alone(make, until, in_parts=self._is_spread)

    async def _perform_alone(
        self, make: Callable[[], Steps[T]], until: Deadline | None, *, in_parts: bool
    ) -> T:
        with self._failures_named(until):
            async with _lent(self._writers, until) as driver:
                is_clean = False
                try:
                    try:
                        async with _timeout(until):
                            await driver.execute("BEGIN")
                            result = await carry_out(
                                unfolded(make(), self.engine, in_parts=in_parts),
                                partial(_execute, driver),
                            )
                    except (AppError, asyncpg.PostgresError):
                        if not driver.is_closed():
                            await driver.execute("ROLLBACK")
                            is_clean = True
                        raise
                    await driver.execute("COMMIT")
                    is_clean = True
                finally:
                    if not is_clean:
                        # Who knows where it stopped. Nobody else may find a transaction open.
                        driver.terminate()
        self._committed()
        return result

    @asynccontextmanager
    async def _for_groups(self) -> AsyncGenerator[Any]:
        """A connection of the driver for statements that are transactions by themselves."""
        async with _lent(self._writers, None) as driver:
            try:
                yield driver
            except asyncpg.PostgresError:
                raise  # the server has said so, and waits for the next one
            except BaseException:
                driver.terminate()
                raise

    async def _interrupt(self, driver: Any) -> None:
        """Have the server break off a statement. A pooler's processes are not the server's."""
        if self._has_pooler:
            return
        with suppress(AppError):
            async with self.read() as connection:
                await connection.exec_driver_sql(_BREAK_OFF.format(driver.get_server_pid()))

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
        if self._replica is not None and self._copies is not None:
            await self._replica.close()
            await self._copies.dispose()
        await self._shared.close()
        await self._readers.dispose()
        await self._writers.dispose()

    async def _connect(
        self, *, limits_transactions: bool = False, **arguments: Any
    ) -> "asyncpg.Connection[asyncpg.Record]":
        """A new connection for a pool, which leads to where it was said to."""
        try:
            connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(**arguments)
        except asyncpg.PostgresError as error:
            is_mixed_up = error.sqlstate in _MIXED_UP or _NOT_AT_A_POOLER in str(error)
            if is_mixed_up and not self._has_pooler:
                raise PoolerInBetween from error
            raise
        if self._has_pooler:
            return connection
        set_up = _IS_SERVER.format(connection.get_server_pid())
        if limits_transactions and self._limit_ms is not None:
            set_up = f"{_LIMIT_TRANSACTIONS.format(2 * self._limit_ms)}; {set_up}"
        is_server = False
        try:
            is_server = await connection.execute(set_up) == _YES
        finally:
            if not is_server:
                connection.terminate()
        if not is_server:
            raise PoolerInBetween
        return connection

    def _failures_named(self, until: Deadline | None) -> "_failures_named":
        return _failures_named(self._dsn, until)

    def _others_committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()


async def _execute(driver: Any, statement: Statement) -> Sequence[Row]:
    prepared, values, rows, _ = statement
    if rows is None:
        text, parameters = prepared.bind(PostgreSQLDatabase.engine, values)
        found: Sequence[Row] = await driver.fetch(text, *parameters)
        return found
    await driver.executemany(*prepared.bind_rows(PostgreSQLDatabase.engine, rows))
    return ()


def _pool(engine: AsyncEngine) -> FairPool:
    pool = engine.pool
    if not isinstance(pool, FairPool):
        raise TypeError("the engines are made with fair pools")
    return pool


def _use(engine: AsyncEngine) -> PoolUse:
    pool = _pool(engine)
    return PoolUse(pool.size(), pool.checkedin() + pool.checkedout(), pool.checkedout())


def _advice_on_limits(names: Sequence[str]) -> str:
    return (
        f"The server sets no {' and no '.join(names)}, and through a pooler nobody else can: a"
        " statement or a transaction may hold others up for ever. Set them by ALTER ROLE … SET …."
    )


def _replica_engine(
    url: str, pool: dict[str, Any], reader_args: dict[str, Any], *, outside: bool
) -> AsyncEngine:
    """Connections to the replica: to be had soon, or reads go to the primary."""
    reader_args = {
        **reader_args,
        "dsn": dsn_of(url),
        "timeout": min(reader_args["timeout"], _REPLICA_CONNECTS_WITHIN_S),
    }
    pool = {**pool, "pool_timeout": min(pool["pool_timeout"], _REPLICA_WAIT_S)}
    if outside:
        pool |= _OUTSIDE_OF_TRANSACTIONS
    return create_async_engine("postgresql+asyncpg://", connect_args=reader_args, **pool)


@asynccontextmanager
async def _copy(
    engine: AsyncEngine, dsn: str, until: Deadline | None, *, outside: bool
) -> AsyncGenerator[AsyncConnection]:
    """A connection to a replica, outside of transactions or inside of one.

    Inside of one, PgBouncer leads to one and the same server.
    """
    with _failures_named(dsn, until):
        async with _connected(engine, until) as connection, _timeout(until):
            if not outside:
                await connection.begin()
            yield connection


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
    except (OSError, DBAPIError, asyncpg.PostgresError) as error:
        # Here it is the network's or the server's, whatever it is. In between it may be ours.
        raise _NoConnection from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _lent(engine: AsyncEngine, until: Deadline | None) -> AsyncGenerator[Any]:
    """A connection of the driver, outside of transactions. One that is closed is not used again."""
    pool = _pool(engine)
    entry = await pool.borrow(None if until is None else until.at_s)
    if entry is None:
        async with _connected(engine, until) as connection:
            yield (await connection.get_raw_connection()).driver_connection
        return
    try:
        yield entry.driver_connection
    finally:
        pool.give_back(entry)


def _timeout(until: Deadline | None) -> asyncio.Timeout:
    return asyncio.timeout_at(None if until is None else until.at_s)


class _NoConnection(Exception):
    """The server can't be reached; the cause says why."""


_NO_ANSWER = (
    _NoConnection,
    PoolerInBetween,
    PoolTimeoutError,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class _failures_named:  # noqa: N801 (used as a statement)
    """Give the server's and the network's ways to fail the names that the layers above know."""

    def __init__(self, dsn: str, until: Deadline | None) -> None:
        self._dsn = dsn
        self._until = until

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        if error is None:
            return
        cause = (error.__cause__ or error) if isinstance(error, _NoConnection) else error
        state = sqlstate(error)
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
            raise Unavailable(fault_of(cause, self._dsn)) from cause


def _is_stale_plan(error: BaseException) -> bool:
    """Whether a migration changed what a prepared statement returns; the next time it is fresh."""
    return isinstance(driver_error(error), asyncpg.InvalidCachedStatementError)
