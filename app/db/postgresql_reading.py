"""PostgreSQL: short reads that share their statements.

A round trip costs the driver, the system and the server's process many times what it takes to find
one row. So the reads that wait at the same time, and are of one kind, are asked for by one
statement. Each sees what was committed when it was asked for, as a statement begins after that.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeAlias, cast

import asyncpg

from app.db.deadline import Deadline
from app.db.prepared import Bound, ForSeveral
from app.domain.errors import TimedOut

Rows: TypeAlias = Sequence[Sequence[Any]]
"""What a statement found, as the driver has it."""

# While the rows of one are made into answers, the server is at work on the other.
_STATEMENTS_AT_WORK = 2
# With more, the first of them would wait for the last; it costs little less than with these.
_READS_OF_A_STATEMENT = 32


class _Alone(Exception):
    """Others' values spoilt the statement, or its own did: it has to be asked for alone."""


class _Read:
    """A read that waits to be made, and its caller who waits for the rows."""

    __slots__ = ("_timer", "bound", "told", "until")

    def __init__(self, bound: Bound, until: Deadline | None) -> None:
        loop = asyncio.get_running_loop()
        self.bound = bound
        self.until = until
        self.told: asyncio.Future[Rows] = loop.create_future()
        self._timer = None if until is None else loop.call_at(until.at_s, self._give_up, until)

    def tell(self, rows: Rows) -> None:
        """Give its caller the rows."""
        self._end()
        if not self.told.done():
            self.told.set_result(rows)

    def fail(self, error: BaseException) -> None:
        """Tell its caller why there are none."""
        self._end()
        if not self.told.done():
            self.told.set_exception(error)

    def cancel(self) -> None:
        """Have its caller stop."""
        self._end()
        self.told.cancel()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _give_up(self, until: Deadline) -> None:
        if not self.told.done():
            self.told.set_exception(TimedOut(until.limit_s))


class SharedReads:
    """The short reads of a process.

    Args:
        fetch: Makes a statement, and gives up at a deadline.
        statements: How many may be made at the same time.
    """

    def __init__(
        self,
        fetch: Callable[[Bound, Deadline | None], Coroutine[Any, Any, Rows]],
        *,
        statements: int,
    ) -> None:
        self._fetch = fetch
        self._statements = min(statements, _STATEMENTS_AT_WORK)
        # By what makes the statement for several, those who came first in front.
        self._waiting: dict[ForSeveral, list[_Read]] = {}
        self._at_work: set[asyncio.Task[None]] = set()

    async def rows(self, read: Bound, kind: ForSeveral, until: Deadline | None) -> Rows:
        """The rows of a statement; whoever else waits for one of that kind may share it.

        Args:
            read: The statement.
            kind: Its `for_several`.
            until: When to give up.

        Raises:
            TimedOut: it was not done by the deadline.
        """
        one = _Read(read, until)
        alike = self._waiting.get(kind)
        if alike is None:
            self._waiting[kind] = [one]
            if len(self._at_work) < self._statements:
                self._start()
        else:
            alike.append(one)
        try:
            return await one.told
        except _Alone:
            return await self._fetch(read, until)

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._at_work:
            await asyncio.wait(self._at_work)

    def _start(self) -> None:
        # It begins in the next turn of the loop: the requests of this one go together.
        self._at_work.add(asyncio.create_task(self._work()))

    async def _work(self) -> None:
        try:
            await self._make_all()
        finally:
            # Not by a callback, which comes later: who asks until then would wait for nobody.
            self._at_work.discard(cast("asyncio.Task[None]", asyncio.current_task()))

    async def _make_all(self) -> None:
        while self._waiting:
            kind, reads = self._next()
            if not reads:
                continue
            try:
                await self._make(kind, reads)
            except asyncio.CancelledError:
                # The event loop ends.
                for read in (*reads, *[one for some in self._waiting.values() for one in some]):
                    read.cancel()
                raise
            except Exception as error:  # noqa: BLE001 (told to those whom it concerns)
                for read in reads:
                    read.fail(error)

    def _next(self) -> tuple[ForSeveral, Sequence[_Read]]:
        """Those whose turn it is, without those who do not wait any more."""
        kind = next(iter(self._waiting))
        alike = self._waiting.pop(kind)
        rest = alike[_READS_OF_A_STATEMENT:]
        if rest:
            # Behind those of other kinds, who wait as well.
            self._waiting[kind] = rest
            if len(self._at_work) < self._statements:
                self._start()
        return kind, [one for one in alike[:_READS_OF_A_STATEMENT] if not one.told.done()]

    async def _make(self, kind: ForSeveral, reads: Sequence[_Read]) -> None:
        if len(reads) == 1:
            reads[0].tell(await self._fetch(reads[0].bound, reads[0].until))
            return
        # Whose time is up is told so; it is broken off when there is nobody left to wait for it.
        untils = [one.until for one in reads if one.until is not None]
        until = max(untils, key=_at_s) if len(untils) == len(reads) else None
        try:
            rows = await self._fetch(kind.bind([one.bound for one in reads]), until)
        except asyncpg.DataError:
            for one in reads:
                one.fail(_Alone())
            return
        found: list[list[Sequence[Any]]] = [[] for _ in reads]
        for row in rows:
            found[row[-1] - 1].append(row[:-1])
        for one, own in zip(reads, found, strict=True):
            one.tell(own)


def _at_s(until: Deadline) -> float:
    return until.at_s
