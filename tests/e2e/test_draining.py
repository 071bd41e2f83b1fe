"""A real server that stops while it is used: balancers know in time, and what was sent is answered.

The callers here stop for no balancer, so one of them may come between the server's last look at who
waits and the close of its socket: that much is granted, and no more.
"""

import asyncio
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.responses import Response

from app.db.engine import open_database
from app.protocol import Connection
from tests.databases import Databases
from tests.e2e.server import ROOT, Server, running, started
from tests.shop import TABLE, fill_shop

STOPPING = {"status": "unavailable", "reason": "The server is stopping."}
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


def _order(keys: Mapping[str, str]) -> bytes:
    items = [{"product": TABLE, "quantity": 1, "shipping": "Regular"}]
    body = json.dumps({"items": items, "address": "1 Main St"}).encode()
    return (
        "POST /orders/add HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: {keys['customer']}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


@dataclass
class Caller:
    """Sends a request again and again until no server listens any more."""

    port: int
    request: bytes
    keeps_connection: bool
    heads: list[str] = field(default_factory=list)
    lost: list[Exception] = field(default_factory=list)

    async def call(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except ConnectionError:  # refused, or reset before it was made
                return
            try:
                while await self._is_kept(reader, writer):
                    pass
            except (OSError, asyncio.IncompleteReadError) as error:
                self.lost.append(error)
            finally:
                writer.close()

    async def _is_kept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(self.request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", head)
        assert length
        await reader.readexactly(int(length[1]))
        self.heads.append(head)
        return self.keeps_connection and "connection: close" not in head


async def _answered_once(callers: Sequence[Caller]) -> None:
    await asyncio.to_thread(_wait_until, lambda: all(caller.heads for caller in callers))


def _serving(workers: str) -> Callable[..., AbstractContextManager[Server]]:
    # Processes of its own begin from nothing whoever starts them.
    return running if workers == "1" else started


def _port(server: Server) -> int:
    return int(server.url.rsplit(":", 1)[1])


def _wait_until_up(server: Server, workers: str = "1") -> None:
    _wait_until(lambda: server.log.read_text().count("startup complete") >= int(workers))
    assert httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the server hangs up."""
    with connection:
        return b"".join(iter(lambda: connection.recv(65536), b""))


async def _fill(url: str) -> Mapping[str, str]:
    database = open_database(url)
    try:
        return await fill_shop(database)
    finally:
        await database.dispose()


async def _probe(url: str, seen: list[tuple[int, object]]) -> None:
    """See what `/readyz` says until nobody listens; `/healthz` is well until then."""
    while True:
        try:
            async with httpx.AsyncClient(base_url=url, timeout=60) as balancer:
                ready = await balancer.get("/readyz")
                seen.append((ready.status_code, ready.json()))
                assert (await balancer.get("/healthz")).json() == {"status": "ok"}
        except httpx.TransportError:
            return
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_balancers_know_first_and_every_request_is_answered(
    databases: Databases, database_url: str, tmp_path: Path, workers: str
) -> None:
    keys = await _fill(database_url)
    settings = {"ORDERS_DATABASE_URL": database_url, "ORDERS_DRAIN_S": "1.5"}
    with _serving(workers)(tmp_path, "--workers", workers, **settings) as server:
        _wait_until_up(server, workers)
        port = _port(server)
        placing = [Caller(port, _order(keys), keeps_connection=n % 2 == 0) for n in range(8)]
        others = [Caller(port, HEALTH, keeps_connection=n % 2 == 0) for n in range(4)]
        callers = [asyncio.create_task(caller.call()) for caller in placing + others]
        seen: list[tuple[int, object]] = []
        probe = asyncio.create_task(_probe(server.url, seen))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        order = _order(keys)
        writer.write(order[:-5])
        await asyncio.to_thread(_wait_until, lambda: bool(seen))
        await _answered_once(placing + others)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.gather(*callers)
        # All have been refused; this one has been in flight since before the signal.
        assert server.process.poll() is None
        writer.write(order[-5:])
        slow = await reader.read()
        writer.close()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    assert slow.startswith(b"HTTP/1.1 200 OK")
    assert slow.endswith(b"ORDER SUCCESS")
    await probe
    assert seen[0][0] == 200
    assert seen[-1] == (503, STOPPING)
    heads = [head for caller in placing + others for head in caller.heads]
    assert all(head.startswith("http/1.1 200 ok") for head in heads)
    assert "connection: close" not in heads[0]
    assert "connection: close" in heads[-1]
    lost = [error for caller in placing + others for error in caller.lost]
    assert len(lost) <= 1, lost
    acknowledged = sum(len(caller.heads) for caller in placing) + 1
    [[placed]] = databases.run(database_url, "SELECT count(*) FROM orders")
    assert 0 <= placed - acknowledged <= len(lost)
    log = server.log.read_text()
    assert "Traceback" not in log
    assert log.count("stopping: /readyz answers 503") == int(workers)


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_without_a_drain_too(tmp_path: Path, workers: str, number: int) -> None:
    with _serving(workers)(tmp_path, "--workers", workers) as server:
        _wait_until_up(server, workers)
        callers = [Caller(_port(server), HEALTH, keeps_connection=n % 3 > 0) for n in range(12)]
        tasks = [asyncio.create_task(caller.call()) for caller in callers]
        await _answered_once(callers)
        server.process.send_signal(number)
        await asyncio.gather(*tasks)
        assert server.process.wait(60) in {0, -number}
    lost = [error for caller in callers for error in caller.lost]
    assert len(lost) <= 1, lost
    assert "Traceback" not in server.log.read_text()


def test_who_waits_to_be_taken_in_is_answered(database_url: str, tmp_path: Path) -> None:
    keys = asyncio.run(_fill(database_url))
    # So many at once may wait for long on a busy machine.
    patience = {"ORDERS_DATABASE_POOL_WAIT_S": "60", "ORDERS_SHUTDOWN_TIMEOUT_S": "60"}
    with running(tmp_path, ORDERS_DATABASE_URL=database_url, **patience) as server:
        _wait_until_up(server)
        # While the process stands still, the system lets the connections wait for it.
        server.process.send_signal(signal.SIGSTOP)
        waiting = [socket.create_connection(("127.0.0.1", _port(server))) for _ in range(400)]
        for connection in waiting:
            connection.settimeout(60)
            connection.sendall(_order(keys))
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGCONT)
        answers = [_rest(connection) for connection in waiting]
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    assert all(answer.startswith(b"HTTP/1.1 200 OK") for answer in answers)
    assert all(answer.endswith(b"ORDER SUCCESS") for answer in answers)


def test_a_signal_while_the_server_starts_loses_nothing(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, pathlib, signal, time\n"
        "import app.main\n"
        "create_app = app.main.create_app\n"
        "def told(settings):\n"
        "    while not pathlib.Path('sent').exists(): time.sleep(0.02)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return create_app(settings)\n"
        "app.main.create_app = told\n"
    )
    with started(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        with socket.create_connection(("127.0.0.1", _port(server)), timeout=60) as waiting:
            waiting.sendall(HEALTH)
            (tmp_path / "sent").touch()
            assert _rest(waiting).startswith(b"HTTP/1.1 200 OK")
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    assert "Traceback" not in server.log.read_text()


async def test_a_request_that_is_sent_as_the_server_stops_is_answered() -> None:
    config = uvicorn.Config(
        Response("well"), http=Connection, lifespan="off", log_config=None, port=0
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEALTH)
    assert (await reader.readuntil(b"well")).startswith(b"HTTP/1.1 200 OK")
    stopping = asyncio.create_task(server.shutdown())
    await asyncio.sleep(0)
    assert not server.servers[0].is_serving()
    writer.write(HEALTH)
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK")
    writer.close()
    await stopping


@pytest.mark.parametrize(
    ("rest", "answer"),
    [
        (b"\r\n", b"HTTP/1.1 200 OK"),
        # As a WebSocket nobody would end it any more.
        (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
            b"HTTP/1.1 503 Service Unavailable",
        ),
    ],
)
def test_a_request_that_has_begun_to_come_is_answered(
    tmp_path: Path, rest: bytes, answer: bytes
) -> None:
    with running(tmp_path) as server:
        _wait_until_up(server)
        with (
            socket.create_connection(("127.0.0.1", _port(server)), timeout=60) as idle,
            socket.create_connection(("127.0.0.1", _port(server)), timeout=60) as slow,
        ):
            path = b"/healthz" if answer.endswith(b"OK") else b"/graphql"
            slow.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n")
            server.process.send_signal(signal.SIGTERM)
            # An idle connection is hung up on.
            assert idle.recv(65536) == b""
            slow.sendall(rest)
            answered = _rest(slow)
        assert answered.startswith(answer)
        assert b"connection: close" in answered.lower()
        assert server.process.wait(60) in {0, -signal.SIGTERM}
    assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_drain(tmp_path: Path, workers: str, second: int) -> None:
    with _serving(workers)(tmp_path, "--workers", workers, ORDERS_DRAIN_S="600") as server:
        _wait_until_up(server, workers)
        server.process.send_signal(signal.SIGTERM)
        _wait_until(lambda: httpx.get(f"{server.url}/readyz", timeout=60).json() == STOPPING)
        assert server.stop(second) in {0, -second}
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "broken off" not in log


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_people_at_a_terminal_do_not_wait(tmp_path: Path, workers: str, number: int) -> None:
    with _serving(workers)(tmp_path, "--workers", workers, ORDERS_DRAIN_S="600") as server:
        _wait_until_up(server, workers)
        assert server.stop(number) in {0, -number, -signal.SIGTERM}
    assert "Traceback" not in server.log.read_text()


def test_a_demo_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path, "--demo", ORDERS_DRAIN_S="600") as server:
        _wait_until_up(server)
        assert server.stop(signal.SIGTERM) in {0, -signal.SIGTERM}


def test_a_signal_to_the_whole_group_is_one_signal(tmp_path: Path) -> None:
    """As systemd sends it; the parent passes its own on to each process."""
    with started(tmp_path, "--workers", "2", ORDERS_DRAIN_S="600") as server:
        _wait_until_up(server, "2")
        pids = re.findall(r"Started server process \[(\d+)\]", server.log.read_text())
        assert len(pids) == 2
        for pid in (*map(int, pids), server.process.pid):
            os.kill(pid, signal.SIGTERM)
        _wait_until(lambda: server.log.read_text().count("Terminated child process") == 2)
        # Each has heard of it twice by the time that it answers again.
        for _ in range(20):
            assert httpx.get(f"{server.url}/readyz", timeout=60).json() == STOPPING
        assert server.stop(signal.SIGTERM) == 0
