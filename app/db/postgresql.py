"""PostgreSQL: which of its connections serves what, and when statements are shared.

Reads and changes have connections apart, so that changes that wait for each other's locks leave
reads alone. Reads are outside of transactions: one round trip each, and nothing to keep open.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import event_order
from app.db.database import Database, PoolUse
from app.db.deadline import Deadline
from app.db.dsn import dsn_of, place_of
from app.db.postgresql_connections import Access, Connections, timeout
from app.db.postgresql_failures import failures_named
from app.db.postgresql_reading import Rows, SharedReads
from app.db.postgresql_sharing import MustBeAlone, SharedStatements
from app.db.prepared import Bound
from app.db.replica import Replica
from app.db.steps import Row, Shared, Statement, Steps, carry_out, unfolded
from app.db.wakeups import Wakeups
from app.domain.errors import AppError, Contended, Unavailable

T = TypeVar("T")

_COMPANIONS = Path("data")
_BREAK_OFF = "SELECT pg_cancel_backend({})"
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
        access = Access(pool_size, pool_wait_s, connect_timeout_s, statement_timeout_s, pgbouncer)
        self._writers = access.for_changes(self._dsn)
        self._readers = access.for_reads(self._dsn)
        self._copies: Connections | None = None
        self._replica: Replica | None = None
        if replica_url:
            self._copies = access.for_copies(dsn_of(replica_url))
            connect = partial(_copy, self._copies, dsn_of(replica_url), outside=not pgbouncer)
            self._replica = Replica(connect, self.read, keeps_connections=not pgbouncer)
        # Whether Citus spreads the tables; looked up when it is needed first.
        self._is_spread: bool | None = None
        self._shared_reads = SharedReads(self._fetch_one, statements=pool_size)
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
        return {"reading": self._readers.use, "changes": self._writers.use}

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
            async with self._writers.connected(until):
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
            async with self._readers.connected(until) as connection, timeout(until):
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
                async with timeout(until):
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
        if len(reads) == 1:
            return [await self.latest(reads[0], until)]
        with self._failures_named(until):
            return await self._readers.fetch(reads, until)

    async def latest(self, read: Bound, until: Deadline | None = None) -> Rows:
        """The rows of a statement, as the driver has them; never from a replica.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        kind = read.for_several
        with self._failures_named(until):
            if kind is not None and await self._has_all_here(until):
                return await self._shared_reads.rows(read, kind, until)
            return await self._fetch_one(read, until)

    async def _fetch_one(self, read: Bound, until: Deadline | None) -> Rows:
        (rows,) = await self._readers.fetch([read], until)
        return rows

    async def _fetched(self, driver: Any, read: Bound) -> Rows:
        rows: Rows = await driver.fetch(read.text, *read.parameters)
        return rows

    async def _has_all_here(self, until: Deadline | None) -> bool:
        """Whether all tables are on this server, and not spread by Citus."""
        if self._is_spread is None:
            async with self.read(until) as connection:
                self._is_spread = (await connection.exec_driver_sql(_IS_SPREAD)).scalar_one()
        return not self._is_spread

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading, also for streams: all statements see the same moment.

        Raises:
            Unavailable: as for `read`.
        """
        with self._failures_named(None):
            async with self._readers.connected(None) as connection:
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
                self._writers.connected(until) as connection,
                connection.begin(),
                timeout(until),
            ):
                yield connection
        self._committed()

    def _committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()
        if self._wakeups is not None:
            self._wakeups.tell()

    async def _perform(self, make: Callable[[], Steps[T]], until: Deadline | None) -> T:
        has_all_here = await self._has_all_here(until)
        if has_all_here:
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
        return await self._perform_alone(make, until, in_parts=not has_all_here)

    async def _perform_alone(
        self, make: Callable[[], Steps[T]], until: Deadline | None, *, in_parts: bool
    ) -> T:
        with self._failures_named(until):
            async with self._writers.lent(until) as driver:
                is_clean = False
                try:
                    try:
                        async with timeout(until):
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
        async with self._writers.lent(None) as driver:
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
        await self._shared_reads.close()
        await self._shared.close()
        await self._readers.dispose()
        await self._writers.dispose()

    def _failures_named(self, until: Deadline | None) -> failures_named:
        return failures_named(self._dsn, until)

    def _others_committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()


async def _execute(driver: Any, statement: Statement) -> Sequence[Row]:
    prepared, values, rows, _ = statement
    if rows is None:
        text, parameters, _ = prepared.bind(PostgreSQLDatabase.engine, values)
        found: Sequence[Row] = await driver.fetch(text, *parameters)
        return found
    await driver.executemany(*prepared.bind_rows(PostgreSQLDatabase.engine, rows))
    return ()


def _advice_on_limits(names: Sequence[str]) -> str:
    return (
        f"The server sets no {' and no '.join(names)}, and through a pooler nobody else can: a"
        " statement or a transaction may hold others up for ever. Set them by ALTER ROLE … SET …."
    )


@asynccontextmanager
async def _copy(
    copies: Connections, dsn: str, until: Deadline | None, *, outside: bool
) -> AsyncGenerator[AsyncConnection]:
    """A connection to a replica, outside of transactions or inside of one.

    Inside of one, PgBouncer leads to one and the same server.
    """
    with failures_named(dsn, until):
        async with copies.connected(until) as connection, timeout(until):
            if not outside:
                await connection.begin()
            yield connection
