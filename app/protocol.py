"""What a connection passes before there is a request: a bound for the address and the headers."""

import sys

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_BETWEEN = len(": \r\n")
_LINGER_S = 2


class _TooLarge(Exception):
    """Ends the parsing of a request."""


class BoundedHeaders(HttpToolsProtocol):
    """Refuses a request with 431 when its address and headers are too large, before a door sees it.

    The limit is uvicorn's `h11_max_incomplete_event_size`, which it heeds with its other parser
    only. This one hands a header over when it is whole. Until then it is counted by what arrives,
    to a read of the socket, so a connection may take a few of those beyond the limit.
    """

    _head_bytes = 0
    _held_back_bytes = 0
    _in_message = False
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

    def on_message_begin(self) -> None:
        """A request begins."""
        self._in_message = True
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
