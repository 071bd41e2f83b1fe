"""SQLite: how reads and writes get a connection of the file.

SQLite lets one connection write at a time. So whoever writes has the turn to, each transaction
begun with BEGIN IMMEDIATE; reads have connections of their own, which in WAL mode never wait for
it. A commit is on disk before it is acknowledged (synchronous=FULL). Changes of a few short steps
have a connection of their own, and share their turn and its commit: see `sqlite_commits`.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool

from app.db.database import Database, PoolUse
from app.db.deadline import Deadline
from app.db.pool import FairPool
from app.db.prepared import Bound
from app.db.sqlite_commits import NoTurn, SharedCommits
from app.db.sqlite_inline import InlineReader, connect_driver
from app.db.steps import Steps
from app.domain.errors import Fault, TimedOut, Unavailable

T = TypeVar("T")

_OLDEST_SQLITE = (3, 38, 0)  # the first with its JSON functions always built in
URL_PREFIX = "sqlite+aiosqlite:///"
_WRITE_WAIT_S = 30
_INTERRUPT_AGAIN_S = 0.05
_READERS = 4
_WRITERS_CACHE_KIB = 32 * 1024
# Each copies what changed into the file, and the change that comes upon it waits for that: rarely,
# as pages that change again and again are then copied once. The log is no longer than this and a
# transaction more, but for a reader that takes very long.
_CHECKPOINT_PAGES = 4_000  # of 4 KiB
_WAL_KEPT_BYTES = 32 * 1024 * 1024
_BULK_CACHE_KIB = 32 * 1024
_BULK_CHECKPOINT_PAGES = 16_000  # of 4 KiB


class SQLiteDatabase(Database):
    """A database in a file.

    Waiting for the one connection for changes is nothing unusual, so a probe does not ask for it.

    Args:
        url: `sqlite+aiosqlite:///` and the path.
        foreign_keys: Whether they are enforced.
        busy_timeout_s: How long a connection waits for another process to finish writing.

    Raises:
        RuntimeError: the SQLite library of this Python is too old, or lacks full-text search.
    """

    engine = "sqlite"
    reads_at_once = True

    def __init__(self, url: str, *, foreign_keys: bool, busy_timeout_s: float) -> None:
        super().__init__()
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise RuntimeError(
                f"SQLite {sqlite3.sqlite_version} is too old: 3.38 or newer is needed"
            )
        if not _has_fts5():
            raise RuntimeError("The SQLite library of this Python was built without FTS5")
        self.path = Path(url.removeprefix(URL_PREFIX))
        self._observer: AsyncConnection | None = None
        self._inline = InlineReader(self.path)
        busy_timeout_ms = round(busy_timeout_s * 1_000)
        common: dict[str, Any] = {"connect_args": {"isolation_level": None}}
        self._writer: AsyncEngine = create_async_engine(
            url, pool_size=1, max_overflow=0, pool_timeout=_WRITE_WAIT_S, **common
        )
        self._readers: AsyncEngine = create_async_engine(
            url,
            poolclass=FairPool,
            pool_size=_READERS + 1,  # the observer keeps one
            max_overflow=0,
            isolation_level="AUTOCOMMIT",
            skip_autocommit_rollback=True,
            pool_reset_on_return=None,
            **common,
        )

        for_writing = (
            "journal_mode=WAL",
            "synchronous=FULL",
            f"foreign_keys={'ON' if foreign_keys else 'OFF'}",
            f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
            f"journal_size_limit={_WAL_KEPT_BYTES}",
            "temp_store=MEMORY",
            f"cache_size=-{_WRITERS_CACHE_KIB}",
        )
        self._turn = asyncio.Lock()
        self._commits = SharedCommits(
            partial(
                connect_driver,
                self.path,
                f"busy_timeout={busy_timeout_ms}",
                *for_writing,
                "busy_timeout=0",
            ),
            self._turn,
            wait_s=_WRITE_WAIT_S,
            busy_timeout_s=busy_timeout_s,
            on_commit=self._committed,
        )

        def on_connect(connection: DBAPIConnection, *pragmas: str) -> None:
            cursor = connection.cursor()
            for pragma in (f"busy_timeout={busy_timeout_ms}", *pragmas):
                cursor.execute(f"PRAGMA {pragma}")
            cursor.close()

        @event.listens_for(self._writer.sync_engine, "connect")
        def _set_up_writer(connection: DBAPIConnection, _record: object) -> None:
            on_connect(connection, *for_writing)

        @event.listens_for(self._writer.sync_engine, "begin")
        def _begin_as_writer(connection: Any) -> None:
            # A deferred BEGIN takes the write lock only at the first write, and fails then if
            # another process has written since the first read.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

        @event.listens_for(self._writer.sync_engine, "invalidate")
        def _roll_back_first(connection: Any, _record: object, _error: object) -> None:
            # A caller that is cancelled leaves a cursor behind, and SQLite keeps a connection, with
            # its transaction and the lock, until the last cursor is gone. So the transaction is
            # ended before the connection is closed: one step of the driver's coroutine puts that
            # into the queue, behind the statement that may still run.
            rollback = connection.driver_connection.rollback()
            with suppress(StopIteration, ValueError):
                rollback.send(None)
            rollback.close()

        @event.listens_for(self._readers.sync_engine, "connect")
        def _set_up_reader(connection: DBAPIConnection, _record: object) -> None:
            on_connect(connection, "query_only=ON")

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def companion(self) -> Path:
        """The file."""
        return self.path

    @property
    def pools(self) -> Mapping[str, PoolUse]:
        """The readers, without the one that watches the log while there is one; and the writer."""
        readers, writer = (_pool(engine) for engine in (self._readers, self._writer))
        watching = 0 if self._observer is None else 1
        # Of the two ways to write only one has the turn, so that they count as one connection.
        is_open = self._commits.is_open or writer.checkedin() + writer.checkedout() > 0
        changes = PoolUse(writer.size(), int(is_open), int(self._turn.locked()))
        return {"reading": _use(readers, without=watching), "changes": changes}

    async def exists(self, until: Deadline | None = None) -> bool:
        """Whether there is the file."""
        return self.path.exists()

    async def take_changes(self, until: Deadline) -> None:
        """Nothing: changes take turns, and each gets its own."""

    async def remarks(self, processes: int) -> Sequence[str]:
        """None: there is nothing to set up."""
        return []

    @asynccontextmanager
    async def read(self, until: Deadline | None = None) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading; each statement sees the latest commit.

        Raises:
            Unavailable: the database is missing, not set up, or busy for too long.
            TimedOut: it was not done by the deadline.
        """
        with self._failures_named(until):
            # Connecting to a missing file would create it, empty.
            if not self.path.exists():
                raise Unavailable(self._missing())
            async with _connected(self._readers, until) as connection:
                yield connection

    async def fetch(
        self, reads: Sequence[Bound], until: Deadline | None = None, *, short: bool = False
    ) -> list[Sequence[Sequence[Any]]]:
        """The rows of some statements; short ones are read at once, in the event loop.

        Handing a statement to a thread and getting its rows back takes longer than a short one
        runs. One that takes too long after all is broken off, and read in a thread like the others.

        Raises:
            Unavailable: as for `read`.
            TimedOut: as for `read`.
        """
        if short and (rows := self._inline.read(reads)) is not None:
            return rows
        return await super().fetch(reads, until)

    def at_once(self, reads: Sequence[Bound]) -> list[Sequence[Sequence[Any]]] | None:
        """The rows of some short statements, by a connection that no thread has."""
        return self._inline.read(reads)

    async def _fetched(self, driver: Any, read: Bound) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await driver.execute_fetchall(read.text, read.parameters)
        return rows

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection for reading, also for streams: all statements see the same moment.

        Raises:
            Unavailable: as for `read`.
        """
        async with self.read() as connection:
            await connection.exec_driver_sql("BEGIN")
            try:
                yield connection
            finally:
                await connection.exec_driver_sql("ROLLBACK")

    @asynccontextmanager
    async def transaction(self, until: Deadline | None = None) -> AsyncGenerator[AsyncConnection]:
        """The writing connection, in a transaction: committed on leaving, rolled back on an error.

        Raises:
            Unavailable: as for `read`.
            TimedOut: it was not done by the deadline, and nothing was changed. A commit that has
                begun is not interrupted, so a change is made and told, or not made.
        """
        with self._failures_named(until):
            if not self.path.exists():
                raise Unavailable(self._missing())
            async with (
                self._my_turn(until),
                _connected(self._writer, until) as connection,
                connection.begin(),
            ):
                yield connection
                if until is not None:
                    until.check()
        self._committed()

    @asynccontextmanager
    async def _my_turn(self, until: Deadline | None) -> AsyncGenerator[None]:
        """The turn to write, which is given to those who wait in the order in which they came."""
        try:
            if until is None:
                async with asyncio.timeout(_WRITE_WAIT_S):
                    await self._turn.acquire()
            else:
                async with asyncio.timeout_at(until.at_s):
                    await self._turn.acquire()
        except TimeoutError:
            raise NoTurn if until is None else TimedOut(until.limit_s) from None
        try:
            yield
        finally:
            self._turn.release()

    async def _perform(self, make: Callable[[], Steps[T]], until: Deadline | None) -> T:
        with self._failures_named(until):
            if not self.path.exists():
                raise Unavailable(self._missing())
            return await self._commits.perform(make, until)

    def _committed(self) -> None:
        if self.on_commit is not None:
            self.on_commit()

    async def expect_bulk(self) -> None:
        """Set the writing connection up for large transactions.

        Each touches pages all over the indexes. They stay in memory until the commit, and are
        brought to their places in the file only after several: that is less than half the writing.
        What would undo a single statement stays in memory, too.

        Raises:
            Unavailable: as for `read`.
        """
        with self._failures_named(None):
            async with self._writer.connect() as connection:
                for pragma in (
                    "temp_store=MEMORY",
                    f"cache_size=-{_BULK_CACHE_KIB}",
                    f"wal_autocheckpoint={_BULK_CHECKPOINT_PAGES}",
                ):
                    await connection.exec_driver_sql(f"PRAGMA {pragma}")

    async def log_version(self) -> int:
        """A number that is another one after each commit, of whichever process.

        It goes past the engine to the driver, on a connection of its own, because SQLite counts for
        each connection what others have committed.

        Raises:
            Unavailable: as for `read`.
        """
        with self._failures_named(None):
            if not self.path.exists():
                raise Unavailable(self._missing())
            if self._observer is None:
                self._observer = await self._readers.connect()
            driver = (await self._observer.get_raw_connection()).driver_connection
            if driver is None:
                raise Unavailable
            ((version,),) = await driver.execute_fetchall("PRAGMA data_version")
            return int(version)

    async def create(self) -> None:
        """Make the database's folder and file where there are none; the file is its owner's alone.

        SQLite gives the files that it keeps beside it the same permissions.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self.path.exists():
            self.path.touch(0o600)
        with self._failures_named(None):
            async with self._writer.connect() as connection:
                await connection.execute(text("PRAGMA user_version"))

    async def dispose(self) -> None:
        """Close every connection."""
        self._inline.close()
        await self._commits.close()
        if self._observer is not None:
            await self._observer.close()
            self._observer = None
        await self._readers.dispose()
        await self._writer.dispose()

    def _missing(self) -> Fault:
        return Fault(self.place, "there is none", advice="run `orders migrate` first")

    def _failures_named(self, until: Deadline | None) -> "_failures_named":
        return _failures_named(self.place, until)


def _pool(engine: AsyncEngine) -> QueuePool:
    pool = engine.pool
    if not isinstance(pool, QueuePool):
        raise TypeError("the pools are queues")
    return pool


def _use(pool: QueuePool, *, without: int = 0) -> PoolUse:
    in_use = pool.checkedout() - without
    return PoolUse(pool.size() - without, pool.checkedin() + in_use, in_use)


@cache
def _has_fts5() -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        found = connection.execute("SELECT sqlite_compileoption_used('ENABLE_FTS5')").fetchone()
        return bool(found[0])
    finally:
        connection.close()


@asynccontextmanager
async def _connected(
    engine: AsyncEngine, until: Deadline | None
) -> AsyncGenerator[AsyncConnection]:
    connection = engine.connect()
    if until is None:
        async with connection:
            yield connection
        return
    # Only the wait for a connection is cancelled. A statement that is cancelled goes on in its
    # thread, and its connection may keep the write lock until Python collects what holds it.
    try:
        async with asyncio.timeout_at(until.at_s):
            await connection.start()
    except TimeoutError:
        raise TimedOut(until.limit_s) from None
    try:
        with _interrupted_at(until.at_s, connection):
            yield connection
    finally:
        await connection.close()


@contextmanager
def _interrupted_at(at_s: float, connection: AsyncConnection) -> Generator[None]:
    """Make the statement fail that runs at that time of the event loop, and those after it."""
    loop = asyncio.get_running_loop()
    interrupting: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None

    def interrupt() -> None:
        nonlocal interrupting, timer
        if connection.sync_connection is not None and not connection.closed:
            # Looked up when it is needed, which is nearly never.
            driver: Any = connection.sync_connection.connection.driver_connection
            interrupting = asyncio.ensure_future(_interrupt(driver))
        timer = loop.call_later(_INTERRUPT_AGAIN_S, interrupt)

    timer = loop.call_at(at_s, interrupt)
    try:
        yield
    finally:
        timer.cancel()


async def _interrupt(driver: Any) -> None:
    # It may have been closed since: this has its turn after what was under way.
    with suppress(ValueError):
        await driver.interrupt()


class _failures_named:  # noqa: N801 (used as a statement)
    """Give the engine's ways to fail the one name that the layers above know."""

    def __init__(self, place: str, until: Deadline | None) -> None:
        self._place = place
        self._until = until

    def __enter__(self) -> None:
        return None

    def __exit__(self, _type: object, error: BaseException | None, _traceback: object) -> None:
        # A plain DatabaseError is SQLite's word for a file that is damaged or no database.
        if error is None:
            return
        if isinstance(
            error, OperationalError | PoolTimeoutError | NoTurn | sqlite3.OperationalError
        ) or type(error) in {DatabaseError, sqlite3.DatabaseError}:
            if self._until is not None and self._until.is_past:
                raise TimedOut(self._until.limit_s) from error
            raise Unavailable(_fault(error, self._place)) from error


def _fault(error: BaseException, place: str) -> Fault:
    if isinstance(error, PoolTimeoutError | NoTurn):
        return Fault(place, "all connections are in use")
    # The rest of what SQLAlchemy says is the statement.
    reason = str(getattr(error, "orig", None) or error)
    advice = ""
    if "unable to open" in reason or "readonly" in reason:
        # What SQLite says names neither the file nor those that it keeps beside it.
        advice = "to read it, its folder must be writable; to write it, the file too"
    return Fault(place, reason, advice=advice)
