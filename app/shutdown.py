"""How a server process ends: what the signals that stop it set going, so that no request is lost.

SIGTERM begins a drain: `/readyz` answers 503 while all else goes on, and whoever sends requests
here has the time to see it. Then, and at once on Ctrl-C, the process takes in the connections that
wait at its listening socket, closes that, ends its streams and tells the server to stop, which
finishes the requests in flight.
"""

import asyncio
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import structlog
import uvicorn

from app.protocol import Connection

log = structlog.stdlib.get_logger()

# Sent by the parent of several processes to each of them. A terminal's Ctrl-C and a service manager
# reach them too, so a second SIGINT or SIGTERM there need not mean that somebody is in a hurry.
AT_ONCE = getattr(signal, "SIGUSR1", None)

_STARTS_S = 0.02


class Shutdown:
    """Stands between the signals and the server of this process.

    Args:
        server: What is told to stop in the end.
        drain_s: How long to go on after SIGTERM.
        has_parent: Whether the parent of several processes passes signals on to this one.
    """

    def __init__(self, server: uvicorn.Server, drain_s: float, *, has_parent: bool) -> None:
        self._server = server
        self._drain_s = drain_s
        self._has_parent = has_parent
        self._drained: asyncio.TimerHandle | None = None
        self._closing: asyncio.Task[None] | None = None

    def listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the signals over from the server, and SIGHUP unless it is ignored.

        They are acted on when the server has started: it would open its listening sockets all the
        same, and then close them on whoever waits there.
        """
        numbers = [signal.SIGINT, signal.SIGTERM]
        # A terminal sends it when it is closed.
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            numbers.append(signal.SIGHUP)
        if AT_ONCE is not None:
            numbers.append(AT_ONCE)

        def told(received: int, _frame: FrameType | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._told, received)

        for number in numbers:
            signal.signal(number, told)

    def prepare(self, draining: asyncio.Event, end_streams: Callable[[], None]) -> None:
        """Say what belongs to it, before the server starts.

        Args:
            draining: Is set when the process is about to stop.
            end_streams: Tells what would not end by itself to do so.
        """
        self._draining = draining
        self._end_streams = end_streams

    def _told(self, number: int) -> None:
        if not self._server.started:
            asyncio.get_running_loop().call_later(_STARTS_S, self._told, number)
        elif self._closing is not None:
            # The server takes it for a second one, and breaks off what is in flight.
            if number == signal.SIGINT:
                self._server.handle_exit(number, None)
        elif number != signal.SIGTERM or not self._drain_s:
            self._close(number)
        elif self._drained is None:
            log.info("stopping: /readyz answers 503", drain_s=self._drain_s)
            self._draining.set()
            loop = asyncio.get_running_loop()
            self._drained = loop.call_later(self._drain_s, self._close, number)
        elif not self._has_parent:
            self._close(number)

    def _close(self, number: int) -> None:
        self._draining.set()
        if self._drained is not None:
            self._drained.cancel()
        # The server ends the process by the signal that it was stopped by; it knows these two.
        by = signal.SIGINT if number == signal.SIGINT else signal.SIGTERM
        self._closing = asyncio.get_running_loop().create_task(self._stop(by))

    async def _stop(self, number: int) -> None:
        try:
            await self._close_listeners()
        finally:
            self._end_streams()
            self._server.handle_exit(number, None)

    async def _close_listeners(self) -> None:
        """Close the listening sockets, and serve who waits there: the system would hang up on them.

        The server itself takes them in one at a time, in between everything else, and at a busy
        hour not the last of them. Who comes in the microseconds after the last look is lost.
        """
        waiting = []
        for listener in self._server.servers:
            for listening in listener.sockets:
                with socket.fromfd(listening.fileno(), listening.family, listening.type) as door:
                    door.setblocking(False)
                    with suppress(OSError):
                        while True:
                            waiting.append(door.accept()[0])
            listener.close()
        for taken in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._connection, taken)

    def _connection(self) -> Connection:
        server = self._server
        return Connection(server.config, server.server_state, server.lifespan.state)
