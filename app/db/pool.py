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

    def _do_get(self) -> ConnectionPoolEntry:
        await_only(self._take_turn())
        try:
            return super()._do_get()
        except BaseException:
            self._turns.release()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        try:
            super()._do_return_conn(record)
        finally:
            self._turns.release()

    async def _take_turn(self) -> None:
        if not self._turns.locked():
            await self._turns.acquire()
            return
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turns.acquire()
        except TimeoutError:
            raise PoolTimeoutError(f"no connection was free for {self._wait_s:g} s") from None
