"""PostgreSQL: short changes that share their statements.

What a statement costs, here and in the server, is much more for its round trip, its beginning and
its commit than for what it does for one change. So the changes that wait are made together: each of
their steps is one statement for all of them, and the last one is a transaction by itself. A change
that is refused leaves nothing, since only that last statement writes; one that can't be made along
with others is made alone.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeVar

import asyncpg

from app.db.deadline import Deadline
from app.db.prepared import Bound
from app.db.steps import Row, Shared, Statement, Steps
from app.domain.errors import TimedOut

T = TypeVar("T")

# More at a time would make the groups smaller, and so each change dearer. One would leave the
# server idle while its rows are made into answers.
_GROUPS_AT_WORK = 2
_CHANGES_OF_A_GROUP = 16
_LARGEST_CHANGE = 20
# What a change may have in itself that the others have not: a value, or what is there already.
_OF_ONE_CHANGE = {"22", "23"}


class MustBeAlone(Exception):
    """A change can't be made along with others; nothing of it has been made."""


class _Change:
    """A change that waits to be made, and its caller who waits for the result."""

    __slots__ = ("_timer", "step", "steps", "told", "until")

    def __init__(self, steps: Steps[Any], step: Shared, until: Deadline | None) -> None:
        loop = asyncio.get_running_loop()
        self.steps = steps
        self.step = step
        self.told: asyncio.Future[Any] = loop.create_future()
        self.until = until
        self._timer = None if until is None else loop.call_at(until.at_s, self._give_up)

    def begin(self) -> bool:
        """Whether it is still wanted. From here on it is made, however long that takes."""
        self._stop_timer()
        return self.is_in_time() and not self.told.done()

    def is_in_time(self) -> bool:
        """Whether its caller still waits; if not, they are told."""
        if self.until is None or not self.until.is_past:
            return True
        self._give_up()
        return False

    def go_on(self, rows: Sequence[Row]) -> bool:
        """Have its next step made of what the last one found; whether there is one to share."""
        ended = self.step.ends
        try:
            step = self.steps.send(rows)
        except StopIteration as end:
            if not self.told.done():
                self.told.set_result(end.value)
            return False
        except Exception as error:  # noqa: BLE001 (its caller's, whatever it is)
            self.fail(error)
            return False
        if ended:
            raise TypeError("a change goes on after the step that ends it")
        if not isinstance(step, Shared):
            self.leave()
            return False
        self.step = step
        return True

    def leave(self) -> None:
        """Have it made alone."""
        self.fail(MustBeAlone())

    def fail(self, error: BaseException) -> None:
        """Tell the caller that it was not made."""
        self._stop_timer()
        self.steps.close()
        if not self.told.done():
            self.told.set_exception(error)

    def _give_up(self) -> None:
        if self.until is not None:
            self.fail(TimedOut(self.until.limit_s))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


class SharedStatements:
    """The short changes of a process.

    Args:
        connected: Lends a connection of the driver, outside of transactions.
        interrupt: Has the server break off what a connection is at, if that can be done.
        on_commit: Called after each statement that writes.
        groups: How many groups may be at work at the same time.
    """

    def __init__(
        self,
        connected: Callable[[], AbstractAsyncContextManager[Any]],
        interrupt: Callable[[Any], Coroutine[Any, Any, None]],
        *,
        on_commit: Callable[[], None],
        groups: int,
    ) -> None:
        self._connected = connected
        self._interrupt = interrupt
        self._on_commit = on_commit
        self._groups = min(groups, _GROUPS_AT_WORK)
        self._waiting: deque[_Change] = deque()
        self._busy_with: set[str] = set()
        self._at_work: set[asyncio.Task[None]] = set()

    async def perform(self, steps: Steps[T], step: Shared, until: Deadline | None) -> T:
        """Make a change along with others that wait, and return its result.

        Whoever is cancelled while the change waits takes it back. After that it is made, or not, as
        if they were still there.

        Args:
            steps: The change.
            step: Its first step.
            until: When to give up.

        Raises:
            MustBeAlone: nothing was changed, and it has to be begun anew.
            TimedOut: it was not begun by its deadline.
        """
        if step.size > _LARGEST_CHANGE:
            steps.close()
            raise MustBeAlone
        change = _Change(steps, step, until)
        self._waiting.append(change)
        self._start()
        result: T = await change.told
        return result

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._at_work:
            await asyncio.wait(self._at_work)

    def _start(self) -> None:
        if len(self._at_work) < self._groups and any(map(self._may_begin, self._waiting)):
            task = asyncio.create_task(self._work())
            self._at_work.add(task)
            task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        if not task.cancelled():
            self._start()

    def _may_begin(self, change: _Change) -> bool:
        return change.step.of not in self._busy_with

    async def _work(self) -> None:
        """Make the changes that wait, a group at a time, and each time after others had a turn."""
        while any(map(self._may_begin, self._waiting)):
            concerned: Sequence[_Change] = list(self._waiting)
            try:
                async with self._connected() as driver:
                    concerned = self._next_group()
                    await self._make(driver, concerned)
            except asyncio.CancelledError:
                # The event loop ends.
                for change in (*concerned, *self._waiting):
                    change.told.cancel()
                raise
            except Exception as error:  # noqa: BLE001 (told to those whom it concerns)
                for change in concerned:
                    change.fail(error)
                self._waiting = deque(one for one in self._waiting if not one.told.done())

    def _next_group(self) -> list[_Change]:
        group: list[_Change] = []
        passed_over = []
        while self._waiting and len(group) < _CHANGES_OF_A_GROUP:
            change = self._waiting.popleft()
            if not self._may_begin(change):
                passed_over.append(change)
            elif change.begin():
                group.append(change)
        self._waiting.extendleft(reversed(passed_over))
        return group

    async def _make(self, driver: Any, group: Sequence[_Change]) -> None:
        """Make a group of changes, each step for all that are at the same one."""
        busy_with = {change.step.of for change in group}
        self._busy_with |= busy_with
        interrupted = _Interrupted(partial(self._interrupt, driver), group)
        try:
            while group:
                alike: dict[object, list[_Change]] = {}
                for change in group:
                    alike.setdefault(change.step.several, []).append(change)
                group = [
                    change for some in alike.values() for change in await self._step(driver, some)
                ]
        finally:
            self._busy_with -= busy_with
            await interrupted.end()

    async def _step(self, driver: Any, changes: Sequence[_Change]) -> list[_Change]:
        """Make a step of several changes, and return those which have another one to make."""
        changes = [change for change in changes if change.is_in_time()]
        if not changes:
            return []
        step = changes[0].step
        text, parameters, _ = self._bound(step.several([change.step.part for change in changes]))
        try:
            rows = await driver.fetch(text, *parameters)
        except asyncpg.PostgresError as error:
            if len(changes) == 1 or (error.sqlstate or "")[:2] not in _OF_ONE_CHANGE:
                raise
            for change in changes:
                change.leave()
            return []
        found: list[list[Row]] = [[] for _ in changes]
        for row in rows:
            found[row[-1]].append(row)
        if not step.ends:
            return [change for change, own in zip(changes, found, strict=True) if change.go_on(own)]
        if rows:
            self._on_commit()
        for change, own in zip(changes, found, strict=True):
            if own:
                change.go_on(own)
            else:
                change.leave()
        return []

    @staticmethod
    def _bound(statement: Statement) -> Bound:
        return statement.prepared.bind("postgresql", statement.values)


class _Interrupted:
    """Has the server broken off when the last caller of a group has given up."""

    def __init__(
        self, interrupt: Callable[[], Coroutine[Any, Any, None]], group: Sequence[_Change]
    ) -> None:
        self._interrupt = interrupt
        self._timer: asyncio.TimerHandle | None = None
        self._work: asyncio.Task[None] | None = None
        untils = [change.until.at_s for change in group if change.until is not None]
        if group and len(untils) == len(group):
            self._timer = asyncio.get_running_loop().call_at(max(untils), self._begin)

    def _begin(self) -> None:
        self._work = asyncio.create_task(self._interrupt())

    async def end(self) -> None:
        """Break off nothing any more: what the connection does next is others'."""
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            await asyncio.wait([self._work])
