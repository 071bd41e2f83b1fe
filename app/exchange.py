"""A request and its answer on a connection: the answer's head and body leave in one write."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeAlias

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGIReceiveEvent,
    ASGISendCallable,
    ASGISendEvent,
    Scope,
)
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

WORTH_TWO_PARTS = 8_192
"""An answer from this size on is not copied to be sent with its head."""

_END = b"\r\n"
# Bytes that may stand in a line of a head. Source: RFC 9110, section 5.5, field-content.
_IN_A_LINE = bytes(byte for byte in range(256) if byte == 0x09 or (byte >= 0x20 and byte != 0x7F))
_NO_BODY = (204, 304)
_HEEDED = (b"content-length", b"transfer-encoding", b"connection")
_CLOSE = (b"connection", b"close")
_CHUNKED = (b"transfer-encoding", b"chunked")


Answer: TypeAlias = tuple[bytes, bytes] | ASGI3Application | None
"""An answer with status 200: the lines of its headers, and its body.

Or another application that is to answer this request; None leaves that to the usual one.
"""


class Wire:
    """A connection's transport, which can hold bytes back until those that follow them.

    Whatever is written later, and the end of the connection, comes after what is held. As nothing
    is kept beside that, the transport below sees all that waits to be sent, and says when to pause.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.below = transport
        self.is_closing = transport.is_closing
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        """What this has no part in."""
        return getattr(self.below, name)

    def hold(self, data: bytes) -> None:
        """Send these bytes together with the next ones."""
        self._held += data

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send what is held and these bytes."""
        if not self._held:
            self.below.write(data)
            return
        held, self._held = self._held, b""
        if len(data) < WORTH_TWO_PARTS:
            self.below.write(held + data)
        else:
            self.below.writelines((held, data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send what is held and these bytes."""
        self.write(b"".join(list_of_data))

    def let_go(self) -> None:
        """Send what is held."""
        held = self._held
        if held and not self.is_closing():
            self._held = b""
            self.below.write(held)

    def write_eof(self) -> None:
        """Send what is held, and nothing more."""
        self.let_go()
        self.below.write_eof()

    def close(self) -> None:
        """Send what is held, and hang up."""
        self.let_go()
        self.below.close()


class Outgoing:
    """The connections of a server whose bytes are held until the end of the loop's turn."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: list[Wire] = []

    def add(self, wire: Wire) -> None:
        """Have what a connection holds sent with what others do."""
        if not self._held:
            self._loop.call_soon(self._let_go)
        self._held.append(wire)

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for wire in held:
            wire.let_go()


class Exchange(RequestResponseCycle):
    """A request and its answer.

    An answer that says how long it is, or that has no body, is at hand as a whole: its head is
    held until the body is there. Another one is a stream, and whoever reads it waits for its head.
    """

    transport: Wire  # type: ignore[assignment]
    _says_close = False

    def __init__(self, connection: HttpToolsProtocol, transport: Wire, *, keep_alive: bool) -> None:
        self.scope = connection.scope
        self.transport = transport
        self.flow = connection.flow
        self.logger = connection.logger
        self.default_headers = connection.server_state.default_headers
        self.message_event = asyncio.Event()
        self.on_response = connection.on_response_complete
        self.disconnected = False
        self.keep_alive = keep_alive
        self.waiting_for_100_continue = connection.expect_100_continue
        self.body = bytearray()
        self.more_body = True
        self.response_started = False
        self.response_complete = False
        self.chunked_encoding = None
        self.expected_content_length = 0

    async def receive(self) -> ASGIReceiveEvent:
        """What has come of the body, as ASGI has it."""
        # Where it is there already, there is nothing to wait for, nor to make reading go on.
        if (
            self.message_event.is_set()
            and not self.waiting_for_100_continue
            and not self.disconnected
            and not self.response_complete
            and not self.more_body
        ):
            self.message_event.clear()
            body, self.body = self.body, bytearray()
            return {"type": "http.request", "body": bytes(body), "more_body": False}
        return await super().receive()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer, as ASGI has it."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        if not self.response_started:
            self._begin(message)
        elif not self.response_complete:
            self._go_on(message)
        else:
            raise RuntimeError(f"{message['type']} was sent after the end of the answer")

    def _begin(self, message: ASGISendEvent) -> None:
        if message["type"] != "http.response.start":
            raise RuntimeError(f"an answer can't begin with {message['type']}")
        self.response_started = True
        self.waiting_for_100_continue = False
        status = message["status"]
        headers = [*self.default_headers, *message.get("headers", ())]
        for name, value in headers:
            if name in _HEEDED:
                self._heed(name, value)
        if not self.keep_alive and not self._says_close:
            headers.append(_CLOSE)
        has_body = self.scope["method"] != "HEAD" and status not in _NO_BODY
        if self.chunked_encoding is None and has_body:
            self.chunked_encoding = True
            headers.append(_CHUNKED)
        parts = [STATUS_LINE[status]]
        for name, value in headers:
            parts += (name, b": ", value, _END)
        parts.append(_END)
        head = b"".join(parts)
        # A line break within a header would let what stands there pass for headers, or an answer.
        if head.translate(None, _IN_A_LINE) != _END * (len(headers) + 2):
            raise RuntimeError("a header of the answer holds a control character")
        if self.chunked_encoding:
            self.transport.write(head)
        else:
            self.transport.hold(head)

    def _heed(self, name: bytes, value: bytes) -> None:
        """Do what a header says of the answer."""
        if name == b"content-length":
            if self.chunked_encoding is None:
                self.expected_content_length = int(value)
                self.chunked_encoding = False
        elif name == b"transfer-encoding":
            if value.lower() == b"chunked":
                self.expected_content_length = 0
                self.chunked_encoding = True
        elif b"close" in [token.strip() for token in value.lower().split(b",")]:
            self.keep_alive = False
            self._says_close = True

    def _go_on(self, message: ASGISendEvent) -> None:
        if message["type"] != "http.response.body":
            raise RuntimeError(f"{message['type']} was sent in the middle of an answer")
        body = message.get("body", b"")
        more_body = message.get("more_body", False)
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            self.transport.let_go()
        elif self.chunked_encoding:
            parts = [b"%x\r\n" % len(body), body, _END] if body else []
            if not more_body:
                parts.append(b"0\r\n\r\n")
            self.transport.write(b"".join(parts))
        elif len(body) > self.expected_content_length:
            raise RuntimeError("the answer is longer than its Content-Length")
        else:
            self.expected_content_length -= len(body)
            self.transport.write(body)
        if not more_body:
            self._end()

    async def wait_for(
        self,
        answer: Coroutine[Any, Any, Answer],
        give: Callable[[bytes, bytes], None],
        otherwise: ASGI3Application,
        scope: Scope,
        receive: ASGIReceiveCallable,
        send: ASGISendCallable,
    ) -> None:
        """As an application: give an answer when it is there, without ASGI's messages.

        Args:
            answer: What will have it.
            give: Sends the lines of its headers, and its body.
            otherwise: The usual application.
            scope: The request.
            receive: For another application.
            send: For another application.
        """
        made = await answer
        if not isinstance(made, tuple):
            await (otherwise if made is None else made)(scope, receive, send)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        self.response_started = True
        headers, body = made
        if not self.keep_alive:
            headers += b"connection: close\r\n"
        give(headers, body)
        self._end()

    def _end(self) -> None:
        if self.expected_content_length != 0:
            raise RuntimeError("the answer is shorter than its Content-Length")
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
