"""Reading from a replica as if it were the primary: nothing older than the beginning of the read.

A replica is a little behind. So who is about to read looks up first how far the primary's log is
on disk: what was acknowledged to anybody by then, through whichever process, is in that part of
it. Then the replica is asked, on the very connection that will be read from, how far it is, until
it is as far. The answer and the read must be statements of their own: a statement sees what was
there when it began, so one that did both could see less than it says was there.

A replica that takes too long for that, or fails, is left alone until it has caught up again; reads
go to the primary meanwhile.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import TypeAlias

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.deadline import Deadline
from app.domain.errors import TimedOut, Unavailable

log = structlog.stdlib.get_logger()

Connect: TypeAlias = Callable[[Deadline | None], AbstractAsyncContextManager[AsyncConnection]]
"""A way to a connection on which each statement sees the latest that the server has."""

# Where commits wait for the disk, one that anybody can see is on disk. What is not there yet is of
# transactions that go on, and may not be sent to the replica for long.
_POSITION = text("""
    SELECT CASE current_setting('synchronous_commit') WHEN 'off'
      THEN pg_current_wal_insert_lsn() ELSE pg_current_wal_flush_lsn() END
""")
_REACHED = text("SELECT pg_last_wal_replay_lsn()")

# Reads that come together share a look: however many they are, the primary has little to do. While
# they do, the next look waits for a moment, so that more can share it.
_LOOK_EVERY_S = 0.002
# Replicas are a millisecond or so behind; one that is further is of no use for now.
_PATIENCE_S = 0.05
_NO_ANSWER_S = 0.25
_FIRST_PAUSE_S = 0.0005
_LONGEST_PAUSE_S = 0.005
# How long a replica is left alone; twice as long where it did not last.
_SHORTEST_REST_S = 0.25
_LONGEST_REST_S = 8.0
_LASTING_S = 10.0

_KNOWN = "reached"


class NoReplica(Unavailable):
    """The replica is not to be read from now; the primary is."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self._reason = reason

    @property
    def reason(self) -> str:
        """Why."""
        return self._reason


class Replica:
    """The replica of a primary.

    Args:
        connect: How to reach it.
        primary: How to reach the primary.
        keeps_connections: Whether a connection leads to one and the same server for all its life.
            Else it must be inside of a transaction.
    """

    def __init__(self, connect: Connect, primary: Connect, *, keeps_connections: bool) -> None:
        self._connect = connect
        self._position = _Position(primary)
        self._keeps_connections = keeps_connections
        self._is_trusted = False
        self._trusted_since = 0.0
        self._rest_s = 0.0
        self._coming_back: asyncio.Task[None] | None = None
        self._closed = False

    def is_trusted(self) -> bool:
        """Whether it can be tried. If not, it is looked after until it can be."""
        if not self._is_trusted and not self._closed and self._coming_back is None:
            self._coming_back = asyncio.create_task(self._come_back())
        return self._is_trusted

    async def position(self) -> int:
        """How far the primary is, or was at some moment since this was called.

        Raises:
            Unavailable: the primary can't tell.
        """
        return await self._position.look()

    @asynccontextmanager
    async def read(
        self, position: int, until: Deadline | None = None
    ) -> AsyncGenerator[AsyncConnection]:
        """A connection to the replica, which is as far as a position.

        Raises:
            NoReplica: it is not, or it is no replica.
            Unavailable: it can't be reached, or all connections are busy.
            TimedOut: it was not done by the deadline.
        """
        async with self._connect(until) as connection:
            if not self._keeps_connections or connection.info.get(_KNOWN, -1) < position:
                connection.info[_KNOWN] = await _reach(connection, position)
            yield connection

    def leave(self, error: Unavailable) -> None:
        """Leave it alone for a while, after it failed."""
        if not self._is_trusted:
            return
        self._is_trusted = False
        has_lasted = asyncio.get_running_loop().time() - self._trusted_since > _LASTING_S
        longer = _SHORTEST_REST_S if has_lasted else 2 * self._rest_s
        self._rest_s = min(max(longer, _SHORTEST_REST_S), _LONGEST_REST_S)
        _warn(error)
        self.is_trusted()

    async def close(self) -> None:
        """Look after it no more."""
        self._closed = True
        if self._coming_back is not None:
            self._coming_back.cancel()
            await asyncio.wait([self._coming_back])
        await self._position.close()

    async def _come_back(self) -> None:
        """Wait until it can be read from."""
        is_new = self._rest_s == 0
        while not self._is_trusted:
            await asyncio.sleep(self._rest_s)
            try:
                position = await self.position()
                async with self.read(position):
                    self._is_trusted = True
            except (Unavailable, TimedOut) as error:
                if is_new:
                    _warn(error)
                    is_new = False
                self._rest_s = max(self._rest_s, _SHORTEST_REST_S)
        self._trusted_since = asyncio.get_running_loop().time()
        self._coming_back = None
        log.info("reads go to the replica")


def _warn(error: Unavailable | TimedOut) -> None:
    reason = str(error)
    if isinstance(error, Unavailable):
        # Its advice is for the primary's setting.
        reason = str(replace(error.fault, advice="")) if error.fault else error.reason
    log.warning("reads go to the primary, not to the replica, for now", reason=reason)


async def _reach(connection: AsyncConnection, position: int) -> int:
    """Wait until a replica is as far as a position; how far it is then.

    Raises:
        NoReplica: it takes too long, or the server is no replica.
    """
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + _PATIENCE_S
    pause = _FIRST_PAUSE_S
    try:
        async with asyncio.timeout(_NO_ANSWER_S):
            while True:
                reached = await connection.scalar(_REACHED)
                if reached is None:
                    raise NoReplica("the server is not a replica")
                if reached >= position:
                    return int(reached)
                if loop.time() > give_up_at:
                    raise NoReplica(f"it is {position - reached} bytes of the log behind")
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
    except TimeoutError:
        raise NoReplica("it does not answer") from None


class _Position:
    """How far the primary is: one look for all who ask in the same moment."""

    def __init__(self, primary: Connect) -> None:
        self._primary = primary
        self._turn = asyncio.Lock()
        self._looked_at = 0.0
        # The look that has not begun yet. One that has may not see what happens from now on.
        self._next: asyncio.Task[int] | None = None
        self._waiting = 0
        self._were_waiting = 0
        self._looks: set[asyncio.Task[int]] = set()

    async def look(self) -> int:
        if self._next is None:
            self._next = asyncio.create_task(self._look())
            self._looks.add(self._next)
            self._next.add_done_callback(self._forget)
            self._waiting = 0
        self._waiting += 1
        # Who is cancelled does not cancel the others.
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        if self._looks:
            for look in self._looks:
                look.cancel()
            await asyncio.wait(self._looks)

    async def _look(self) -> int:
        this = asyncio.current_task()
        loop = asyncio.get_running_loop()
        try:
            async with self._turn:
                if self._were_waiting > 1:
                    await asyncio.sleep(self._looked_at + _LOOK_EVERY_S - loop.time())
                async with self._primary(None) as connection:
                    self._looked_at = loop.time()
                    self._were_waiting = self._waiting
                    self._next = None
                    return int(await connection.scalar(_POSITION))
        finally:
            if self._next is this:
                self._next = None

    def _forget(self, look: asyncio.Task[int]) -> None:
        self._looks.discard(look)
        if not look.cancelled():
            # Or a failure would be reported as overlooked where nobody waits for it any more.
            look.exception()
