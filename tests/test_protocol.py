"""Bytes on a socket, from a real server on each event loop: none is lost, and none too early."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
import uvicorn
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.protocol import Connection

_PATIENCE_S = 20


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    return "asyncio", {"use_uvloop": request.param}


class _Recorder:
    """Notes what each write to a socket takes along."""

    def __init__(self, below: asyncio.Transport, writes: list[bytes]) -> None:
        self._below = below
        self._writes = writes

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._writes.append(bytes(data))
        self._below.write(data)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        parts = list(list_of_data)
        self._writes.append(b"".join(parts))
        self._below.writelines(parts)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


@dataclass
class Client:
    """The other end of a connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, *requests: bytes) -> None:
        self.writer.write(b"".join(requests))

    async def read(self, until: bytes) -> bytes:
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.readuntil(until)

    async def rest(self) -> bytes:
        """All that comes until the server hangs up."""
        async with asyncio.timeout(_PATIENCE_S):
            return await self.reader.read()


@dataclass
class Served:
    """A server that runs an application."""

    port: int
    server: uvicorn.Server
    writes: list[bytes] = field(default_factory=list)

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Client]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**24)
        try:
            yield Client(reader, writer)
        finally:
            writer.close()


@asynccontextmanager
async def serving(app: ASGIApp, **settings: Any) -> AsyncGenerator[Served]:
    writes: list[bytes] = []

    class Recorded(Connection):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            recorder = _Recorder(transport, writes)
            super().connection_made(cast("asyncio.Transport", recorder))

    config = uvicorn.Config(
        app,
        http=Recorded,
        lifespan="off",
        log_config=None,
        port=0,
        server_header=False,
        proxy_headers=False,
        **settings,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield Served(server.servers[0].sockets[0].getsockname()[1], server, writes)
    finally:
        server.force_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await server.shutdown()


def get(path: str = "/", *headers: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def post(body: bytes, *headers: str) -> bytes:
    return get("/", f"Content-Length: {len(body)}", *headers, method="POST") + body


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the address and the body."""
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = scope["raw_path"] + b"?" + scope["query_string"] + b" " + body
    await Response(answer, headers={"connection": "keep-alive"})(scope, receive, send)


async def start(send: Send, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send: Send, content: bytes, *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": content, "more_body": more})


class TestOneWrite:
    @pytest.mark.parametrize(
        ("request_", "status", "size"),
        [
            (get(), 200, 5),
            (get(), 200, 0),
            (get(), 200, 100_000),
            (get(method="HEAD"), 200, 5),
            (get(), 204, None),
            (get(), 304, None),
            (get(), 500, 5),
            (get("/", "Connection: close"), 200, 5),
        ],
    )
    async def test_takes_a_whole_answer(
        self, request_: bytes, status: int, size: int | None
    ) -> None:
        response = Response(None if size is None else b"x" * size, status)
        async with serving(response) as served, served.connected() as client:
            for number in range(1, 3):
                client.send(request_)
                head = await client.read(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 %d " % status)
                if b"HEAD" not in request_ and size:
                    assert await client.reader.readexactly(size) == b"x" * size
                assert len(served.writes) == number
                if b"close" in request_:
                    assert await client.rest() == b""
                    break

    async def test_takes_the_head_and_what_is_there_of_the_body(self) -> None:
        go_on = asyncio.Event()

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await start(send, (b"content-length", b"6"))
            await body(send, b"abc", more=True)
            await go_on.wait()
            await body(send, b"def")

        async with serving(app) as served, served.connected() as client:
            client.send(get(), get())
            assert (await client.read(b"\r\n\r\nabc")).count(b"HTTP/1.1") == 1
            go_on.set()
            assert await client.read(b"def") == b"def"
            assert (await client.read(b"\r\n\r\nabcdef")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert [write[-5:] for write in served.writes] == [b"\r\nabc", b"def"] * 2


class TestStreams:
    async def test_the_head_does_not_wait_for_the_first_part(self) -> None:
        parts: asyncio.Queue[bytes] = asyncio.Queue()

        async def events() -> AsyncGenerator[bytes]:
            while part := await parts.get():
                yield part

        response = StreamingResponse(events(), media_type="text/event-stream")
        async with serving(response) as served, served.connected() as client:
            client.send(get())
            assert b"transfer-encoding: chunked\r\n" in await client.read(b"\r\n\r\n")
            for part in (b"one", b"x" * 5_000, b"y" * 50_000):
                parts.put_nowait(part)
                assert await client.read(part + b"\r\n") == b"%x\r\n%b\r\n" % (len(part), part)
            parts.put_nowait(b"")
            assert await client.read(b"0\r\n\r\n") == b"0\r\n\r\n"

    async def test_one_stops_while_nobody_reads(self) -> None:
        sent = 0
        part = b"x" * 65_536

        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            nonlocal sent
            await start(send, (b"content-length", b"%d" % (1_000 * len(part))))
            for number in range(1_000):
                await body(send, part, more=number < 999)
                sent += 1

        async with serving(app) as served:
            reader, writer = await asyncio.open_connection("127.0.0.1", served.port, limit=65_536)
            writer.write(get())
            await reader.readuntil(b"\r\n\r\n")
            before = -1
            while sent != before:
                before = sent
                await asyncio.sleep(0.1)
            # What the system and the reader keep, and no more.
            assert sent < 500
            async with asyncio.timeout(_PATIENCE_S):
                await reader.readexactly(1_000 * len(part))
            writer.close()


class TestOrder:
    async def test_of_requests_that_are_sent_together(self) -> None:
        async with serving(echo) as served, served.connected() as client:
            requests = [
                post(b"%d" % n, "X: y") if n % 3 else get(f"/%2F{n}?q=%20") for n in range(50)
            ]
            everything = b"".join(requests)
            for begin in range(0, len(everything), 97):
                client.send(everything[begin : begin + 97])
                await asyncio.sleep(0)
            for n in range(50):
                answer = b"/? %d" % n if n % 3 else b"/%%2F%d?q=%%20 " % n
                head = await client.read(b"\r\n\r\n")
                assert f"content-length: {len(answer)}\r\n".encode() in head
                assert await client.reader.readexactly(len(answer)) == answer

    async def test_of_an_answer_and_a_refusal_after_it(self) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await start(send, (b"content-length", b"3"))
            await asyncio.Event().wait()

        async with serving(app) as served, served.connected() as client:
            client.send(get())
            await asyncio.sleep(0.1)
            client.send(b"nonsense\r\n\r\n")
            said = await client.rest()
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
            assert said.endswith(b"Invalid HTTP request received.")

    @pytest.mark.parametrize("reads", [True, False])
    async def test_of_what_a_body_waits_for(self, reads: bool) -> None:
        app = echo if reads else PlainTextResponse("no", 413)
        async with serving(app) as served, served.connected() as client:
            client.send(get("/", "Content-Length: 3", "Expect: 100-continue", method="POST"))
            if reads:
                assert await client.read(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
                client.send(b"abc")
                assert (await client.read(b"/? abc")).startswith(b"HTTP/1.1 200 OK\r\n")
            else:
                assert (await client.read(b"no")).startswith(b"HTTP/1.1 413 ")

    async def test_of_an_answer_and_a_web_socket(self) -> None:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                await echo(scope, receive, send)
                return
            socket = WebSocket(scope, receive, send)
            await socket.accept()
            await socket.send_text("hello")
            await socket.close()

        handshake = (
            *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        )
        async with serving(app) as served, served.connected() as client:
            client.send(get())
            await client.read(b"/? ")
            client.send(get("/", *handshake))
            assert (await client.read(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            assert await client.read(b"hello") == b"\x81\x05hello"


class Offering:
    """An application that has some answers at once: to POST, what was sent, turned round."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers_at_once = {(b"POST", b"/"): self.answer, (b"GET", b"/"): self.answer}

    def answer(
        self, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> tuple[bytes, bytes] | ASGIApp | None:
        self.asked += 1
        wanted = dict(headers).get(b"x-wanted")
        if wanted == b"nothing":
            return None
        if wanted == b"another":
            return PlainTextResponse("another")
        content = body[::-1] or b"?"
        return b"content-length: %d\r\n" % len(content), content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await echo(scope, receive, send)


class TestAtOnce:
    @pytest.mark.parametrize(
        ("request_", "end"),
        [
            (get(), b"\r\n\r\n?"),
            (post(b"abc"), b"\r\n\r\ncba"),
            (post(b"a" * 20_000 + b"b"), b"\r\n\r\nb" + b"a" * 20_000),
            (
                get("/", "Transfer-Encoding: chunked", method="POST")
                + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
                b"\r\n\r\ncba",
            ),
            (post(b"abc", "X-Wanted: nothing"), b"\r\n\r\n/? abc"),
            (post(b"abc", "X-Wanted: another"), b"\r\n\r\nanother"),
        ],
    )
    async def test_a_request_that_came_as_a_whole(self, request_: bytes, end: bytes) -> None:
        app = Offering()
        async with serving(app) as served, served.connected() as client:
            for n in range(1, 4):
                client.send(request_)
                assert (await client.read(end)).startswith(b"HTTP/1.1 200 OK\r\n")
                assert app.asked == n
                assert served.server.server_state.total_requests == n
            assert len(served.writes) == 3

    @pytest.mark.parametrize(
        "request_",
        [
            get("/other"),
            get("/?q=1"),
            get(method="PUT"),
            get("/", "Connection: close"),
            get("/", "Expect: 100-continue"),
            get("/", "Connection: Upgrade", "Upgrade: h2c"),
            get().replace(b"HTTP/1.1", b"HTTP/1.0"),
        ],
    )
    async def test_no_other_request(self, request_: bytes) -> None:
        app = Offering()
        async with serving(app) as served, served.connected() as client:
            client.send(request_)
            assert (await client.read(b"\r\n\r\n/")).count(b"HTTP/1.1 200 OK\r\n") == 1
            assert not app.asked

    async def test_no_body_that_comes_in_parts(self) -> None:
        app = Offering()
        async with serving(app) as served, served.connected() as client:
            request = post(b"abcdef")
            client.send(request[:-3])
            await asyncio.sleep(0.1)
            client.send(request[-3:])
            assert (await client.read(b"/? abcdef")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert not app.asked

    async def test_one_for_each_read_and_all_in_order(self) -> None:
        app = Offering()
        async with serving(app) as served, served.connected() as client:
            client.send(*[post(b"%d!" % n) for n in range(100, 150)])
            for n in range(100, 150):
                head = await client.read(b"\r\n\r\n")
                size = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                answer = await client.reader.readexactly(size)
                assert answer in {b"!%s" % str(n)[::-1].encode(), b"/? %d!" % n}
            assert 1 <= app.asked < 50

    async def test_before_a_refusal_that_follows(self) -> None:
        async with serving(Offering()) as served, served.connected() as client:
            client.send(post(b"abc"), b"nonsense\r\n\r\n")
            said = await client.rest()
            assert said.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"\r\n\r\ncbaHTTP/1.1 400 " in said

    async def test_before_the_end(self) -> None:
        async with serving(Offering()) as served, served.connected() as client:
            client.send(post(b"abc"), get("/other", "Connection: close"))
            said = await client.rest()
            assert b"\r\n\r\ncbaHTTP/1.1 200 OK\r\n" in said
            assert said.endswith(b"/other? ")

    async def test_a_head_that_is_too_large(self) -> None:
        app = Offering()
        settings = {"h11_max_incomplete_event_size": 1_000}
        async with serving(app, **settings) as served, served.connected() as client:
            client.send(post(b"abc", f"X: {'x' * 1_000}"))
            assert (await client.rest()).startswith(b"HTTP/1.1 431 ")
            assert not app.asked

    async def test_an_idle_connection_ends(self) -> None:
        settings = {"timeout_keep_alive": 0.2}
        async with serving(Offering(), **settings) as served, served.connected() as client:
            client.send(post(b"abc"))
            assert (await client.rest()).endswith(b"cba")


class Waiting(Offering):
    """An application whose answers are there when it is told so, and then as the other's."""

    def __init__(self) -> None:
        super().__init__()
        self.is_told = asyncio.Event()
        self.given = 0

    def answer(self, headers: list[tuple[bytes, bytes]], body: bytes) -> Any:
        return self._wait(super().answer(headers, body), headers)

    async def _wait(self, made: Any, headers: list[tuple[bytes, bytes]]) -> Any:
        await self.is_told.wait()
        if (b"x-wanted", b"failure") in headers:
            raise ZeroDivisionError
        self.given += 1
        return made


class TestAnswersThatAreWaitedFor:
    @pytest.mark.parametrize(
        ("request_", "end"),
        [
            (get(), b"\r\n\r\n?"),
            (post(b"abc"), b"\r\n\r\ncba"),
            (post(b"a" * 20_000 + b"b"), b"\r\n\r\nb" + b"a" * 20_000),
            (post(b"abc", "X-Wanted: nothing"), b"\r\n\r\n/? abc"),
            (post(b"abc", "X-Wanted: another"), b"\r\n\r\nanother"),
        ],
    )
    async def test_come_when_they_are_there(self, request_: bytes, end: bytes) -> None:
        app = Waiting()
        async with serving(app) as served, served.connected() as client:
            for n in range(1, 4):
                app.is_told.clear()
                client.send(request_)
                await asyncio.sleep(0.05)
                assert app.asked == n
                assert len(served.writes) == n - 1
                app.is_told.set()
                assert (await client.read(end)).startswith(b"HTTP/1.1 200 OK\r\n")
                assert served.server.server_state.total_requests == n
            assert len(served.writes) == app.given == 3
            assert not served.server.server_state.tasks

    @pytest.mark.parametrize(
        ("wanted", "first"),
        [("it", b"cba"), ("nothing", b"/? abc"), ("another", b"\r\n\r\nanother")],
    )
    async def test_come_before_those_to_later_requests(self, wanted: str, first: bytes) -> None:
        app = Waiting()
        async with serving(app) as served, served.connected() as client:
            client.send(post(b"abc", f"X-Wanted: {wanted}"), post(b"d"))
            await asyncio.sleep(0.05)
            # What comes meanwhile changes nothing of what the first one asks for.
            client.send(get("/another", "Connection: close"))
            await asyncio.sleep(0.05)
            assert not served.writes
            app.is_told.set()
            said = await client.rest()
            places = [said.index(part) for part in (first, b"/? d", b"/another? ")]
            assert places == sorted(places)
            assert app.asked == 1

    async def test_of_one_that_fails(self) -> None:
        app = Waiting()
        app.is_told.set()
        async with serving(app) as served, served.connected() as client:
            client.send(post(b"abc", "X-Wanted: failure"))
            assert (await client.rest()).startswith(b"HTTP/1.1 500 ")

    async def test_nobody_is_left_who_asked(self) -> None:
        app = Waiting()
        async with serving(app) as served:
            async with served.connected() as client:
                client.send(post(b"abc"))
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.05)
            app.is_told.set()
            async with asyncio.timeout(_PATIENCE_S):
                await asyncio.gather(*served.server.server_state.tasks)
            # It was done all the same.
            assert app.given == 1
            assert not served.writes

    async def test_the_end_waits_for_them(self) -> None:
        app = Waiting()
        async with serving(app) as served, served.connected() as client:
            client.send(post(b"abc"))
            await asyncio.sleep(0.05)
            for connection in list(served.server.server_state.connections):
                connection.shutdown()
            await asyncio.sleep(0.7)
            app.is_told.set()
            said = await client.rest()
            assert b"\r\nconnection: close\r\n" in said
            assert said.endswith(b"\r\n\r\ncba")


class TestTheEnd:
    @pytest.mark.parametrize(
        ("headers", "content", "seen"),
        [
            ([(b"content-length", b"6")], b"", b""),
            ([(b"content-length", b"6")], b"abc", b"abc"),
            ([(b"content-length", b"2")], b"abc", b""),
            ([], b"abc", b"3\r\nabc\r\n"),
        ],
    )
    async def test_of_an_answer_that_fails_is_seen(
        self, headers: list[tuple[bytes, bytes]], content: bytes, seen: bytes
    ) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await start(send, *headers)
            if content:
                await body(send, content, more=True)
            raise ValueError

        async with serving(app) as served, served.connected() as client:
            client.send(get())
            head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert rest == seen

    async def test_comes_after_a_header_that_would_be_two(self) -> None:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await start(send, (b"x", b"1\r\ny: 2"), (b"content-length", b"0"))
            await body(send, b"")

        async with serving(app) as served, served.connected() as client:
            client.send(get())
            assert await client.rest() == b""

    @pytest.mark.parametrize("request_", [get("/", "Connection: close"), b"GET / HTTP/1.0\r\n\r\n"])
    async def test_comes_when_it_was_asked_for(self, request_: bytes) -> None:
        app = PlainTextResponse("x" * 100_000)
        async with serving(app) as served, served.connected() as client:
            client.send(request_)
            head, _, rest = (await client.rest()).partition(b"\r\n\r\n")
            assert head.endswith(b"\r\nconnection: close")
            assert rest == b"x" * 100_000

    async def test_of_what_a_client_has_to_say_is_none_of_its_answer(self) -> None:
        size = 3_000_000
        async with serving(PlainTextResponse("x" * size)) as served, served.connected() as client:
            client.send(get())
            client.writer.write_eof()
            assert (await client.rest()).endswith(b"\r\n\r\n" + b"x" * size)

    async def test_comes_to_idle_connections_and_to_no_others(self) -> None:
        go_on = asyncio.Event()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] == "/slow":
                await go_on.wait()
            await echo(scope, receive, send)

        async with (
            serving(app, timeout_keep_alive=1) as served,
            served.connected() as idle,
            served.connected() as slow,
            served.connected() as busy,
        ):
            for client in (idle, slow, busy):
                client.send(get())
                await client.read(b"/? ")
            slow.send(get("/slow"))

            async def keep_busy() -> None:
                while not go_on.is_set():
                    busy.send(get("/busy"))
                    await busy.read(b"/busy? ")
                    await asyncio.sleep(0.05)

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(keep_busy())
                assert await idle.rest() == b""
                await asyncio.sleep(0.2)
                go_on.set()
            assert (await slow.read(b"/slow? ")).startswith(b"HTTP/1.1 200 OK\r\n")
            # These two are let alone for another while, and then they are idle as well.
            assert await slow.rest() == await busy.rest() == b""

    async def test_of_a_client_that_goes_amid_an_answer(self) -> None:
        told = asyncio.Event()

        async def app(_scope: Scope, receive: Receive, send: Send) -> None:
            assert (await receive())["type"] == "http.request"
            await start(send, (b"content-length", b"6"))
            assert (await receive())["type"] == "http.disconnect"
            await body(send, b"abcdef")
            told.set()

        async with serving(app) as served:
            async with served.connected() as client:
                client.send(get())
                await asyncio.sleep(0.1)
            async with asyncio.timeout(_PATIENCE_S):
                await told.wait()
