"""The contract of the four paths, each case twice: inside this process, and through a socket."""

import asyncio
import re
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

import httpx
import pytest

from app.db.engine import open_database
from app.services.auth import create_key, revoke_key
from app.services.users import find_user
from tests.contract.cases import add, bodies, calls, change_status, delete, get_all, keys, wire
from tests.contract.play import Answer, Sent, empty, play
from tests.contract.table import Case
from tests.databases import Databases
from tests.e2e.server import ROOT, Server, started
from tests.shop import CUSTOMER, Shop, fill_shop, open_shop

CASES = [
    case
    for module in (keys, calls, bodies, get_all, add, change_status, delete)
    for case in module.CASES
]


def named(case: Case | wire.Raw) -> str:
    return case.name


@dataclass
class ServedShop(Shop):
    """A shop behind a server in a process of its own."""

    server: Server

    @property
    def port(self) -> int:
        return int(self.server.url.rsplit(":", 1)[1])


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


async def _add_dead_keys(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        user = await find_user(connection, CUSTOMER)
        revoked = await create_key(connection, user)
        await revoke_key(connection, revoked)
        expired = await create_key(connection, user, expires_in=timedelta(0))
    shop.keys = {**shop.keys, "revoked": revoked, "expired": expired}


@pytest.fixture(scope="module")
async def inside(databases: Databases) -> AsyncGenerator[Shop]:
    """A shop whose application runs in this process."""
    with databases.fresh() as url:
        async with open_shop(url, legacy_jwt_secret=keys.LEGACY_SECRET) as shop:
            await _add_dead_keys(shop)
            yield shop


@pytest.fixture(scope="module")
async def served(
    databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[ServedShop]:
    """A shop behind a real server, whose zone and language are not the contract's."""
    folder = tmp_path_factory.mktemp("served")
    with databases.fresh() as url:
        async with _served(url, folder) as shop:
            yield shop


@asynccontextmanager
async def _served(url: str, folder: Path) -> AsyncGenerator[ServedShop]:
    database = open_database(url)
    own_keys = await fill_shop(database)
    environment = {
        "ORDERS_DATABASE_URL": url,
        "TZ": "Asia/Tokyo",
        "LC_ALL": "de_DE.UTF-8",
        "LANG": "ja_JP.UTF-8",
        "ORDERS_LEGACY_JWT_SECRET": keys.LEGACY_SECRET,
    }
    with started(folder, **environment) as server:
        async with httpx.AsyncClient(base_url=server.url) as client:
            shop = ServedShop(client, database, own_keys, server)
            await _add_dead_keys(shop)
            yield shop
    await database.dispose()


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_inside(inside: Shop, case: Case) -> None:
    async def send(sent: Sent) -> Answer:
        content = _parts(sent.body) if isinstance(sent.body, tuple) else sent.body
        headers = [(name.encode(), value) for name, value in sent.headers]
        response = await inside.client.request(
            sent.method, sent.path, headers=headers, content=content
        )
        return Answer(response.status_code, response.headers, response.content)

    await play(case, send, inside)


async def _parts(parts: tuple[bytes, ...]) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("case", CASES, ids=named)
async def test_through_a_socket(served: ServedShop, case: Case) -> None:
    def ask(sent: Sent) -> Answer:
        with closing(HTTPConnection("127.0.0.1", served.port, timeout=20)) as connection:
            connection.putrequest(sent.method, sent.path, skip_accept_encoding=True)
            for name, value in sent.headers:
                connection.putheader(name, value)
            chunked = isinstance(sent.body, tuple)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif sent.body:
                connection.putheader("Content-Length", str(len(sent.body)))
            connection.endheaders(sent.body or None, encode_chunked=chunked)
            response = connection.getresponse()
            headers = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, headers, response.read())

    async def send(sent: Sent) -> Answer:
        return await asyncio.to_thread(ask, sent)

    await play(case, send, served)


@pytest.mark.parametrize("case", wire.CASES, ids=named)
async def test_bytes(served: ServedShop, case: wire.Raw) -> None:
    await empty(served)
    sent = case.sent.replace(b"<key customer>", served.keys["customer"].encode())
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as connection:
        connection.sendall(sent)
        if case.status == 0:
            connection.shutdown(socket.SHUT_WR)
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    if case.status:
        assert answer.startswith(f"HTTP/1.1 {case.status} ".encode())
    assert answer.rpartition(b"\r\n\r\n")[2] == case.body
    assert (await served.rest("GET", "/orders/get_all")).content == b"[]"


def test_the_server_had_no_trouble(served: ServedShop) -> None:
    """Runs after the cases above: what they sent left no error in the log, and no key."""
    log = served.server.log.read_text()
    errors = [line for line in log.splitlines() if '"level":"error"' in line]
    # One case takes the database away.
    assert [line for line in errors if "database unavailable" not in line] == []
    assert not [key for key in served.keys.values() if key in log]


def test_names_are_given_once() -> None:
    names = [*map(named, CASES), *map(named, wire.CASES)]
    assert len(set(names)) == len(names)


def test_every_difference_is_documented_and_tested() -> None:
    page = (ROOT / "docs" / "legacy.md").read_text()
    documented = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    tested = {case.difference for case in CASES} | {case.difference for case in wire.CASES}
    assert len(set(documented)) == len(documented)
    assert set(documented) == tested - {None}
