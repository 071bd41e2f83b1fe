"""What every request passes, whichever door it goes to: an id, a log line, CORS, limits, gzip.

Pure ASGI, so that answers can stream and nothing is copied; and one step for all of it, as a
request to a door that is fast would spend most of its time between them.
"""

import asyncio
import logging
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Headers as ASGI has them."""

_LOOKED_AT = frozenset(
    {
        b"accept-encoding",
        b"access-control-request-headers",
        b"access-control-request-method",
        b"content-length",
        b"transfer-encoding",
        b"x-request-id",
    }
)
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")
_METHODS = b"GET, HEAD, POST"
_HEADERS = (b"Authorization", b"Content-Type", b"Idempotency-Key")
_HEADER_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
ANY_ORIGIN = (b"access-control-allow-origin", b"*")
EXPOSED = (
    b"access-control-expose-headers",
    b"X-Request-Id, Retry-After, Deprecation, Sunset, Link",
)
_PREFLIGHT_S = b"7200"  # the longest that browsers keep a preflight's answer
_GZIP_LEVEL = 1  # see bench/README.md: higher levels cost more time than they save bytes
_GZIP_FORMAT = 16 + zlib.MAX_WBITS
GZIP_ASIDE_BYTES = 128 * 1024
"""A part from this size on is compressed aside, as it would stop everybody else."""
_REFUSES_GZIP = re.compile(rb"gzip\s*;\s*q=0(\.0*)?\s*(,|\Z)", re.IGNORECASE)


class StraightWay:
    """Hand the requests for some exact paths to their applications, and leave all else to another.

    Looking for a route, Starlette would try the patterns of the others before and after it.
    """

    def __init__(self, apps: Mapping[str, ASGIApp], otherwise: ASGIApp) -> None:
        self._apps = apps
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        app = self._apps.get(scope["path"]) if scope["type"] == "http" else None
        await (app or self._otherwise)(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all requests and their answers.

    Attributes:
        body_limit_bytes: The largest body of a request.
        compress_from_bytes: The smallest answer to compress; 0 for none.
        draining: Set when the process is about to stop.
        on_http_error: Makes the answer to a request that an HTTPException ended.
    """

    body_limit_bytes: int
    compress_from_bytes: int
    draining: asyncio.Event
    on_http_error: Callable[[HTTPException], Response]


class Arrival(NamedTuple):
    """How a request came in: its id, and when that was."""

    request_id: bytes
    started: float


class Passage:
    """Where each request comes in and its answer goes out.

    Each gets an id (the caller's own, if it sent a sane one) and one line in the log; a body has
    its limit, an answer what `_Answer` does with it; and a request that failed is told so.

    Args:
        app: What answers.
        rules: What holds for it.
        arrival: How the only request came in, if that was elsewhere.
    """

    def __init__(self, app: ASGIApp, rules: Rules, arrival: Arrival | None = None) -> None:
        self._app = app
        self._rules = rules
        self._arrival = arrival
        self._log = log.bind()
        self._is_logged = self._log.is_enabled_for(logging.INFO)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        kind = scope["type"]
        if kind == "lifespan":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter() if self._arrival is None else self._arrival.started
        headers: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in _LOOKED_AT:
                headers.setdefault(name, value)
        request_id = id_of(headers) if self._arrival is None else self._arrival.request_id
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        if kind == "websocket":
            try:
                await self._app(scope, receive, send)
            finally:
                self._log.info("websocket", path=scope["path"], duration_ms=since(started))
            return
        answer = _Answer(send, request_id, self._rules, headers.get(b"accept-encoding"))
        try:
            await self._respond(scope, receive, headers, answer)
        finally:
            if self._is_logged:
                # Not the query string: a GraphQL document or its variables may stand there.
                self._log.info(
                    "request",
                    method=scope["method"],
                    path=scope["path"],
                    status=answer.status,
                    duration_ms=since(started),
                )

    async def _respond(
        self, scope: Scope, receive: Receive, headers: Mapping[bytes, bytes], answer: "_Answer"
    ) -> None:
        if scope["method"] == "OPTIONS" and b"access-control-request-method" in headers:
            await answer.send_preflight(headers.get(b"access-control-request-headers", b""))
            return
        try:
            await self._app(scope, self._limited(receive, headers), answer.send)
        except HTTPException as error:
            if answer.has_begun:
                raise
            await self._rules.on_http_error(error)(scope, receive, answer.restart())
        except Exception:
            if not answer.has_begun:
                response = PlainTextResponse("Internal Server Error", 500)
                await response(scope, receive, answer.restart())
            # For the server, which logs it.
            raise

    def _limited(self, receive: Receive, headers: Mapping[bytes, bytes]) -> Receive:
        """Refuse a body over the limit when a door reads it, not before: HTTPException 413.

        So a caller without a key is told that, and not how large its body was.
        """
        limit = self._rules.body_limit_bytes
        declared = headers.get(b"content-length", b"")
        if declared.isdigit() and b"transfer-encoding" not in headers:
            # The server's parser sees to it that no more comes.
            return receive if int(declared) <= limit else _refusing(limit)
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)
            return message

        return receive_counted


class _Answer:
    """What goes back to the caller of one request.

    It carries the request's id. Pages of any origin may read it: keys travel in a header, so there
    are no cookies to protect. Pages for people, and what says that it is for its own origin, are
    for no other page to read: the playground of a demo holds an administrator's key. It is
    compressed for clients that read gzip; what streams events stays as it is, and so does what can
    be asked for in parts. While the process is about to stop, it has clients come back by a new
    connection, which a balancer takes to another process. A refusal leaves the connection as it is:
    it may come before the body of its request was read, and hanging up then could take the answer
    from the client.
    """

    def __init__(
        self, send: Send, request_id: bytes, rules: Rules, encodings: bytes | None
    ) -> None:
        self._send = send
        self._request_id = request_id
        self._rules = rules
        self._encodings = encodings
        self._held: Message | None = None
        self._is_own = False
        self._gzip: Gzip | None = None
        self.has_begun = False
        self.status = 500

    async def send(self, message: Message) -> None:
        """Send a part of the answer, as ASGI has it; the head when it is clear how it will look."""
        if message["type"] == "http.response.start":
            if self._may_change(message):
                self._held = message
            else:
                await self._begin(message, list(message.get("headers", ())))
            return
        if self._held is not None:
            head, self._held = self._held, None
            message = await self._begin_with(head, message)
        elif self._gzip is not None:
            message = await self._gzip.compressed(message)
        await self._send(message)

    async def send_preflight(self, asked: bytes) -> None:
        """Tell a browser that pages may call: any of these methods, with any header that it names.

        Source: Fetch standard, CORS protocol. `*` as allowed header would not cover Authorization.
        """
        allowed = {name.lower(): name for name in _HEADERS}
        for name in map(bytes.strip, asked.split(b",")):
            if _HEADER_NAME.fullmatch(name):
                allowed.setdefault(name.lower(), name)
        headers = [
            ANY_ORIGIN,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", b", ".join(allowed.values())),
            (b"access-control-max-age", _PREFLIGHT_S),
            (b"vary", b"Access-Control-Request-Headers"),
        ]
        await self._sign({"type": "http.response.start", "status": 204}, headers)
        await self._send({"type": "http.response.body"})

    def restart(self) -> Send:
        """Forget what nothing was sent of: another answer takes its place."""
        self._held = None
        return self.send

    def _may_change(self, head: Message) -> bool:
        may_change = self._rules.compress_from_bytes > 0
        self._is_own = False
        for name, value in head.get("headers", ()):
            if name == b"content-type":
                self._is_own = self._is_own or value.startswith(b"text/html")
                may_change = may_change and not value.startswith(b"text/event-stream")
            elif name == b"cross-origin-resource-policy":
                self._is_own = self._is_own or value == b"same-origin"
            elif name in {b"content-encoding", b"accept-ranges"}:
                may_change = False
        return may_change

    async def _begin_with(self, head: Message, body: Message) -> Message:
        """Send the head of an answer that begins with this part; the part as it is to be sent."""
        headers = list(head.get("headers", ()))
        more = body.get("more_body", False)
        if more or len(body.get("body", b"")) >= self._rules.compress_from_bytes:
            changed = MutableHeaders(raw=headers)
            changed.add_vary_header("Accept-Encoding")
            if reads_gzip(self._encodings):
                self._gzip = Gzip()
                body = await self._gzip.compressed(body)
                changed["Content-Encoding"] = "gzip"
                if more:
                    del changed["Content-Length"]
                else:
                    changed["Content-Length"] = str(len(body["body"]))
        await self._begin(head, headers)
        return body

    async def _begin(self, head: Message, headers: Headers) -> None:
        if not self._is_own:
            headers += (ANY_ORIGIN, EXPOSED)
        await self._sign(head, headers)

    async def _sign(self, head: Message, headers: Headers) -> None:
        if self._rules.draining.is_set() and head["status"] < 400:
            MutableHeaders(raw=headers)["Connection"] = "close"
        headers.append((b"x-request-id", self._request_id))
        self.status = head["status"]
        self.has_begun = True
        await self._send({**head, "headers": headers})


class Gzip:
    """Compresses the parts of an answer; a large one aside, as it would stop everybody else."""

    def __init__(self) -> None:
        self._stream = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)

    async def compressed(self, message: Message) -> Message:
        """The part as it is to be sent."""
        part, more = message.get("body", b""), message.get("more_body", False)
        if len(part) < GZIP_ASIDE_BYTES:
            return {**message, "body": self.compress(part, more=more)}
        return {**message, "body": await asyncio.to_thread(self.compress, part, more=more)}

    def compress(self, part: bytes, *, more: bool = False) -> bytes:
        """The bytes as they are to be sent."""
        flush = zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH
        return self._stream.compress(part) + self._stream.flush(flush)


def id_of(headers: Mapping[bytes, bytes]) -> bytes:
    """The request's id: the caller's own, if it sent a sane one."""
    request_id = headers.get(b"x-request-id")
    if request_id is None or not _REQUEST_ID.match(request_id):
        return new_request_id()
    return request_id


def new_request_id() -> bytes:
    """An id that no other request has: 128 random bits in hex.

    It is no secret, so it need not cost a call of the system; each process has a seed of its own.
    """
    return random.getrandbits(128).to_bytes(16).hex().encode()


def reads_gzip(encodings: bytes | None) -> bool:
    """Whether a client reads gzip, by its `Accept-Encoding`."""
    # A client refuses it by `gzip;q=0`.
    return bool(encodings and b"gzip" in encodings and not _REFUSES_GZIP.search(encodings))


def _too_large(limit: int) -> HTTPException:
    return HTTPException(413, f"The request body must not be larger than {limit} bytes.")


def _refusing(limit: int) -> Receive:
    async def refuse() -> Message:
        raise _too_large(limit)

    return refuse


def since(started: float) -> float:
    """How many milliseconds ago that was, for the log."""
    return round((time.perf_counter() - started) * 1000, 2)
