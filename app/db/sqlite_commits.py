"""SQLite: short changes that share their commits.

A commit is the dear part of a short change: the pages that it touched are written, and the disk has
to say that it has them. So the changes that wait share one transaction, a savepoint each, and one
commit. Their statements run in the event loop: handing each to a thread takes longer than most of
them run. What may take long is left to a thread: the commit, many rows, and the wait for another
process.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from app.db.deadline import Deadline
from app.db.steps import Row, Statement, Steps, unfolded
from app.domain import clock
from app.domain.errors import TimedOut

T = TypeVar("T")
R = TypeVar("R")

_ENGINE = "sqlite"
# Whoever waits for the writer's turn waits for no more changes than these.
_CHANGES_OF_A_COMMIT = 100
# So much is done in the event loop before others have a turn there.
_INLINE_S = 0.003
_INLINE_ROWS = 100


class NoTurn(Exception):
    """Others had the turn for too long."""


class _Change(Generic[T]):
    """A change that waits to be made, and its caller who waits for the result."""

    def __init__(self, make: Callable[[], Steps[T]], until: Deadline | None, wait_s: float) -> None:
        loop = asyncio.get_running_loop()
        self.make = make
        self.told: asyncio.Future[T] = loop.create_future()
        self.result: Any = None
        self.error: BaseException | None = None
        self._until = until
        at_s = loop.time() + wait_s if until is None else until.at_s
        self._timer = loop.call_at(at_s, self._give_up)

    def begin(self) -> bool:
        """Whether it is still wanted. From here on it is made, however long that takes."""
        self._timer.cancel()
        if self._until is not None and self._until.is_past:
            self._give_up()
        return not self.told.done()

    def fail(self, error: BaseException) -> None:
        """Tell the caller that it was not made."""
        self._timer.cancel()
        if not self.told.done():
            self.told.set_exception(error)

    def tell(self) -> None:
        """Tell the caller what came of it."""
        if self.error is not None:
            self.fail(self.error)
        elif not self.told.done():
            self.told.set_result(self.result)

    def _give_up(self) -> None:
        self.fail(NoTurn() if self._until is None else TimedOut(self._until.limit_s))


class SharedCommits:
    """The short changes of a process.

    Args:
        connect: Opens a connection for writing that waits for nobody. One thread at a time uses it,
            but not always the same one.
        turn: Whoever has it may write.
        wait_s: How long a change without a deadline waits for its turn.
        busy_timeout_s: How long another process is waited for.
        on_commit: Called after each commit.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        turn: asyncio.Lock,
        *,
        wait_s: float,
        busy_timeout_s: float,
        on_commit: Callable[[], None],
    ) -> None:
        self._connect = connect
        self._turn = turn
        self._wait_s = wait_s
        self._busy_timeout_ms = round(busy_timeout_s * 1_000)
        self._on_commit = on_commit
        self._waiting: deque[_Change[Any]] = deque()
        self._connection: sqlite3.Connection | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._work: asyncio.Task[None] | None = None

    async def perform(self, make: Callable[[], Steps[T]], until: Deadline | None) -> T:
        """Make a change, along with others that wait, and return its result once it is committed.

        Whoever is cancelled while the change waits takes it back. After that it is made, or not, as
        if they were still there.

        Raises:
            NoTurn: it could not begin.
            TimedOut: it could not begin by its deadline.
            sqlite3.Error: the database refused it, or the commit; nothing was changed.
        """
        change = _Change(make, until, self._wait_s)
        self._waiting.append(change)
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._make_all())
        return await change.told

    @property
    def is_open(self) -> bool:
        """Whether it has its connection."""
        return self._connection is not None

    async def close(self) -> None:
        """Let go of the file, when what is under way is done."""
        if self._work is not None:
            await asyncio.wait([self._work])
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _make_all(self) -> None:
        while self._waiting:
            # It goes to those who wait for it in the order in which they came.
            async with self._turn:
                await self._make_some()

    async def _make_some(self) -> None:
        """One transaction, with as many of the changes that wait as may share it."""
        first = len(self._waiting)
        try:
            connection = await self._begin()
        except sqlite3.Error as error:
            for _ in range(first):
                self._waiting.popleft().fail(error)
            return
        made: list[_Change[Any]] = []
        try:
            await self._make_within(connection, made)
            if connection.in_transaction:
                await self._in_thread(connection.execute, "COMMIT")
                self._on_commit()
        except sqlite3.Error as error:
            # Also of those that had gone well, nothing is there.
            self._undo(connection)
            for change in made:
                change.fail(error)
        except BaseException as error:
            # The event loop ends, amid whatever the thread is at.
            if self._thread is not None:
                self._thread.submit(self._undo, connection)
            for change in made:
                change.fail(error)
            raise
        for change in made:
            change.tell()

    async def _begin(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = await self._in_thread(self._connect)
        connection = self._connection
        try:
            # Not deferred: that would take the lock only at the first write, and fail then if
            # another process has written since the first read.
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            await self._in_thread(self._begin_after_others, connection)
        return connection

    def _begin_after_others(self, connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA busy_timeout={self._busy_timeout_ms}")
        try:
            connection.execute("BEGIN IMMEDIATE")
        finally:
            connection.execute("PRAGMA busy_timeout=0")

    async def _make_within(self, connection: sqlite3.Connection, made: list[_Change[Any]]) -> None:
        """Make changes in a transaction; it is over when the only one has failed."""
        go_on_until_s = clock.monotonic_s() + _INLINE_S
        while self._waiting and len(made) < _CHANGES_OF_A_COMMIT:
            change = self._waiting.popleft()
            if not change.begin():
                continue
            made.append(change)
            # The first one needs no savepoint: all that can be undone is its own.
            is_first = len(made) == 1
            if not is_first:
                connection.execute("SAVEPOINT change")
            try:
                change.result = await self._carry_out(connection, change.make())
            except Exception as error:
                change.error = error
                if not connection.in_transaction:
                    raise  # SQLite has undone all of it, as for a disk that is full
                if is_first:
                    connection.execute("ROLLBACK")
                    return
                connection.execute("ROLLBACK TO change")
            if not is_first:
                connection.execute("RELEASE change")
            if clock.monotonic_s() > go_on_until_s:
                await asyncio.sleep(0)
                go_on_until_s = clock.monotonic_s() + _INLINE_S

    async def _carry_out(self, connection: sqlite3.Connection, steps: Steps[T]) -> T:
        statements = unfolded(steps, _ENGINE, in_parts=True)
        try:
            statement = next(statements)
            while True:
                if statement.rows is None or len(statement.rows) <= _INLINE_ROWS:
                    rows = self._execute(connection, statement)
                else:
                    rows = await self._in_thread(self._execute, connection, statement)
                statement = statements.send(rows)
        except StopIteration as end:
            result: T = end.value
            return result

    @staticmethod
    def _execute(connection: sqlite3.Connection, statement: Statement) -> Sequence[Row]:
        prepared, values, rows, _ = statement
        if rows is None:
            text, parameters, _ = prepared.bind(_ENGINE, values)
            return connection.execute(text, parameters).fetchall()
        connection.executemany(*prepared.bind_rows(_ENGINE, rows))
        return ()

    def _undo(self, connection: sqlite3.Connection) -> None:
        """End a transaction; where even that fails, with its connection."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            connection.close()
            self._connection = None

    async def _in_thread(self, work: Callable[..., R], *arguments: Any) -> R:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "sqlite-writer")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
