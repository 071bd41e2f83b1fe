"""Telling other processes of commits, and hearing of theirs: LISTEN and NOTIFY of PostgreSQL.

On a connection of its own that goes to the server directly: through PgBouncer in transaction mode
nothing is heard. It is only a hint. Who misses one finds out by looking, as without any of this.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import asyncpg
import structlog

from app.db.dsn import place_of

log = structlog.stdlib.get_logger()

_CHANNEL = "orders_events"
_CONNECT_TIMEOUT_S = 5.0
_RETRY_S = 1.0
_LOOK_EVERY_S = 30.0
# One word for all commits of a moment: a transaction that notifies holds a lock of the whole
# server while it commits, so it is done beside the orders' own, and not for each of them.
_REST_S = 0.005
_A_POOLER = "ORDERS_DATABASE_LISTEN_URL must lead to the server itself, past any pooler"


class _NothingIsHeard(Exception):
    """The connection leads to a pooler."""


_LOST = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    _NothingIsHeard,
)


class Wakeups:
    """The connection on which a process tells and hears.

    Args:
        dsn: The server, reached directly.
        on_word: Called when another process has committed something.
    """

    def __init__(self, dsn: str, on_word: Callable[[], None]) -> None:
        self._dsn = dsn
        self._on_word = on_word
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._told = ""

    def listen(self) -> None:
        """Hear of commits from now on, as far as that can be had."""
        if not self._closed and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._run())

    def tell(self) -> None:
        """Tell the others, in a moment, that something was committed."""
        self.listen()
        self._news.set()

    async def close(self) -> None:
        """Let go of the connection."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                await self._talk()
            except _LOST as error:
                self._say(str(error) or type(error).__name__)
            await asyncio.sleep(_RETRY_S)

    def _say(self, reason: str) -> None:
        """Tell who runs the service, once for as long as it is the same."""
        if reason != self._told:
            self._told = reason
            log.warning(
                "no word of other processes' commits for now: they are looked for instead",
                place=place_of(self._dsn),
                reason=reason,
            )

    async def _talk(self) -> None:
        connection = await asyncpg.connect(
            self._dsn,
            timeout=_CONNECT_TIMEOUT_S,
            command_timeout=_CONNECT_TIMEOUT_S,
            server_settings={"application_name": "orders-graphql events"},
        )
        own = connection.get_server_pid()

        def hear(_connection: object, sender: int, _channel: str, _payload: object) -> None:
            if sender != own:
                self._on_word()

        try:
            if await connection.fetchval("SELECT pg_backend_pid()") != own:
                raise _NothingIsHeard(_A_POOLER)
            await connection.add_listener(_CHANNEL, hear)
            if self._told:
                log.info("there is word of other processes' commits again")
                self._told = ""
            self._on_word()  # of what was not heard before
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await self._news.wait()
                self._news.clear()
                # Also when there is nothing to tell: so a connection that is gone is noticed.
                await connection.execute(f"NOTIFY {_CHANNEL}")
                await asyncio.sleep(_REST_S)
        finally:
            connection.terminate()
