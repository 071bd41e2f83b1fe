"""Several server processes over one database: what callers are promised holds across them."""

import asyncio
import os
import signal
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from app.db.engine import open_database
from tests.databases import Databases
from tests.e2e.server import ROOT
from tests.e2e.workers import Workers, fill, working
from tests.live.listening import EVENTS, stream
from tests.shop import CUSTOMER, TABLE

ORDER = {
    "items": [{"product": TABLE, "quantity": 1, "shipping": "Regular"}],
    "address": "1 Main St",
}
ADD_ORDER = "mutation ($input: AddOrderInput!) { addOrder(input: $input) { order { number } } }"
INPUT = {
    "items": [{"productId": TABLE, "quantity": 1, "shipping": "REGULAR"}],
    "address": "2 Main St",
}


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    with databases.fresh() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def keys(url: str) -> Mapping[str, str]:
    return fill(url)


@pytest.fixture(scope="module")
def workers(
    url: str, keys: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workers]:
    with working(tmp_path_factory.mktemp("workers"), url, 3) as started:
        yield started


async def graphql(client: httpx.AsyncClient, caller: str, query: str, **variables: Any) -> Any:
    answer = await client.post(
        "/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": caller},
    )
    assert "errors" not in answer.json(), answer.text
    return answer.json()["data"]


async def count(client: httpx.AsyncClient, caller: str) -> int:
    data = await graphql(client, caller, "{ me { orders { totalCount } } }")
    number: int = data["me"]["orders"]["totalCount"]
    return number


async def last_number(client: httpx.AsyncClient, caller: str) -> int:
    data = await graphql(client, caller, "{ me { orders(first: 1) { nodes { number } } } }")
    nodes = data["me"]["orders"]["nodes"]
    return int(nodes[0]["number"]) if nodes else 0


async def test_an_idempotency_key_counts_for_all(workers: Workers, keys: Mapping[str, str]) -> None:
    for _ in range(5):
        async with workers.clients() as clients:
            before = await count(clients[0], keys["customer"])
            last = await last_number(clients[0], keys["customer"])
            headers = {"Authorization": keys["customer"], "Idempotency-Key": str(uuid.uuid4())}
            answers = await asyncio.gather(
                *(client.post("/orders/add", json=ORDER, headers=headers) for client in clients)
            )
            assert [(a.status_code, a.text) for a in answers] == [(200, "ORDER SUCCESS")] * 3
            order = {**INPUT, "idempotencyKey": str(uuid.uuid4())}
            numbers = await asyncio.gather(
                *(graphql(client, keys["customer"], ADD_ORDER, input=order) for client in clients)
            )
            assert numbers == [{"addOrder": {"order": {"number": last + 2}}}] * 3
            for client in clients:
                assert await count(client, keys["customer"]) == before + 2


async def test_an_operation_is_known_to_all(workers: Workers, keys: Mapping[str, str]) -> None:
    query = "{ me { id } }"
    named = {"persistedQuery": {"version": 1, "sha256Hash": sha256(query.encode()).hexdigest()}}
    headers = {"Authorization": keys["customer"]}
    async with workers.clients() as clients:
        unknown = await clients[0].post("/graphql", json={"extensions": named}, headers=headers)
        assert unknown.json()["errors"][0]["extensions"]["code"] == "PERSISTED_QUERY_NOT_FOUND"
        known = {"extensions": named, "query": query}
        await clients[0].post("/graphql", json=known, headers=headers)
        for client in clients:
            answer = await client.post("/graphql", json={"extensions": named}, headers=headers)
            assert answer.json()["data"] == {"me": {"id": CUSTOMER}}


async def test_a_revoked_key_ends_everywhere(workers: Workers, keys: Mapping[str, str]) -> None:
    make = """mutation { createApiKey(input: { name: "short", scopes: [ORDERS_READ] }) {
      secret apiKey { id } } }"""
    revoke = "mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { id } } }"
    async with workers.clients() as clients, workers.clients() as streaming:
        made = (await graphql(clients[0], keys["customer"], make))["createApiKey"]
        headers = {"Authorization": made["secret"]}
        for client in clients:
            assert (await client.get("/orders/get_all", headers=headers)).status_code == 200
        async with AsyncExitStack() as stack:
            streams = []
            for client in streaming:
                client.headers.update(headers)
                events = await stack.enter_async_context(aclosing(stream(client)))
                assert await anext(events) == ("comment", "ok")
                streams.append(events)
            await graphql(clients[0], keys["customer"], revoke, id=made["apiKey"]["id"])
            for events in streams:
                kind, data = await anext(events)
                assert kind == "next"
                assert data["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
            for client in clients:
                for _ in range(100):
                    answer = await client.get("/orders/get_all", headers=headers)
                    if answer.status_code != 200:
                        break
                    await asyncio.sleep(0.1)
                assert answer.status_code == 403


async def test_events_of_each_are_heard_in_all(workers: Workers, keys: Mapping[str, str]) -> None:
    async with (
        workers.clients() as clients,
        workers.clients() as streaming,
        AsyncExitStack() as stack,
    ):
        streams = []
        for client in streaming:
            client.headers["Authorization"] = keys["customer"]
            events = await stack.enter_async_context(aclosing(stream(client, query=EVENTS)))
            assert await anext(events) == ("comment", "ok")
            streams.append(events)
        # Each server looks up where the log ends once it has said that it listens, and an order
        # takes less time than that.
        await asyncio.sleep(1)
        cursors: list[str] = []
        for client in clients:
            headers = {"Authorization": keys["customer"]}
            await client.post("/orders/add", json=ORDER, headers=headers)
            heard = [await anext(events) for events in streams]
            assert {kind for kind, _ in heard} == {"next"}
            found = {data["data"]["orderEvents"]["cursor"] for _, data in heard}
            assert len(found) == 1
            cursors += found
        assert len(set(cursors)) == len(clients)


async def test_one_that_dies_is_replaced(
    workers: Workers, keys: Mapping[str, str], url: str
) -> None:
    acknowledged = lost = 0
    wanted = 0
    enough = asyncio.Event()
    done = asyncio.Event()
    before = await totals(url)

    async def place(caller: str) -> None:
        nonlocal acknowledged, lost
        headers = {"Authorization": caller, "Connection": "close"}
        async with httpx.AsyncClient(base_url=workers.server.url, timeout=30) as client:
            while not done.is_set():
                try:
                    answer = await client.post("/orders/add", json=ORDER, headers=headers)
                except httpx.TransportError:
                    lost += 1
                    continue
                assert answer.text == "ORDER SUCCESS"
                acknowledged += 1
                if acknowledged >= wanted:
                    enough.set()

    placing = [asyncio.create_task(place(keys[name])) for name in ("customer", "other", "admin")]
    for _ in range(2):
        victim = workers.pids[0]
        os.kill(victim, signal.SIGKILL)
        await asyncio.to_thread(workers.wait_for_starts, 1)
        assert victim not in workers.pids
        wanted = acknowledged + 20
        enough.clear()
        await enough.wait()
    done.set()
    await asyncio.gather(*placing)

    made = [after - old for after, old in zip(await totals(url), before, strict=True)]
    # Orders, items, numbers given and events: no order is there by half.
    assert made == made[:1] * 4
    assert acknowledged <= made[0] <= acknowledged + lost
    async with workers.clients() as clients:
        for client in clients:
            assert (await client.get("/readyz")).status_code == 200


async def totals(url: str) -> Sequence[int]:
    database = open_database(url)
    async with database.read() as connection:
        found = await connection.exec_driver_sql(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM order_items),"
            " (SELECT coalesce(sum(last_order_number), 0) FROM order_counters),"
            " (SELECT count(*) FROM order_events)"
        )
        row = found.one()
    await database.dispose()
    return [int(value) for value in row]


async def test_sigterm_stops_them_all(database_url: str, tmp_path: Path) -> None:
    keys = await asyncio.to_thread(fill, database_url)
    with working(tmp_path, database_url, 2) as workers:
        pids = workers.pids
        async with workers.clients() as clients, AsyncExitStack() as stack:
            streams = []
            for client in clients:
                client.headers["Authorization"] = keys["customer"]
                events = await stack.enter_async_context(aclosing(stream(client)))
                assert await anext(events) == ("comment", "ok")
                streams.append(events)
            workers.server.process.send_signal(signal.SIGTERM)
            for events in streams:
                kind, data = await anext(events)
                assert kind == "next"
                assert data["errors"][0]["extensions"]["code"] == "SERVICE_UNAVAILABLE"
        assert await asyncio.to_thread(workers.server.process.wait, 30) == 0
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert "Traceback" not in workers.server.log.read_text()


async def test_a_slow_start_is_no_death(sqlite_databases: Databases, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    # Longer than uvicorn waits by itself.
    (slow / "sitecustomize.py").write_text(
        "import sys, time\nif '--multiprocessing-fork' in sys.orig_argv: time.sleep(7)\n"
    )
    with (
        sqlite_databases.fresh() as url,
        working(tmp_path, url, 2, PYTHONPATH=f"{slow}:{ROOT}") as workers,
    ):
        assert "died" not in workers.server.log.read_text()
