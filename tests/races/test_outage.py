"""PostgreSQL goes away in the middle of requests and comes back; the application stays up."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator

import httpx
import pytest

from app.db import migrations
from tests.databases import PostgreSQLDatabases
from tests.races.processes import WAITING, eventually, opened, rows_of
from tests.races.wholeness import violations
from tests.servers import PostgresServer
from tests.shop import CUSTOMER, LAMP, OTHER, STOOL, TABLE, InsideShop, Shop, open_client, open_shop

MESSAGE = "The service is not ready. Try again in a moment."
BOUGHT = [{"product": p, "quantity": 2, "shipping": "Regular"} for p in (TABLE, STOOL, LAMP)]
QUERY = "{ orders(first: 5) { nodes { number items { name } } } }"
ADD = """mutation ($input: AddOrderInput!) {
  addOrder(input: $input) { order { number } userErrors { message } } }"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.create(durable=True) as running:
        yield running


@pytest.fixture
async def url(server: PostgresServer) -> AsyncGenerator[str]:
    await asyncio.to_thread(server.run_sql, "DROP DATABASE IF EXISTS shop WITH (FORCE)")
    await asyncio.to_thread(server.run_sql, "CREATE DATABASE shop")
    await migrations.migrate(server.url("shop"))
    yield server.url("shop")
    if not server.running:
        await asyncio.to_thread(server.start)


@pytest.fixture
async def shop(url: str) -> AsyncGenerator[InsideShop]:
    async with open_shop(url) as running:
        yield running


def _was_done(answer: httpx.Response) -> bool:
    """Whether a request succeeded; if not, it must have been refused in the one right way."""
    assert "SELECT" not in answer.text, answer.text
    assert "asyncpg" not in answer.text, answer.text
    if answer.status_code == 503:
        assert answer.json() == {"msg": MESSAGE}
        assert answer.headers["retry-after"] == "1"
        return False
    assert answer.status_code == 200, answer.text
    if not answer.headers["content-type"].startswith("application/"):
        return True
    body = answer.json()
    if isinstance(body, dict) and "errors" in body:
        for error in body["errors"]:
            assert error["message"] == MESSAGE, body
            assert error["extensions"] == {"code": "SERVICE_UNAVAILABLE"}, body
        return False
    return True


class _Load:
    """Clients that read and write through both doors for as long as they are let."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.placed: list[str] = []
        self.tried: list[str] = []
        self.refused = Counter[str]()
        self.stopping = False

    async def client(self, place: int) -> None:
        kind = ("read", "read by GraphQL", "add", "add by GraphQL")[place % 4]
        key = ("customer", "other")[place // 4 % 2]
        number = 0
        while not self.stopping:
            number += 1
            address = f"{place} {number}"
            if kind == "read":
                answer = await self.shop.rest("GET", "/orders/get_all", key=key)
            elif kind == "read by GraphQL":
                answer = await self.shop.rest("POST", "/graphql", {"query": QUERY}, key=key)
            else:
                self.tried.append(address)
                answer = await self._add(kind, address, key)
            if not _was_done(answer):
                self.refused[kind] += 1
                await asyncio.sleep(0.02)
            elif kind.startswith("add"):
                self.placed.append(address)

    async def _add(self, kind: str, address: str, key: str) -> httpx.Response:
        if kind == "add":
            return await self.shop.rest(
                "POST", "/orders/add", {"items": BOUGHT, "address": address}, key=key
            )
        items = [
            {"productId": one["product"], "shipping": "REGULAR", "quantity": 2} for one in BOUGHT
        ]
        body = {"query": ADD, "variables": {"input": {"items": items, "address": address}}}
        return await self.shop.rest("POST", "/graphql", body, key=key)

    async def until_placed(self, count: int) -> None:
        async def are_placed() -> bool:
            return len(self.placed) >= count

        await eventually(are_placed)


def _restart(server: PostgresServer) -> None:
    server.restart()


def _restart_at_once(server: PostgresServer) -> None:
    server.restart("immediate")


def _kill(server: PostgresServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("outage", [_restart, _restart_at_once, _kill])
async def test_requests_fail_clearly_and_go_on_by_themselves(
    shop: InsideShop, server: PostgresServer, outage: Callable[[PostgresServer], None]
) -> None:
    load = _Load(shop)
    clients = [asyncio.create_task(load.client(place)) for place in range(16)]
    await load.until_placed(20)
    await asyncio.to_thread(outage, server)
    await load.until_placed(len(load.placed) + 40)
    load.stopping = True
    await asyncio.wait_for(asyncio.gather(*clients), 60)
    assert load.refused
    for kind in ("read", "add"):
        answers = [
            await (
                shop.rest("GET", "/orders/get_all")
                if kind == "read"
                else shop.rest("POST", "/orders/add", {"items": BOUGHT, "address": f"end {n}"})
            )
            for n in range(10)
        ]
        assert [answer.status_code for answer in answers] == [200] * 10
    there = Counter(address for (address,) in await shop.rows("SELECT address FROM orders"))
    assert set(load.placed) <= set(there)
    assert set(there) <= {*load.tried, *(f"end {n}" for n in range(10))}
    assert set(there.values()) == {1}
    assert await violations(shop.rows, [CUSTOMER, OTHER]) == []


@pytest.mark.parametrize("path", ["/orders/get_all", "/orders/add", "/graphql"])
@pytest.mark.parametrize("outage", [_restart, _kill])
async def test_after_a_restart_while_nobody_asked_the_first_request_succeeds(
    shop: InsideShop, server: PostgresServer, outage: Callable[[PostgresServer], None], path: str
) -> None:
    async def ask() -> httpx.Response:
        if path == "/orders/get_all":
            return await shop.rest("GET", path)
        if path == "/orders/add":
            return await shop.rest("POST", path, {"items": BOUGHT, "address": "x"})
        return await shop.rest("POST", path, {"query": QUERY})

    # All the connections that there are.
    answers = await asyncio.gather(*(ask() for _ in range(20)))
    assert all(map(_was_done, answers))
    await asyncio.to_thread(outage, server)
    answers = await asyncio.gather(*(ask() for _ in range(20)))
    assert [_was_done(answer) for answer in answers] == [True] * 20


async def test_while_it_is_away_and_at_its_return(shop: InsideShop, server: PostgresServer) -> None:
    await asyncio.to_thread(server.stop)
    assert not _was_done(await shop.rest("GET", "/orders/get_all"))
    assert not _was_done(await shop.rest("POST", "/orders/add", {"items": BOUGHT, "address": "x"}))
    assert not _was_done(await shop.rest("POST", "/graphql", {"query": QUERY}))
    assert (await shop.client.get("/readyz")).status_code == 503
    assert (await shop.client.get("/healthz")).status_code == 200
    await asyncio.to_thread(server.start)
    assert _was_done(await shop.rest("POST", "/orders/add", {"items": BOUGHT, "address": "x"}))
    assert _was_done(await shop.rest("GET", "/orders/get_all"))
    assert (await shop.client.get("/readyz")).status_code == 200


async def test_callers_that_leave_amid_a_statement_take_no_connection_with_them(
    postgresql_databases: PostgreSQLDatabases,
) -> None:
    with postgresql_databases.fresh() as url:
        async with open_shop(url, database_pool_size=1) as shop:
            before = await shop.everything()
            let_in = await asyncio.to_thread(postgresql_databases.keep_changes_out, url)
            for _ in range(3):
                adding = asyncio.create_task(shop.add())
                await _until_one_waits(url)
                adding.cancel()
                await asyncio.wait([adding])
                assert adding.cancelled()
            assert await shop.everything() == before
            await asyncio.to_thread(let_in)
            await asyncio.wait_for(shop.add(), 20)
            assert await shop.rows("SELECT order_number FROM orders") == [(1,)]


async def _until_one_waits(url: str) -> None:
    """Return once a change waits to be let in, and none that has been left."""
    async with opened(url) as database:
        rows = rows_of(database)

        async def waits() -> bool:
            return await rows(f"SELECT count(*) {WAITING}") == [(1,)]

        await eventually(waits)


async def test_a_server_that_only_reads_until_it_takes_over(
    shop: InsideShop, server: PostgresServer, url: str
) -> None:
    await shop.add()
    standby = await asyncio.to_thread(server.standby)
    try:
        async with open_client(standby.url("shop")) as client:
            replica = Shop(client, shop.database, shop.keys)
            rows = await replica.rest("GET", "/orders/get_all")
            assert (_was_done(rows), len(rows.json())) == (True, 1)
            body = {"items": BOUGHT, "address": "x"}
            assert not _was_done(await replica.rest("POST", "/orders/add", body))
            input_ = {"items": [{"productId": TABLE, "shipping": "REGULAR"}], "address": "x"}
            mutation = {"query": ADD, "variables": {"input": input_}}
            assert not _was_done(await replica.rest("POST", "/graphql", mutation))
            await asyncio.to_thread(standby.run_sql, "SELECT pg_promote()")
            assert _was_done(await replica.rest("POST", "/orders/add", body))
            assert _was_done(await replica.rest("POST", "/graphql", mutation))
            rows = await replica.rest("GET", "/orders/get_all")
            assert len({row["orderNum"] for row in rows.json()}) == 3
    finally:
        await asyncio.to_thread(standby.destroy)
