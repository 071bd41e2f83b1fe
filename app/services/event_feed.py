"""Events as they are committed, handed to everyone in this process who listens.

The log is read once for all listeners: at once after a commit of this process, and every now and
then for those of others. Without listeners nothing runs. A listener first reads from the log what
it missed, then joins; between the two there is neither a gap nor a repetition.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress

import structlog

from app.db.database import Database
from app.domain.errors import AppError, SlowConsumer, Stopping, TooManyStreams, Unavailable
from app.domain.ids import EventPosition, UserId
from app.domain.order import OrderEvent
from app.domain.principal import Principal
from app.services.events import START, EventFilter, events_after, last_position
from app.services.key_watch import KeyWatch

log = structlog.stdlib.get_logger()

_PAGE_SIZE = 200
_RETRY_S = 1.0
_PATIENCE_S = 3.0


class _Subscription:
    """A listener's filter, and the events that wait for it, a bounded number of them.

    `position` is that of the last event handed out, or where the listener began.
    """

    __slots__ = (
        "_buffer",
        "_capacity",
        "_ended",
        "_taken",
        "_waiting",
        "_watchdog",
        "position",
        "wanted",
    )

    def __init__(self, wanted: EventFilter, capacity: int, position: EventPosition) -> None:
        self.wanted = wanted
        self.position = position
        self._capacity = capacity
        self._buffer: deque[OrderEvent] = deque()
        self._taken = 0
        self._watchdog: asyncio.TimerHandle | None = None
        self._ended: AppError | None = None
        self._waiting: asyncio.Future[None] | None = None

    def offer(self, event: OrderEvent) -> None:
        """Keep an event for the listener; one too many, and it has fallen behind."""
        if self._ended or self._watchdog or not self.wanted.takes(event):
            return
        if len(self._buffer) < self._capacity:
            self._buffer.append(event)
            self._wake()
        else:
            self._expect_progress()

    def _expect_progress(self) -> None:
        """Drop a listener that takes nothing; a single commit may fill the buffer of any other."""
        taken = self._taken

        def check() -> None:
            if self._taken == taken:
                self.end(SlowConsumer(self._capacity, self.position))
            else:
                self._expect_progress()

        self._watchdog = asyncio.get_running_loop().call_later(_PATIENCE_S, check)

    def end(self, error: AppError) -> None:
        """Let the listener get this error next, and no event any more."""
        if self._ended is None:
            self._ended = error
            self.release()
            self._wake()

    def release(self) -> None:
        """Let go of what waits for the listener."""
        self._buffer.clear()
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None

    def check(self) -> None:
        """Raise the error that the subscription ended with, if it did."""
        if self._ended is not None:
            raise self._ended

    async def next(self) -> OrderEvent | None:
        """The next event; None when the listener fell behind, and the rest must be read again.

        Raises:
            AppError: the subscription ended.
        """
        while True:
            self.check()
            if self._buffer:
                self._taken += 1
                return self._buffer.popleft()
            if self._watchdog is not None:
                self.release()
                return None
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class EventFeed:
    """The listeners of one process, and the task that reads the log for them.

    Args:
        database: Where the log is.
        poll_interval_s: How often to look for events of other processes.
        buffer_size: How many events may wait in memory for a listener.
        max_subscriptions: How many listeners there may be.
    """

    def __init__(
        self,
        database: Database,
        *,
        poll_interval_s: float,
        buffer_size: int,
        max_subscriptions: int,
    ) -> None:
        self._database = database
        self._key_watch = KeyWatch(database)
        self._poll_interval_s = poll_interval_s
        self._buffer_size = buffer_size
        self._max_subscriptions = max_subscriptions
        self._subscriptions: set[_Subscription] = set()
        # Those that have joined, by whose events they take; None stands for everyone's.
        self._joined: dict[UserId | None, set[_Subscription]] = {}
        self._position = START
        self._follower: asyncio.Task[None] | None = None
        self._committed = asyncio.Event()
        self._starting = asyncio.Lock()
        self.stopping = asyncio.Event()
        database.on_commit = self._committed.set

    @property
    def key_watch(self) -> KeyWatch:
        """The watch over the keys that listeners use."""
        return self._key_watch

    async def events(
        self, principal: Principal, wanted: EventFilter, after: EventPosition | None
    ) -> AsyncGenerator[OrderEvent]:
        """The events past a position (by default, past now), and from then on all, in order.

        Raises:
            SlowConsumer: more events wait than are kept, and the listener takes none of them.
            Stopping: the server stops.
            Unauthenticated: the key was revoked or has expired.
            Forbidden: the key has lost a scope.
            TooManyStreams: there are too many listeners.
            Unavailable: the database can't be read.
        """
        if after is None:
            async with self._database.read() as connection:
                after = await last_position(connection)
        if self.stopping.is_set():
            raise Stopping(after)
        if len(self._subscriptions) >= self._max_subscriptions:
            raise TooManyStreams(self._max_subscriptions)
        subscription = _Subscription(wanted, self._buffer_size, after)
        self._subscriptions.add(subscription)
        try:
            with self._key_watch.watching(principal, subscription.end):
                await self._follow()
                while True:
                    async with aclosing(self._missed(subscription)) as missed:
                        async for event in missed:
                            yield event
                    while (offered := await subscription.next()) is not None:
                        if offered.position > subscription.position:
                            subscription.position = offered.position
                            yield offered
                    self._leave(subscription)
        finally:
            subscription.release()
            self._leave(subscription)
            self._subscriptions.discard(subscription)

    def stop(self) -> None:
        """End every stream, and each that is still to come. May be called by a signal's handler."""
        self.stopping.set()
        for subscription in list(self._subscriptions):
            subscription.end(Stopping(subscription.position))

    async def close(self) -> None:
        """End every stream and stop reading."""
        self.stop()
        await self._key_watch.close()
        if self._follower is not None:
            self._follower.cancel()
            await asyncio.wait([self._follower])

    async def _missed(self, subscription: _Subscription) -> AsyncGenerator[OrderEvent]:
        """What is in the log already. At the end the subscription joins those that get the rest."""
        more = True
        while more:
            subscription.check()
            async with self._database.read() as connection:
                page = await events_after(
                    connection, subscription.position, subscription.wanted, _PAGE_SIZE
                )
            more = bool(page.events)
            for event in page.events:
                subscription.position = event.position
                yield event
                subscription.check()
        # From here on every event past `joined_at` is offered; those that the follower passed
        # since the last page was read are still to be fetched.
        joined_at = self._position
        self._joined.setdefault(subscription.wanted.owner, set()).add(subscription)
        while subscription.position < joined_at:
            async with self._database.read() as connection:
                page = await events_after(
                    connection,
                    subscription.position,
                    subscription.wanted,
                    _PAGE_SIZE,
                    until=joined_at,
                )
            for event in page.events:
                subscription.position = event.position
                yield event
                subscription.check()
            if not page.more:
                break

    def _leave(self, subscription: _Subscription) -> None:
        owner = subscription.wanted.owner
        if joined := self._joined.get(owner):
            joined.discard(subscription)
            if not joined:
                del self._joined[owner]

    async def _follow(self) -> None:
        """Start reading for the listeners, unless that goes on already."""
        async with self._starting:
            if self._follower is None or self._follower.done():
                async with self._database.read() as connection:
                    self._position = await last_position(connection)
                self._follower = asyncio.create_task(self._read_again_and_again())
                self._follower.add_done_callback(self._follower_ended)

    async def _read_again_and_again(self) -> None:
        read_at: int | None = None
        while self._subscriptions:
            pause = self._poll_interval_s
            self._committed.clear()
            try:
                # What is committed between the two is read now, and looked for again next time.
                version = await self._database.log_version()
                if version != read_at:
                    settled = await self._read()
                    # Less may be complete by then, where somebody has begun to write.
                    read_at = version if settled is None or settled >= version else None
            except Unavailable:
                log.warning("the event log could not be read; it will be tried again")
                read_at, pause = None, _RETRY_S
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._committed.wait()

    def _follower_ended(self, follower: asyncio.Task[None]) -> None:
        if follower.cancelled() or (error := follower.exception()) is None:
            return
        log.error("reading the event log failed", exc_info=error)
        # Nobody is left to wait for ever; who comes back starts it again.
        for subscription in list(self._subscriptions):
            subscription.end(Unavailable())

    async def _read(self) -> int | None:
        """Hand out what is new in the log; up to where it was complete, None for its end."""
        while True:
            async with self._database.read() as connection:
                page = await events_after(connection, self._position, EventFilter(), _PAGE_SIZE)
            for event in page.events:
                self._position = event.position
                for owner in (event.user_id, None):
                    for subscription in self._joined.get(owner, ()):
                        subscription.offer(event)
            if not page.more:
                return page.settled
