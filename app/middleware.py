"""What every request passes, whichever door it goes to: an id, a log line, CORS, a body limit.

Pure ASGI, so that answers can stream and nothing is copied.
"""

import asyncio
import re
import time
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.stdlib.get_logger()

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z", re.ASCII)
_METHODS = "GET, HEAD, POST"
_HEADERS = ("Authorization", "Content-Type", "Idempotency-Key")
_EXPOSED = "X-Request-Id, Retry-After, Deprecation, Sunset, Link"
_GZIP_LEVEL = 1  # see bench/README.md: higher levels cost more time than they save bytes
_REFUSES_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|\Z)", re.ASCII | re.IGNORECASE)
_PREFLIGHT_S = 7_200  # the longest that browsers keep a preflight's answer


class RequestId:
    """Give each request an id (the caller's own, if it sent a sane one) and one line in the log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with its id in `X-Request-Id` of the answer."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        sent = Headers(scope=scope).get("x-request-id", "")
        request_id = sent if _REQUEST_ID.match(sent) else uuid4().hex
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        if scope["type"] == "websocket":
            try:
                await self._app(scope, receive, send)
            finally:
                log.info("websocket", path=scope["path"], duration_ms=_since(started))
            return
        status = 500

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-Id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            # Not the query string: a GraphQL document or its variables may stand there.
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                duration_ms=_since(started),
            )


def _since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)


class LastAnswers:
    """While the process is about to stop, have clients come back by a new connection.

    That one a balancer takes to another process. A refusal may come before the body of its request
    was read; hanging up then could take the answer from the client.
    """

    def __init__(self, app: ASGIApp, draining: asyncio.Event) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; an answer that begins late enough gets `Connection: close`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_last(message: Message) -> None:
            if (
                self._draining.is_set()
                and message["type"] == "http.response.start"
                and message["status"] < 400
            ):
                MutableHeaders(scope=message)["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_last)


class Cors:
    """Let pages of any origin call. Keys travel in a header, so there are no cookies to protect.

    Source: Fetch standard, CORS protocol. `*` as allowed header would not cover Authorization, so
    that one is named, and whatever a preflight asks for is allowed beside it. Pages for people are
    for no other page to read: the playground of a demo holds an administrator's key.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; to every other answer but pages add who may read it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            await self._preflight(headers, send)
            return

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                if not answer.get("content-type", "").startswith("text/html"):
                    answer["Access-Control-Allow-Origin"] = "*"
                    answer["Access-Control-Expose-Headers"] = _EXPOSED
            await send(message)

        await self._app(scope, receive, send_with_origin)

    @staticmethod
    async def _preflight(headers: Headers, send: Send) -> None:
        asked = headers.get("access-control-request-headers", "").split(",")
        allowed = {name.lower(): name for name in _HEADERS}
        for name in asked:
            if re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name.strip()):
                allowed.setdefault(name.strip().lower(), name.strip())
        answer = MutableHeaders()
        answer["Access-Control-Allow-Origin"] = "*"
        answer["Access-Control-Allow-Methods"] = _METHODS
        answer["Access-Control-Allow-Headers"] = ", ".join(allowed.values())
        answer["Access-Control-Max-Age"] = str(_PREFLIGHT_S)
        answer["Vary"] = "Access-Control-Request-Headers"
        await send({"type": "http.response.start", "status": 204, "headers": answer.raw})
        await send({"type": "http.response.body"})


class Compression(GZipMiddleware):
    """Compress answers for clients that read gzip; what streams events stays as it is.

    Starlette's own takes `gzip;q=0`, by which a client refuses it, for a wish.
    """

    def __init__(self, app: ASGIApp, minimum_size: int) -> None:
        super().__init__(app, minimum_size, compresslevel=_GZIP_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and compress what comes back."""
        if scope["type"] == "http" and _REFUSES_GZIP.search(
            Headers(scope=scope).get("accept-encoding", "")
        ):
            headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
            scope = {**scope, "headers": headers}
        await super().__call__(scope, receive, send)


class BodyLimit:
    """Refuse a request body over the limit when a door reads it, not before.

    So a caller without a key is told that, and not how large its body was. Starlette's own limit
    replaces such an answer with its own text.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; reading its body raises HTTPException 413 when it is too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        received = int(declared) if declared.isdecimal() else 0
        too_large = HTTPException(
            413, f"The request body must not be larger than {self._limit_bytes} bytes."
        )
        if received > self._limit_bytes:

            async def refuse() -> Message:
                raise too_large

            await self._app(scope, refuse, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._limit_bytes:
                raise too_large
            return message

        await self._app(scope, receive_counted, send)
