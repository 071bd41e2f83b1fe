"""How the Python contenders are served: by uvicorn on a free port, which the first line names."""

import asyncio
import socket
from typing import Any, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BACKLOG = 2_048


def serve(app: Any, *, joined: bool = False, lean: bool = False) -> None:
    """Serve until a signal comes.

    Args:
        app: An ASGI application.
        joined: Send the head and the body of an answer in one write, which uvicorn does in two.
        lean: Leave out the headers that no client needs.
    """
    listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=_Joining if joined else HttpToolsProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        date_header=not lean,
        server_header=not lean,
        proxy_headers=not lean,
        backlog=_BACKLOG,
    )
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[listener])


class _Joining(HttpToolsProtocol):
    """uvicorn's own protocol on a transport that joins what is written in one turn of the loop."""

    def connection_made(self, transport: Any) -> None:
        # All that is asked of a transport, it has.
        joining = cast("asyncio.Transport", _JoiningTransport(transport, self.loop))
        super().connection_made(joining)


class _JoiningTransport:
    """Keeps what is written until the loop's next turn; everything else is the transport's."""

    __slots__ = ("_call_soon", "_parts", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._parts: list[bytes] = []
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._call_soon(self._flush)
        self._parts.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._parts and not self.is_closing():
            self._transport.write(b"".join(self._parts))
        self._parts.clear()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
