"""What is answered while a request is read, or soon after it, without ASGI's messages.

Such a request passes what `app.middleware` has for all others, at once.
"""

import logging
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send

from app.middleware import (
    ANY_ORIGIN,
    EXPOSED,
    GZIP_ASIDE_BYTES,
    Arrival,
    Gzip,
    Headers,
    Passage,
    Rules,
    id_of,
    reads_gzip,
    since,
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

# What the head of an answer ends with.
_HEAD = (
    b"content-length: %d\r\n"
    + b"".join(b"%b: %b\r\n" % header for header in (ANY_ORIGIN, EXPOSED))
    + b"x-request-id: %b\r\n"
)

Made: TypeAlias = tuple[bytes, bytes] | ASGIApp | None
"""An answer with status 200: the lines of its headers, and its body.

An application takes the place of the usual one, and has it; None leaves the request to the latter.
"""

AnswerAtOnce: TypeAlias = Callable[[Headers, bytes], Made | Coroutine[Any, Any, Made]]
"""What may have the answer to a request, of its headers and its body, or a coroutine for it."""

Given: TypeAlias = tuple[bytes, Sequence[tuple[bytes, bytes]]]
"""An answer with status 200: its body, and its headers but for its length, as a tuple."""

DoorAtOnce: TypeAlias = Callable[
    [Mapping[bytes, bytes], bytes], Given | Coroutine[Any, Any, Given | None] | None
]
"""What may have the answer to a request, of its headers and its body.

Without waiting it has that, or None, and nothing has happened that counts; or a coroutine that will
have it, or None where nothing has happened.
"""


class _Giving:
    """The application that has an answer already."""

    def __init__(self, given: Given) -> None:
        self._content, self._headers = given

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give it."""
        content = self._content
        headers = [*self._headers, (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


class _Failing:
    """The application that has failed already."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Fail."""
        raise self._error


class AnsweringAtOnce:
    """Answers requests for one path without ASGI's messages, as a server asks it.

    It is what a request passes otherwise, for what is answered with 200 and as a whole.

    Args:
        door: What has the answers.
        rules: What holds for them.
        method: Of the requests.
        path: Of the requests.
    """

    def __init__(self, door: DoorAtOnce, rules: Rules, method: str, path: str) -> None:
        self._door = door
        self._rules = rules
        self._method = method
        self._path = path
        self._log = log.bind()
        self._is_logged = self._log.is_enabled_for(logging.INFO)
        self._body_limit = rules.body_limit_bytes
        self._is_draining = rules.draining.is_set
        self._compress_from = rules.compress_from_bytes or sys.maxsize

    def __call__(self, raw: Headers, body: bytes) -> Made | Coroutine[Any, Any, Made]:
        """The answer to a request, or what will have it."""
        started = time.perf_counter() if self._is_logged else 0.0
        headers = dict(raw)
        # A header that is there twice is for the other way to make sense of.
        if len(headers) != len(raw) or len(body) > self._body_limit or self._is_draining():
            return None
        try:
            given = self._door(headers, body)
        except Exception:  # noqa: BLE001 (nothing was changed: the other way fails, and tells)
            return None
        if given is None:
            return None
        request_id = id_of(headers)
        encodings = headers.get(b"accept-encoding")
        if isinstance(given, tuple):
            return self._made(given, request_id, encodings, started)
        return self._wait(given, request_id, encodings, started)

    async def _wait(
        self,
        coming: Coroutine[Any, Any, Given | None],
        request_id: bytes,
        encodings: bytes | None,
        started: float,
    ) -> Made:
        structlog.contextvars.bind_contextvars(request_id=request_id.decode())
        try:
            given = await coming
        except Exception as error:  # noqa: BLE001 (told, and logged, as that of any application)
            return Passage(_Failing(error), self._rules, Arrival(request_id, started))
        if given is None:
            return None
        if self._is_draining():
            return Passage(_Giving(given), self._rules, Arrival(request_id, started))
        return self._made(given, request_id, encodings, started)

    def _made(
        self, given: Given, request_id: bytes, encodings: bytes | None, started: float
    ) -> tuple[bytes, bytes] | ASGIApp:
        content, said = given
        if len(content) >= self._compress_from:
            if len(content) >= GZIP_ASIDE_BYTES and reads_gzip(encodings):
                return Passage(_Giving(given), self._rules, Arrival(request_id, started))
            content, said = _compressed(content, said, encodings)
        if self._is_logged:
            self._log.info(
                "request",
                request_id=request_id.decode(),
                method=self._method,
                path=self._path,
                status=200,
                duration_ms=since(started),
            )
        return _lines(said) + _HEAD % (len(content), request_id), content


@lru_cache(maxsize=64)
def _lines(headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers as they are sent. There are few different ones."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def _compressed(
    content: bytes, headers: Sequence[tuple[bytes, bytes]], encodings: bytes | None
) -> tuple[bytes, Sequence[tuple[bytes, bytes]]]:
    """An answer as this caller reads it, and its headers."""
    changed = MutableHeaders(raw=[*headers])
    changed.add_vary_header("Accept-Encoding")
    if reads_gzip(encodings):
        content = Gzip().compress(content)
        changed["Content-Encoding"] = "gzip"
    return content, tuple(changed.raw)
