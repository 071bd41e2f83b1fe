"""What every answer passes, whatever made it: applications here that do what no door does."""

import asyncio
import os
import re
import subprocess
import sys
import zlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs

from app.at_once import AnswerAtOnce, AnsweringAtOnce, DoorAtOnce, Given, Made
from app.middleware import (
    Passage,
    Rules,
    StraightWay,
)

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 1_000


def rules(compress_from: int, *, draining: bool = False) -> Rules:
    event = asyncio.Event()
    if draining:
        event.set()

    def on_error(error: HTTPException) -> Response:
        return JSONResponse({"msg": error.detail}, error.status_code)

    return Rules(LIMIT, compress_from, event, on_error)


def passage(app: ASGIApp, *, compress_from: int = 100, draining: bool = False) -> Passage:
    return Passage(app, rules(compress_from, draining=draining))


async def ask(app: ASGIApp, method: str = "GET", path: str = "/", **more: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        return await client.request(method, path, **more)


async def ask_raising(app: ASGIApp) -> httpx.Response:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
        return await client.get("/")


async def read_all(scope: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await PlainTextResponse(str(size))(scope, receive, send)


async def in_parts(*sizes: int) -> AsyncGenerator[bytes]:
    for size in sizes:
        yield b"x" * size


class TestCompression:
    @pytest.mark.parametrize(
        ("accepted", "size", "encoding", "vary"),
        [
            ("gzip", 99, None, "Accept"),
            ("gzip", 100, "gzip", "Accept, Accept-Encoding"),
            ("gzip", 500_000, "gzip", "Accept, Accept-Encoding"),
            ("br, gzip;q=0.5", 100, "gzip", "Accept, Accept-Encoding"),
            ("gzip;q=0, *", 100, None, "Accept, Accept-Encoding"),
            ("identity", 100, None, "Accept, Accept-Encoding"),
        ],
    )
    async def test_of_whole_answers(
        self, accepted: str, size: int, encoding: str | None, vary: str
    ) -> None:
        response = PlainTextResponse("x" * size, headers={"Vary": "Accept"})
        answer = await ask(passage(response), headers={"Accept-Encoding": accepted})
        assert answer.text == "x" * size
        assert answer.headers.get("content-encoding") == encoding
        assert answer.headers["vary"] == vary
        assert (int(answer.headers["content-length"]) < size) == bool(encoding)

    async def test_of_streams(self) -> None:
        sent: list[bytes] = []
        app = passage(StreamingResponse(in_parts(5, 200_000, 7)))

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            async def note(message: Any) -> None:
                sent.append(message.get("body", b""))
                await send(message)

            await app(scope, receive, note)

        answer = await ask(noting)
        assert answer.text == "x" * 200_012
        assert answer.headers["content-encoding"] == "gzip"
        assert "content-length" not in answer.headers
        # Each part can be read when it is there.
        assert zlib.decompressobj(31).decompress(sent[1]) == b"x" * 5

    @pytest.mark.parametrize(
        ("response", "compress_from"),
        [
            (lambda: StreamingResponse(in_parts(9), media_type="text/event-stream"), 1),
            (lambda: PlainTextResponse("x" * 999, headers={"Content-Encoding": "identity"}), 1),
            (lambda: PlainTextResponse("x" * 999), 0),
        ],
        ids=["events", "encoded", "never"],
    )
    async def test_leaves_some_as_they_are(
        self, response: Callable[[], Response], compress_from: int
    ) -> None:
        answer = await ask(passage(response(), compress_from=compress_from))
        assert answer.headers.get("content-encoding") in {None, "identity"}
        assert "vary" not in answer.headers
        assert set(answer.text) == {"x"}


def at_once(door: DoorAtOnce, *, compress_from: int = 100, draining: bool = False) -> AnswerAtOnce:
    return AnsweringAtOnce(door, rules(compress_from, draining=draining), "GET", "/")


def after_a_while(given: Given | Exception | None, then: Any = None) -> DoorAtOnce:
    """A door that has an answer, or fails, when others had a turn and something was done."""

    async def door() -> Given | None:
        await asyncio.sleep(0)
        if then is not None:
            then()
        if isinstance(given, Exception):
            raise given
        structlog.get_logger().info("amid")
        return given

    return lambda *_: door()


async def there(answer: Made | Coroutine[Any, Any, Made]) -> Made:
    # In a task, as by the server: what is bound for the log is for this request.
    return await asyncio.create_task(answer) if isinstance(answer, Coroutine) else answer


class TestAtOnce:
    @pytest.mark.parametrize("size", [1, 99, 100, 5_000, 200_000])
    @pytest.mark.parametrize("vary", [None, "Accept"])
    @pytest.mark.parametrize("encodings", ["gzip, br", "gzip;q=0", ""])
    @pytest.mark.parametrize("waits", [False, True])
    async def test_an_answer_is_what_the_other_way_makes_of_it(
        self, size: int, vary: str | None, encodings: str, waits: bool
    ) -> None:
        content = os.urandom(size)
        said: tuple[tuple[bytes, bytes], ...] = ((b"vary", vary.encode()),) if vary else ()
        headers = {name.decode(): value.decode() for name, value in said}
        app = passage(Response(content, headers=headers, media_type="text/plain"))
        sent = {"Accept-Encoding": encodings, "X-Request-Id": "r-1"}
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://shop.example"
        ) as client:
            response = await client.get("/", headers=sent)
        said += ((b"content-type", response.headers["content-type"].encode()),)

        raw = [(name.lower(), value) for name, value in response.request.headers.raw]
        door = after_a_while((content, said)) if waits else lambda *_: (content, said)
        made = await there(at_once(door)(raw, b""))
        if isinstance(made, tuple):
            head, body = made
            lines = head.decode().removesuffix("\r\n").split("\r\n")
            assert sorted(lines) == sorted(
                f"{name.decode()}: {value.decode()}" for name, value in response.headers.raw
            )
            if response.headers.get("content-encoding") == "gzip":
                body = zlib.decompress(body, 16 + zlib.MAX_WBITS)
            assert body == content == response.content
        else:
            # It takes too long to be compressed while others wait.
            assert size == 200_000
            assert made is not None
            assert (await ask(made, headers=sent)).headers == response.headers

    @pytest.mark.parametrize(
        ("headers", "body", "draining"),
        [
            ([(b"x", b"1"), (b"x", b"2")], b"", False),
            ([], b"x" * (LIMIT + 1), False),
            ([], b"", True),
        ],
    )
    def test_what_is_for_the_other_way_is_not_asked_of_the_door(
        self, headers: list[tuple[bytes, bytes]], body: bytes, draining: bool
    ) -> None:
        def door(_headers: object, _body: object) -> Any:
            raise AssertionError

        assert at_once(door, draining=draining)(headers, body) is None

    def test_a_door_that_fails_leaves_it_to_the_other_way(self) -> None:
        def door(_headers: object, _body: object) -> Any:
            raise ZeroDivisionError

        assert at_once(door)([], b"") is None

    def test_a_line_in_the_log_and_an_id(self) -> None:
        answer = at_once(lambda _headers, _body: (b"x", ()))
        heads = []
        with capture_logs() as lines:
            for sent in ([(b"x-request-id", b"r-1")], [(b"x-request-id", b"no id")], []):
                made = answer(sent, b"")
                assert isinstance(made, tuple)
                heads.append(made[0])
        ids = [line["request_id"] for line in lines]
        assert ids[0] == "r-1"
        assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids[1:])
        assert {
            (line["event"], line["method"], line["path"], line["status"]) for line in lines
        } == {("request", "GET", "/", 200)}
        assert b"x-request-id: %s\r\n" % ids[2].encode() in heads[2]

    async def test_what_is_said_while_it_is_waited_for_has_the_id(self) -> None:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            answer = at_once(after_a_while((b"x", ())))([(b"x-request-id", b"r-1")], b"")
            assert isinstance(await there(answer), tuple)
        assert [(line["event"], line["request_id"]) for line in lines] == [
            ("amid", "r-1"),
            ("request", "r-1"),
        ]

    async def test_nothing_after_a_while_leaves_it_to_the_other_way(self) -> None:
        assert await there(at_once(after_a_while(None))([], b"")) is None

    async def test_a_failure_after_a_while_is_told_and_raised(self) -> None:
        app = await there(at_once(after_a_while(ZeroDivisionError()))([], b""))
        assert app is not None
        assert not isinstance(app, tuple)
        with capture_logs() as lines:
            response = await ask(app)
        assert (response.status_code, response.text) == (500, "Internal Server Error")
        assert [(line["event"], line["status"]) for line in lines] == [("request", 500)]
        with pytest.raises(ZeroDivisionError):
            await ask_raising(app)

    async def test_when_the_process_is_about_to_stop_meanwhile(self) -> None:
        held = rules(100)
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            door = after_a_while((b"x", ()), then=held.draining.set)
            app = await there(AnsweringAtOnce(door, held, "GET", "/")([], b""))
            assert app is not None
            assert not isinstance(app, tuple)
            assert (await ask(app)).headers["connection"] == "close"
        assert [line["event"] for line in lines] == ["amid", "request"]
        assert lines[0]["request_id"] == lines[1]["request_id"]


class TestFailures:
    async def test_before_anything_was_sent(self) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise ZeroDivisionError

        with capture_logs() as logs:
            answer = await ask(passage(app))
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
        assert [line["status"] for line in logs] == [500]

    async def test_that_an_application_is_the_first_to_see(self) -> None:
        async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
            raise HTTPException(418, "short and stout")

        answer = await ask(passage(app))
        assert (answer.status_code, answer.json()) == (418, {"msg": "short and stout"})

    @pytest.mark.parametrize("error", [ZeroDivisionError(), HTTPException(418)])
    async def test_amid_an_answer(self, error: Exception) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            raise error

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
        with pytest.raises(type(error)):
            await passage(app)(scope, asyncio.Event().wait, send)  # type: ignore[arg-type]
        assert [message.get("status", message.get("body")) for message in sent] == [200, b"a"]


class TestBodies:
    @pytest.mark.parametrize(("size", "status"), [(LIMIT, 200), (LIMIT + 1, 413)])
    async def test_of_a_declared_and_of_an_unknown_size(self, size: int, status: int) -> None:
        whole = await ask(passage(read_all), "POST", content=b"x" * size)
        assert "content-length" in whole.request.headers
        chunked = await ask(passage(read_all), "POST", content=in_parts(size - 1, 1))
        assert chunked.request.headers["transfer-encoding"] == "chunked"
        assert whole.status_code == chunked.status_code == status
        assert whole.text == chunked.text

    async def test_that_nobody_reads(self) -> None:
        app = passage(PlainTextResponse("no", 401))
        assert (await ask(app, "POST", content=b"x" * (LIMIT + 1))).status_code == 401


class TestLastAnswers:
    @pytest.mark.parametrize(("status", "closes"), [(200, True), (204, True), (400, False)])
    async def test_have_clients_come_back(self, status: int, closes: bool) -> None:
        response = Response(status_code=status, headers={"Connection": "keep-alive"})
        answer = await ask(passage(response, draining=True))
        assert answer.headers.get_list("connection") == ["close" if closes else "keep-alive"]

    async def test_a_preflight_too(self) -> None:
        headers = {"Access-Control-Request-Method": "POST"}
        answer = await ask(passage(read_all, draining=True), "OPTIONS", headers=headers)
        assert answer.headers["connection"] == "close"
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


async def test_an_application_may_send_the_same_head_again() -> None:
    head = {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]}

    async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send(head)
        await send({"type": "http.response.body", "body": b"x" * 500})

    for _ in range(2):
        assert len((await ask(passage(app))).headers.get_list("x-request-id")) == 1
    assert head["headers"] == [(b"a", b"b")]


async def test_a_straight_way_is_for_an_exact_path() -> None:
    app = StraightWay({"/a": PlainTextResponse("a")}, otherwise=PlainTextResponse("other"))
    answers = [(await ask(app, path=path)).text for path in ("/a", "/%61", "/a/", "/A", "/a?b")]
    assert answers == ["a", "a", "other", "other", "a"]


def test_request_ids_differ_between_processes() -> None:
    """Also where one is the fork of another, and must not go on with its numbers."""
    script = (
        "import os\nfrom app.middleware import new_request_id\nnew_request_id()\nos.fork()\n"
        "os.write(1, new_request_id() + b' ')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, cwd=ROOT)
    assert len(set(done.stdout.split())) == 2
