"""A request with the head of the one before is not parsed: nobody may see a difference."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from app.protocol import AnswerAtOnce, Connection
from tests.test_protocol import Offering, Waiting, get, post

_TURNS = 8  # of the event loop, by which an application has answered


class Forgetful(Connection):
    """Parses every request."""

    def _is_answered_alike(self, data: bytes, at_once: AnswerAtOnce, body_length: int) -> bool:
        return False


class Counting(Connection):
    """Counts what it does not parse."""

    unparsed = 0
    _has_begun = False

    def on_message_begin(self) -> None:
        self._has_begun = True
        super().on_message_begin()

    def _answer(self, at_once: AnswerAtOnce) -> None:
        self.unparsed += not self._has_begun
        super()._answer(at_once)

    def data_received(self, data: bytes) -> None:
        self._has_begun = False
        super().data_received(data)


class Hasty(Offering):
    """Answers what it has not at once before it has read a body."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("hasty")(scope, receive, send)


class Slow(Waiting):
    """Has its answers when all has been sent."""


class Wire:
    """The other end, which takes all that is sent."""

    def __init__(self) -> None:
        self.sent = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def writelines(self, parts: Sequence[bytes]) -> None:
        self.sent += b"".join(parts)

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True

    def __getattr__(self, name: str) -> Any:
        """Whatever else is done to it has no effect."""
        return lambda *_: None


async def served(
    kind: type[Connection], app: Offering, reads: Sequence[bytes]
) -> tuple[bytes, bool, Connection]:
    """What is sent after some reads of a socket, and whether the connection was ended."""
    config = uvicorn.Config(
        cast("Any", app), lifespan="off", log_config=None, proxy_headers=False, server_header=False
    )
    config.load()
    connection = kind(config, ServerState(), {}, asyncio.get_running_loop())
    wire = Wire()
    connection.connection_made(cast("asyncio.Transport", wire))
    for data in reads:
        if not wire.is_closed:
            connection.data_received(data)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
    if isinstance(app, Slow):
        app.is_told.set()
        for _ in range(_TURNS * len(reads)):
            await asyncio.sleep(0)
    connection.connection_lost(None)
    return wire.sent, wire.is_closed, connection


def alike(reads: Sequence[bytes], kind: type[Offering] = Offering) -> int:
    """Both ways to read come to the same; how many requests were not parsed."""

    async def both() -> int:
        apps = kind(), kind()
        for app in apps:
            if isinstance(app, Waiting) and not isinstance(app, Slow):
                app.is_told.set()
        sent, is_closed, connection = await served(Counting, apps[0], reads)
        assert (sent, is_closed) == (await served(Forgetful, apps[1], reads))[:2]
        assert apps[0].asked == apps[1].asked
        return cast("Counting", connection).unparsed

    return asyncio.run(both())


_CHUNKED = get("/", "Transfer-Encoding: chunked", method="POST")
_PARTS = [
    get(),
    get("/other"),
    get("/", "X-Wanted: nothing"),
    get("/", "Connection: close"),
    post(b"ab"),
    post(b"cd"),
    post(b"\r\n"),
    post(b"ab", "X-Wanted: nothing"),
    post(b"ab", "X-Wanted: another"),
    post(b"ab").replace(b"\r\n", b"\n"),
    _CHUNKED + b"2\r\nab\r\n0\r\n\r\n",
    _CHUNKED + b"0\r\n\r\n",
    _CHUNKED,
    post(b"ab")[:-2],
    post(b"ab")[:-1],
    post(b"\r\n\r\n"),
    *(b"a", b"ab", b"cd", b"\r\n", b"\r\n\r\n", b"XY", b"\n"),
]


@given(st.lists(st.lists(st.sampled_from(_PARTS), min_size=1, max_size=3), max_size=6))
@settings(max_examples=200, deadline=None)
def test_whatever_is_sent_is_answered_as_if_it_was_parsed(reads: list[list[bytes]]) -> None:
    joined = [b"".join(parts) for parts in reads]
    # Twice each, as what is known of a read matters in the next one.
    doubled = [data for data in joined for _ in range(2)]
    for kind in (Offering, Waiting, Hasty, Slow):
        alike(doubled, kind)


@pytest.mark.parametrize("kind", [Offering, Waiting, Hasty, Slow])
@pytest.mark.parametrize(
    "reads",
    [
        [post(b"\r\n") + b"\r\n", post(b"\r\n")[:-2] + b"\r\nXY"],
        [b"ab" + post(b"cd")] * 2,
        [post(b"ab")[:-1], *[b"b" + post(b"cd")] * 2],
        [post(b"ab").replace(b"POST", b"PUT")[:-1], *[b"b" + post(b"cd")] * 2],
        [get() + get()] * 3,
        [get() + b"\r\n"] * 3,
        [post(b"ab"), post(b"cd"), post(b"ef")],
        [post(b"ab"), post(b"cd"), get("/other"), post(b"ef"), post(b"gh")],
    ],
)
def test_what_looks_like_the_one_before(reads: list[bytes], kind: type[Offering]) -> None:
    alike(reads, kind)


def test_a_request_like_the_one_before_is_not_parsed() -> None:
    assert alike([post(b"ab"), post(b"cd"), post(b"ef")]) == 2
    assert alike([post(b"ab"), post(b"cd"), post(b"ef")], Waiting) == 2
    assert alike([get(), get(), get()]) == 2
    assert alike([post(b"ab", "X-Wanted: nothing")] * 3) == 2


def test_any_other_one_is_parsed() -> None:
    assert alike([post(b"ab"), post(b"abc"), get(), post(b"ab")]) == 0
    assert alike([post(b"ab")[:-1], b"b", post(b"ab")[:-1], b"b"]) == 0
    assert alike([post(b"ab") + post(b"cd")] * 2) == 0
    assert alike([_CHUNKED + b"2\r\nab\r\n0\r\n\r\n"] * 2) == 0
    assert alike([post(b"ab"), post(b"c")[:-1] + b"cd", post(b"ab")]) == 0


class Changing(Offering):
    """An application that changes the headers it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Sequence[tuple[bytes, bytes]]] = []

    def answer(self, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.heard.append(tuple(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"].append((b"x-added", b"1"))
        await super().__call__(scope, receive, send)


def test_what_an_application_does_to_its_headers_stays_with_that_request() -> None:
    app = Changing()
    sent, _, _ = asyncio.run(served(Connection, app, [post(b"ab")] * 3))
    assert sent.count(b"/? ab") == 3
    assert app.heard == [((b"host", b"x"), (b"content-length", b"2"))] * 3


def test_of_a_client_whose_heads_all_differ_none_is_looked_for() -> None:
    different = [post(b"ab", f"X-Request-ID: {n}") for n in range(9)]
    assert alike([*different, *[post(b"ab")] * 3]) == 0
    assert alike([*different[:6], *[post(b"ab")] * 3, *different[:6], *[post(b"ab")] * 3]) == 4
