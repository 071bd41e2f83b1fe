"""What a connection goes through beside its requests: a bound for their headers, and its end.

And which of them are answered while they are read.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeAlias, cast
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from app.exchange import WORTH_TWO_PARTS, Answer, Exchange, Outgoing, Wire

_BETWEEN = len(": \r\n")
_END_OF_HEAD = b"\r\n\r\n"
_WORTH_KEEPING = 16_384  # bytes, for as long as a connection waits for another request
_HEADS_THAT_DIFFER = 8  # one after the other, and a client is taken to send no two alike
_LINGER_S = 2
_LAST_CALL_S = 0.25
_OK = STATUS_LINE[200]
_OUTGOING: WeakKeyDictionary[ServerState, Outgoing] = WeakKeyDictionary()


AnswerAtOnce: TypeAlias = Callable[
    [list[tuple[bytes, bytes]], bytes], Answer | Coroutine[Any, Any, Answer]
]
"""What an application may offer for a method and an address, in its `answers_at_once`.

It gets the headers of a request, with names in lower case, and its body. It has the answer, or a
coroutine that will have it.
"""


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

    A plain request that came as a whole may be answered while it is read: it needs no task, and no
    messages. Whoever has such answers says so by `answers_at_once`, see `AnswerAtOnce`. Clients
    send the same head again and again: where a request came in one piece, one that follows with the
    same head and as many bytes is not parsed, as that would only tell the same.

    What uvicorn does for every request, this does for less where that was seen in a profile.
    """

    transport: Wire  # type: ignore[assignment]
    _limit_bytes = sys.maxsize
    _head_bytes = 0
    _held_back_bytes = 0
    _in_message = False
    _in_head = False
    _is_shut_down = False
    _is_too_large = False
    _is_refused = False
    _is_counted = True
    _idle_since: float | None = None
    # What may answer the request that is being read, while it is read.
    _at_once: AnswerAtOnce | None = None
    _body = b""
    _may_answer_at_once = False
    # If the request before was one of those and came in one piece: this, what was to answer it, and
    # how long its body was; and its head, once that was looked for.
    _piece = b""
    _before: tuple[AnswerAtOnce, int] | None = None
    _head: bytes | None = None
    _differing = 0
    # The headers that all answers have, and as they are sent.
    _default_headers: list[tuple[bytes, bytes]] | None = None
    _default_lines = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin."""
        super().connection_made(cast("asyncio.Transport", Wire(transport)))
        self._outgoing = _OUTGOING.setdefault(self.server_state, Outgoing(self.loop))
        self._limit_bytes = self.config.h11_max_incomplete_event_size or sys.maxsize
        self._answers: Mapping[tuple[bytes, bytes], AnswerAtOnce] = getattr(
            self.config.loaded_app, "answers_at_once", {}
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """End, with whatever was waited for."""
        super().connection_lost(exc)
        if self.timeout_keep_alive_task is not None:
            self.timeout_keep_alive_task.cancel()
            self.timeout_keep_alive_task = None

    def data_received(self, data: bytes) -> None:
        """Parse what has arrived; refuse a header that does not end."""
        if self._is_refused:
            return
        if self._before is not None and self._is_answered_alike(data, *self._before):
            return
        is_between = not self._in_message
        self._held_back_bytes += len(data)
        # What is too large can't be in as little, unless some of it came before.
        self._is_counted = self._in_message or len(data) > self._limit_bytes
        # One for each read of the socket: others want a turn as well.
        self._may_answer_at_once = bool(self._answers)
        super().data_received(data)
        if self._at_once is not None and not self.transport.is_closing():
            self._leave_to(self.app)
        if self._in_message and self._held_back_bytes > self._limit_bytes:
            self._refuse()
        if is_between and self._before is not None and len(data) <= _WORTH_KEEPING:
            self._piece = data

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
            self.transport.let_go()
            # The other protocol keeps it, and has no use for what this one does.
            self.transport = self.transport.below  # type: ignore[assignment]
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
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_url(self, url: bytes) -> None:
        """Some of the address is there."""
        if self._is_counted:
            self._count(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there, or one that follows a body in chunks."""
        if self._is_counted:
            self._count(len(name) + len(value) + _BETWEEN)
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The headers are whole: the application takes the request, after those before it."""
        self._in_head = False
        parser = self.parser
        if self._may_answer_at_once:
            answer = self._answers.get((parser.get_method(), self.url))
            if answer is not None and self._is_plain():
                self._at_once = answer
                self._body = b""
                return
        self._scope()
        if not (parser.should_upgrade() and self._should_upgrade()):
            self._take(self.app)

    def _is_plain(self) -> bool:
        """Whether the request may be answered while it is read: nothing is before it or odd."""
        return (
            self._is_free()
            and not self.expect_100_continue
            and not self.parser.should_upgrade()
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
        )

    def _is_free(self) -> bool:
        """Whether no request is before one that comes now, and its answer can be sent."""
        before: RequestResponseCycle | None = self.cycle
        return (
            (before is None or before.response_complete)
            and not self.pipeline
            and not self.flow.write_paused
        )

    def _is_answered_alike(self, data: bytes, at_once: AnswerAtOnce, body_length: int) -> bool:
        """Answer a request that has the head of the one before, if this is one and can be now.

        Args:
            data: What has arrived.
            at_once: What was to answer the one before.
            body_length: How long the body of that was.
        """
        if len(data) == len(self._piece):
            if self._head is None:
                end = self._piece.find(_END_OF_HEAD) + len(_END_OF_HEAD)
                # As the head says how long the body is. Chunks, or more round it, take more.
                self._head = self._piece[:end] if end + body_length == len(data) else b""
            if self._head and data.startswith(self._head) and self._is_free():
                self._idle_since = None
                self._differing = 0
                self._body = data[len(self._head) :]
                self._answer(at_once)
                return True
        self._differing += 1
        self._piece, self._before, self._head = b"", None, None
        return False

    def _scope(self) -> None:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope = {
            "type": "http",
            "asgi": {"version": self.asgi_version, "spec_version": "2.3"},
            "http_version": self.parser.get_http_version(),
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme or "http",
            "method": self.parser.get_method().decode("ascii"),
            "root_path": self.root_path,
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
            "headers": [*self.headers],
            "state": self.app_state.copy(),
        }

    def _take(self, app: ASGI3Application) -> None:
        before: RequestResponseCycle | None = self.cycle
        keep_alive = self.scope["http_version"] != "1.0" and self.parser.should_keep_alive()
        self.cycle = Exchange(self, self.transport, keep_alive=keep_alive)
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, app))

    def _leave_to(self, app: ASGI3Application) -> None:
        """Have an application answer what could not be answered at once."""
        body, self._at_once, self._body = self._body, None, b""
        self._scope()
        self._take(app)
        if body:
            super().on_body(body)

    def on_body(self, body: bytes) -> None:
        """Some of the body is there, which is bounded where it is read."""
        self._held_back_bytes = 0
        if self._at_once is None:
            super().on_body(body)
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._in_message = False
        if self._at_once is None:
            super().on_message_complete()
            return
        if self._differing < _HEADS_THAT_DIFFER:
            self._before = self._at_once, len(self._body)
        self._answer(self._at_once)

    def _answer(self, at_once: AnswerAtOnce) -> None:
        """Answer a request while it is read, or leave that to an application after all."""
        answer = at_once(self.headers, self._body)
        if isinstance(answer, tuple):
            self._at_once, self._body = None, b""
            self._may_answer_at_once = False
            self._send(*answer)
            self._finish()
        elif isinstance(answer, Coroutine):
            self._wait_for(answer)
        else:
            self._leave_to(self.app if answer is None else answer)
            super().on_message_complete()

    def _wait_for(self, answer: Coroutine[Any, Any, Answer]) -> None:
        """Give an answer when it is there. What else may answer the request has its body."""
        body, self._at_once, self._body = self._body, None, b""
        self._scope()
        self.cycle = exchange = Exchange(self, self.transport, keep_alive=True)
        exchange.body += body
        exchange.more_body = False
        exchange.message_event.set()
        self._start_asgi_task(exchange, partial(exchange.wait_for, answer, self._send, self.app))

    def _send(self, headers: bytes, body: bytes) -> None:
        default = self.server_state.default_headers
        if default is not self._default_headers:
            # The server makes another list every second, and whenever the date is another one.
            self._default_headers = default
            self._default_lines = b"".join([b"%b: %b\r\n" % header for header in default])
        head = b"%b%b%b\r\n" % (_OK, self._default_lines, headers)
        if len(body) < WORTH_TWO_PARTS:
            # All that are ready in a turn of the loop go together: a client that is woken up by
            # each would ask again at once, and the next turn would have less to do.
            self.transport.hold(head + body)
            self._outgoing.add(self.transport)
        else:
            self.transport.below.writelines((head, body))

    def on_response_complete(self) -> None:
        """An answer is sent: take the next request that waits, or hang up if none comes in time."""
        if self.transport.is_closing():
            self.server_state.total_requests += 1
            return
        self.flow.resume_reading()
        if self.pipeline:
            self.server_state.total_requests += 1
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._finish()

    def _finish(self) -> None:
        self.server_state.total_requests += 1
        # One timer goes on over many requests, and looks at the time when it is up.
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_after(self.timeout_keep_alive)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None

    def timeout_keep_alive_handler(self) -> None:
        """Hang up on a connection that was idle for long enough."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_after(left)
        else:
            self.transport.close()

    def _look_after(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

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
