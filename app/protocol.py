"""What a connection goes through beside its requests: a bound for their headers, and its end."""

import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BETWEEN = len(": \r\n")
_LINGER_S = 2
_LAST_CALL_S = 0.25


class _TooLarge(Exception):
    """Ends the parsing of a request."""


class Connection(HttpToolsProtocol):
    """One connection over HTTP, with a bound for headers, and an end that loses no request.

    It refuses a request with 431 when its address and headers are too large, before a door sees it.
    The limit is uvicorn's `h11_max_incomplete_event_size`, which it heeds with its other parser
    only. This one hands a header over when it is whole. Until then it is counted by what arrives,
    to a read of the socket, so a connection may take a few of those beyond the limit.

    When the server stops, uvicorn hangs up on connections that it sees no request of. One may have
    been sent all the same: this waits a moment for it, and for the rest of what has begun to come.
    """

    _head_bytes = 0
    _held_back_bytes = 0
    _in_message = False
    _in_head = False
    _is_shut_down = False
    _is_too_large = False
    _is_refused = False

    @property
    def _limit_bytes(self) -> int:
        return self.config.h11_max_incomplete_event_size or sys.maxsize

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; refuse a header that does not end."""
        if self._is_refused:
            return
        self._held_back_bytes += len(data)
        super().data_received(data)
        if self._in_message and self._held_back_bytes > self._limit_bytes:
            self._refuse()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with bytes that could not be parsed, and hang up."""
        if self._is_too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def shutdown(self) -> None:
        """Take no request but those that are under way."""
        self._is_shut_down = True
        # Between two timers the sockets are looked at, however long something else took.
        self.loop.call_later(_LAST_CALL_S, self.loop.call_later, _LAST_CALL_S, self._hang_up)

    def _hang_up(self) -> None:
        if not self._in_head:
            super().shutdown()

    def handle_websocket_upgrade(self) -> None:
        """Let the connection become a WebSocket, unless nobody would end it any more."""
        if not self._is_shut_down:
            super().handle_websocket_upgrade()
            return
        self.transport.write(
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_message = self._in_head = True
        self._head_bytes = self._held_back_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Some of the address is there."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there, or one that follows a body in chunks."""
        self._count(len(name) + len(value) + _BETWEEN)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The headers are whole."""
        self._in_head = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body is there, which is bounded where it is read."""
        self._held_back_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_message = False
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._held_back_bytes = 0
        self._head_bytes += size
        if self._head_bytes > self._limit_bytes:
            self._is_too_large = True
            raise _TooLarge

    def _refuse(self) -> None:
        self._is_refused = True
        # While a request before it is being answered, this would look like that answer.
        if not getattr(self.cycle, "response_complete", True):
            self.transport.close()
            return
        limit = self._limit_bytes
        body = f'{{"msg":"Address and headers must not be larger than {limit} bytes."}}'
        self.transport.write(
            "HTTP/1.1 431 Request Header Fields Too Large\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n"
            "Access-Control-Allow-Origin: *\r\n"
            f"Connection: close\r\n\r\n{body}".encode()
        )
        # Hanging up on a client that still sends would take the answer from it.
        self.transport.write_eof()
        self.loop.call_later(_LINGER_S, self.transport.close)
