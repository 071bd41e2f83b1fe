"""The real server in a process of its own: start, both curl lines, signals, a full port."""

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.graphql.schema import build_schema
from app.web.built import find_built_pages
from tests.cli.test_commands import DatabaseTerminal
from tests.databases import Databases, Home
from tests.e2e.server import ROOT, Server, fill, running, started
from tests.shop import CUSTOMER


@pytest.fixture(scope="module")
def demo(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("demo")
    with (
        databases.for_folder(folder, migrated=False) as home,
        running(folder, "--demo", **home.environment) as server,
    ):
        yield server


@pytest.fixture
def home(databases: Databases, tmp_path: Path) -> Iterator[Home]:
    """A database without tables, on each engine."""
    with databases.for_folder(tmp_path, migrated=False) as made:
        yield made


def test_the_curl_lines_shown_work_as_they_are(demo: Server) -> None:
    commands = re.findall(r"^  (curl (?:.*\\\n)*.*)", demo.shown, re.MULTILINE)
    assert len(commands) == 2
    rest, graphql = (
        json.loads(
            subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=True).stdout
        )
        for command in commands
    )
    assert {"orderId", "productId", "price", "orderNum"} <= set(rest[0])
    assert graphql["data"]["orders"]["totalCount"] == rest[0]["orderNum"]
    assert shlex.split(commands[0])[2].startswith("Authorization: ofk_")


def test_the_demo_shop_is_what_it_promises(demo: Server) -> None:
    query = """{ all: orders { totalCount }
      a: orders(filter: { status: [PENDING] }) { totalCount }
      b: orders(filter: { status: [DELIVERY] }) { totalCount }
      c: orders(filter: { status: [COMPLETED] }) { totalCount }
      oldest: orders(first: 1, sort: CREATED_AT_ASC) { nodes { createdAt } }
      newest: orders(first: 1) { nodes { createdAt } }
      products(first: 100) { id } me { isAdmin orders { totalCount } } }"""
    headers = {"Authorization": demo.key("Administrator's")}
    data = httpx.post(f"{demo.url}/graphql", json={"query": query}, headers=headers).json()["data"]
    assert data["all"]["totalCount"] == 600
    assert min(data[status]["totalCount"] for status in "abc") >= 10
    assert sum(data[status]["totalCount"] for status in "abc") == 600
    assert len(data["products"]) == 40
    assert data["me"]["isAdmin"]
    assert data["me"]["orders"]["totalCount"] > 0
    span = [data[end]["nodes"][0]["createdAt"][:7] for end in ("oldest", "newest")]
    assert span == ["2025-05", "2026-10"]


def test_pages_for_people(demo: Server) -> None:
    are_built = find_built_pages() is not None
    shown = dict(re.findall(r"^  (\S.*?)  +(http://\S+)$", demo.shown, re.MULTILINE))
    pages = {"Playground": "/graphql", "Orders desk": "/desk", "REST reference": "/docs"}
    if not are_built:
        del pages["Orders desk"]
    assert shown == {name: f"{demo.url}{path}" for name, path in pages.items()}
    assert ("The web pages are not built" in demo.shown) == (not are_built)
    with httpx.Client(base_url=demo.url, headers={"Accept": "text/html"}) as browser:
        start = browser.get("/")
        assert "default-src 'none'" in start.headers["content-security-policy"]
        for link in re.findall(r'href="([^"]+)"', start.text):
            is_there = are_built or link != "/desk"
            assert browser.get(link).status_code == (200 if is_there else 404), link
        assert browser.get("/schema.graphql").text == build_schema().sdl
        assert demo.key("Administrator's") in browser.get("/web/playground.json").text


def test_keys_are_not_in_the_log(demo: Server) -> None:
    key = "ofk_" + "x" * 43
    for path in ("/orders/get_all", "/graphql?query={scopes}"):
        httpx.get(f"{demo.url}{path}", headers={"Authorization": key})
    log = demo.log.read_text()
    assert '"path":"/orders/get_all"' in log
    assert "ofk_" not in log
    assert "scopes" not in log


def test_a_large_body_is_refused_on_a_socket(demo: Server) -> None:
    headers = {"Content-Type": "application/json"}
    url = f"{demo.url}/orders/add"
    assert httpx.post(url, content=b" " * 5_000_000, headers=headers).status_code == 401
    headers["Authorization"] = demo.key("Customer's key")
    refused = httpx.post(url, content=b" " * 5_000_000, headers=headers)
    assert refused.status_code == 413
    assert list(refused.json()) == ["msg"]


def test_a_second_start_shows_the_same_keys(tmp_path: Path, home: Home) -> None:
    shown = []
    for _ in range(2):
        with started(tmp_path, "--demo", **home.environment) as server:
            shown.append(re.findall(r"ofk_\w+", server.shown))
            assert httpx.get(f"{server.url}/readyz").status_code == 200
            assert server.stop(signal.SIGINT) == 0
            assert "Traceback" not in server.log.read_text()
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("engine", "workers", "number"),
    [
        *(
            ("sqlite", workers, number)
            for workers in ("1", "2")
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        ),
        # How a signal gets to the processes is no matter of the engine.
        ("postgresql", "1", signal.SIGINT),
        ("postgresql", "2", signal.SIGTERM),
    ],
)
def test_requests_in_flight_finish(
    request: pytest.FixtureRequest, tmp_path: Path, engine: str, workers: str, number: int
) -> None:
    databases: Databases = request.getfixturevalue(f"{engine}_databases")
    with (
        databases.for_folder(tmp_path) as home,
        started(tmp_path, "--workers", workers, **home.environment) as server,
    ):
        port = int(server.url.rsplit(":", 1)[1])
        key = fill(home.url)["customer"]
        # The first answer shows that a worker is up; the next request is sent by halves.
        assert httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200
        body = b'{"orderId": []}'
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(
                b"POST /orders/delete HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + f"Authorization: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
                + body[:5]
            )
            time.sleep(0.5)
            server.process.send_signal(number)
            time.sleep(0.5)
            assert server.process.poll() is None
            connection.sendall(body[5:])
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b'{"acknowledged":true,"deletedCount":0}')
        status = server.process.wait(20)
        assert status in {0, -number, -signal.SIGTERM}
        assert "Traceback" not in server.log.read_text()


@pytest.mark.parametrize("timeout_s", ["1", "30"])
def test_what_is_broken_off_is_a_line_in_the_log(tmp_path: Path, timeout_s: str) -> None:
    with running(tmp_path, "--demo", ORDERS_SHUTDOWN_TIMEOUT_S=timeout_s) as server:
        assert httpx.get(f"{server.url}/healthz", timeout=30).status_code == 200
        key = server.key("Customer's key")
        port = int(server.url.rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
            connection.sendall(
                b"POST /orders/delete HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                + f"Authorization: {key}\r\nExpect: 100-continue\r\n".encode()
                + b"Content-Length: 15\r\n\r\n{"
            )
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 Continue")
            server.process.send_signal(signal.SIGINT)
            if timeout_s == "30":
                deadline = time.monotonic() + 20
                while "Waiting for connections" not in server.log.read_text():
                    assert time.monotonic() < deadline
                    time.sleep(0.02)
                server.process.send_signal(signal.SIGINT)
            assert server.process.wait(20) in {0, -signal.SIGINT}
        log = server.log.read_text()
    assert "Traceback" not in log
    assert log.count("broken off, because the program stops") == 1


def _start(folder: Path, *paths: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--demo", "--port", "0"],
        cwd=folder,
        env={
            "PYTHONPATH": ":".join(map(str, (*paths, ROOT))),
            "PATH": "/usr/bin:/bin",
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_an_interrupt_amid_the_imports_is_quiet(tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "typer.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(20)\n"
    )
    process = _start(tmp_path, slow)
    assert process.communicate(timeout=30) == ("", "")
    assert process.returncode == 130


def test_an_interrupt_while_the_demo_is_made_is_quiet(tmp_path: Path, home: Home) -> None:
    process = _start(tmp_path, **home.environment)
    while process.poll() is None and not home.databases.is_in_use(home.url):
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    assert process.returncode in {0, 130}  # 0 if it was serving by then


def test_a_port_in_use_is_explained(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "app", "serve", "--demo", "--port", port],
            cwd=tmp_path,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"orders: can't listen on 127.0.0.1 port {port}: Address already")
    assert list(tmp_path.iterdir()) == []


def test_without_a_database_the_server_says_so(tmp_path: Path, home: Home) -> None:
    with running(tmp_path, **home.environment) as server:
        assert "run `orders migrate` first" in server.shown
        assert httpx.get(f"{server.url}/readyz").status_code == 503
        assert httpx.get(f"{server.url}/healthz").status_code == 200
        headers = {"Authorization": "ofk_x"}
        assert httpx.get(f"{server.url}/orders/get_all", headers=headers).status_code == 503
        terminal = DatabaseTerminal(tmp_path, home)
        terminal.ok("migrate")
        terminal.ok("users", "add", "a@b.example", "--id", CUSTOMER)
        headers = {"Authorization": terminal.ok("keys", "create", CUSTOMER).strip()}
        assert httpx.get(f"{server.url}/readyz").status_code == 200
        assert httpx.get(f"{server.url}/orders/get_all", headers=headers).json() == []
