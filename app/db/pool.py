"""A pool that hands out its connections in the order in which they are asked for.

In SQLAlchemy's own, whoever comes along when a connection was given back may take it before those
who wait: where reads are short and many, some wait until they give up.
"""

import asyncio
import logging
from typing import Any

from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry
from sqlalchemy.util import await_only
from sqlalchemy.util.queue import Empty

# As SQLAlchemy has it for its own: a pool says of everything it does that it does it.
logging.getLogger(__name__).setLevel(logging.WARNING)


class FairPool(AsyncAdaptedQueuePool):
    """Connections for one event loop; `max_overflow` must be 0."""

    def __init__(
        self, creator: Any, pool_size: int = 5, *, timeout: float = 30.0, **more: Any
    ) -> None:
        super().__init__(creator, pool_size, timeout=timeout, **more)
        self._wait_s = timeout
        self._turns = asyncio.Semaphore(pool_size)
        self._is_over = False

    def _do_get(self) -> ConnectionPoolEntry:
        await_only(self._take_turn())
        try:
            return super()._do_get()
        except BaseException:
            self._turns.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            if self._is_over:
                # Kept, it would be open until Python collects the pool.
                self._close_now(record)
            else:
                super()._do_return_conn(record)
        finally:
            self._turns.release()

    def dispose(self) -> None:
        """Close the idle connections now, and the others when they are given back."""
        self._is_over = True
        super().dispose()

    def _close_now(self, record: ConnectionPoolEntry) -> None:
        if record.dbapi_connection is not None:
            self._dialect.do_terminate(record.dbapi_connection)

    async def borrow(self, until_s: float | None) -> ConnectionPoolEntry | None:
        """An idle connection without all that SQLAlchemy puts round it, to be given back soon.

        For a short statement, that takes several times as long as the driver does.

        Args:
            until_s: When, in the event loop's time, whoever asks gives up.

        Returns:
            The connection's entry. None if there is none that is open: then the usual way makes
            one.

        Raises:
            TimeoutError: that time has come.
            sqlalchemy.exc.TimeoutError: no connection was free for as long as is waited for one.
        """
        if not self._turns.locked():
            await self._turns.acquire()
        else:
            await self._wait_for_turn(until_s)
        try:
            entry = self._pool.get_nowait()
        except Empty:
            self._turns.release()
            return None
        connection = entry.dbapi_connection
        if connection is None or connection.driver_connection.is_closed():
            self.give_back(entry)
            return None
        return entry

    def give_back(self, entry: ConnectionPoolEntry) -> None:
        """Let others have what was borrowed."""
        self._do_return_conn(entry)

    async def _take_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
        else:
            await self._wait_for_turn(None)

    async def _wait_for_turn(self, until_s: float | None) -> None:
        at_s = asyncio.get_running_loop().time() + self._wait_s
        is_first = until_s is None or at_s < until_s
        try:
            async with asyncio.timeout_at(at_s if is_first else until_s):
                await self._turns.acquire()
        except TimeoutError:
            if is_first:
                raise PoolTimeoutError(f"no connection was free for {self._wait_s:g} s") from None
            raise
