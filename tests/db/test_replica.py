"""Two servers, one following the other: who reads from which, and that nobody reads what is old."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator, MutableMapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from app.db.engine import DatabaseOptions, open_database
from app.db.replica import Replica
from app.services.auth import KNOWN_S
from tests.clock import move_clock
from tests.databases import PostgreSQLDatabases
from tests.e2e.server import running
from tests.servers import PgBouncer, PostgresServer
from tests.shop import LAMP, TABLE, InsideShop, Shop, fill_shop, open_process, open_shop

ROUNDS = 25
MINE = "{ me { orders(first: 100) { totalCount nodes { number } } } }"


@dataclass
class Pair:
    """A primary, its standby, and databases on them."""

    primary: PostgresServer
    standby: PostgresServer
    databases: PostgreSQLDatabases

    def replica_url(self, url: str) -> str:
        """The same database on the standby."""
        return f"{self.standby.url(url.rpartition('/')[2])}"


# Commits wait for the disk, if for a fast one: else the standby hears of them late.
_SETTINGS = {
    "synchronous_commit": "on",
    "log_statement": "all",
    "log_line_prefix": "%d|",
}

_BEHIND = {
    # Further than it would be here by itself: whoever does not wait reads what is old.
    "recovery_min_apply_delay": "25ms",
    # What was removed on the primary stops a read at once.
    "max_standby_streaming_delay": "0",
}


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with ExitStack() as stack:
        primary = PostgresServer.create(settings=_SETTINGS)
        standby = primary.standby(settings=_BEHIND)
        # The primary first: it would wait for its standby to give the slot back.
        stack.callback(standby.destroy)
        stack.callback(primary.destroy)
        databases = PostgreSQLDatabases(primary.url(), "replicated_")
        stack.callback(databases.close)
        yield Pair(primary, standby, databases)


@pytest.fixture
def url(pair: Pair) -> Iterator[str]:
    with pair.databases.fresh(spoilt=True) as url:
        yield url


class Heard:
    """The statements that a server was sent for a database, from now on."""

    def __init__(self, server: PostgresServer, url: str) -> None:
        self._server = server
        self._prefix = f"{url.rpartition('/')[2]}|LOG: "
        self._begin = server.log.stat().st_size

    def count(self, pattern: str) -> int:
        """How many had a part that matches."""
        with self._server.log.open() as log:
            log.seek(self._begin)
            entries = re.split(r"\n(?=\S)", log.read())
        return sum(
            bool(re.search(pattern, " ".join(entry.split())))
            for entry in entries
            if entry.startswith(self._prefix)
        )


READS_ORDERS = r"SELECT .*FROM orders"


@asynccontextmanager
async def open_pair(pair: Pair, url: str, **changes: Any) -> AsyncGenerator[InsideShop]:
    """A shop that reads from the standby."""
    replica_url = changes.pop("database_replica_url", pair.replica_url(url))
    async with open_shop(url, database_replica_url=replica_url, **changes) as shop:
        yield shop


async def uses_the_replica(shop: Shop, pair: Pair, url: str) -> None:
    """Wait until the application has found its replica good."""
    heard = Heard(pair.standby, url)

    async def ask() -> bool:
        await shop.data(MINE)
        return heard.count(READS_ORDERS) > 0

    await _eventually(ask)


async def _eventually(ask: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while True:
        found = ask()
        if await found if asyncio.iscoroutine(found) else found:
            return
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def numbers_by_rest(shop: Shop, key: str) -> list[int]:
    rows = (await shop.rest("GET", "/orders/get_all", key=key)).json()
    return [row["orderNum"] for row in rows]


async def numbers_by_graphql(shop: Shop, key: str) -> list[int]:
    orders = (await shop.data(MINE, key=key))["me"]["orders"]
    assert len(orders["nodes"]) == orders["totalCount"]
    return [node["number"] for node in orders["nodes"]]


async def add_and_look(writer: Shop, reader: Shop, rounds: int, key: str) -> None:
    """Place orders through one application, and look at once through another."""
    for number in range(1, rounds + 1):
        await writer.add(LAMP, key=key)
        look = (numbers_by_rest, numbers_by_graphql)[number % 2]
        assert await look(reader, key) == list(range(number, 0, -1))


class TestEveryReadSeesWhatWasAcknowledgedBefore:
    async def test_by_another_process(self, pair: Pair, url: str, tmp_path: Path) -> None:
        environment = {
            "ORDERS_DATABASE_URL": url,
            "ORDERS_DATABASE_REPLICA_URL": pair.replica_url(url),
            "ORDERS_COST_BUDGET": "0",
        }
        database = open_database(url)
        keys = await fill_shop(database)
        folders = [tmp_path / name for name in ("one", "two")]
        for folder in folders:
            folder.mkdir()
        async with AsyncExitStack() as stack:
            shops = []
            for folder in folders:
                server = stack.enter_context(running(folder, **environment))
                client = await stack.enter_async_context(httpx.AsyncClient(base_url=server.url))
                shops.append(Shop(client, database, keys))
            for shop in shops:
                await uses_the_replica(shop, pair, url)
            one, two = shops
            on_standby, on_primary = Heard(pair.standby, url), Heard(pair.primary, url)
            await asyncio.gather(
                add_and_look(one, two, ROUNDS, "customer"),
                add_and_look(two, one, ROUNDS, "other"),
                add_and_look(one, two, ROUNDS, "admin"),
            )
            reads = [on.count(READS_ORDERS) for on in (on_standby, on_primary)]
        await database.dispose()
        assert sum(reads) >= 3 * ROUNDS * 1.5
        assert reads[0] > ROUNDS, f"{reads} on the standby and on the primary"

    async def test_while_others_write_without_committing(self, pair: Pair, url: str) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            await shop.database.dispose()
            stop = asyncio.Event()

            async def write_much() -> None:
                async with shop.database.transaction() as connection:
                    await connection.execute(text("CREATE TEMP TABLE own (n int)"))
                    while not stop.is_set():
                        await connection.execute(
                            text(
                                "INSERT INTO legacy_records SELECT 'c', gen_random_uuid()::text, ''"
                                " FROM generate_series(1, 500)"
                            )
                        )

            writing = asyncio.create_task(write_much())
            await add_and_look(shop, shop, ROUNDS, "customer")
            stop.set()
            await writing

    async def test_behind_pgbouncer(self, pair: Pair, url: str) -> None:
        PgBouncer.require()
        name = url.rpartition("/")[2]
        with PgBouncer(pair.primary) as before, PgBouncer(pair.standby) as before_standby:
            database = open_database(before.url(name), DatabaseOptions(pgbouncer=True))
            keys = await fill_shop(database)
            changes = {
                "database_replica_url": before_standby.url(name),
                "database_pgbouncer": True,
            }
            async with (
                open_process(before.url(name), keys, database, **changes) as one,
                open_process(before.url(name), keys, database, **changes) as two,
            ):
                for shop in (one, two):
                    await uses_the_replica(shop, pair, url)
                on_standby = Heard(pair.standby, url)
                await asyncio.gather(
                    add_and_look(one, two, ROUNDS, "customer"),
                    add_and_look(two, one, ROUNDS, "other"),
                )
                assert on_standby.count(READS_ORDERS) > ROUNDS
            await database.dispose()

    async def test_within_one_operation(self, pair: Pair, url: str) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            add = f"""mutation {{ addOrder(input: {{ address: "1 Main St", items: [
              {{ productId: "{TABLE}", quantity: 1, shipping: REGULAR }}] }})
              {{ order {{ number customer {{ orders {{ totalCount }} }} }} }} }}"""
            for number in range(1, 51):
                order = (await shop.data(add))["addOrder"]["order"]
                assert order["number"] == order["customer"]["orders"]["totalCount"] == number


async def test_a_look_at_the_primary_that_has_begun_is_not_shared() -> None:
    # What is acknowledged while it is under way is not in it.
    looks: list[asyncio.Future[int]] = []

    class Primary:
        async def scalar(self, _statement: object) -> int:
            looks.append(asyncio.get_running_loop().create_future())
            return await looks[-1]

    @asynccontextmanager
    async def connect(_until: object) -> AsyncGenerator[Any]:
        yield Primary()

    replica = Replica(connect, connect, keeps_connections=True)
    first, together = (asyncio.create_task(replica.position()) for _ in range(2))
    await _eventually(lambda: looks)
    later = asyncio.create_task(replica.position())
    looks[0].set_result(1)
    assert [await first, await together] == [1, 1]
    await _eventually(lambda: len(looks) == 2)
    looks[1].set_result(2)
    assert await later == 2


class TestWhatTheReplicaIsAskedFor:
    async def test_is_what_callers_read_and_nothing_else(
        self, pair: Pair, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            move_clock(monkeypatch, seconds=KNOWN_S)
            on_standby, on_primary = Heard(pair.standby, url), Heard(pair.primary, url)
            await shop.rest("GET", "/orders/get_all")
            await shop.data(
                "{ products { name } stats { orderCount } me { orders { nodes { id } } } }"
            )
            for table in ("FROM orders", "FROM products"):
                assert on_primary.count(table) == 0, table
                assert on_standby.count(table) > 0, table
            # Who may read at all.
            assert on_primary.count("FROM api_keys") == 1
            assert on_standby.count("FROM api_keys") == 0
            # How far the log is complete is told by locks, which a replica knows nothing of.
            on_standby = Heard(pair.standby, url)
            await shop.data("{ events { nodes { id } } }", key="admin")
            assert on_standby.count("FROM order_events") == 0
            # What a change is decided on.
            await shop.add()
            assert on_standby.count("SELECT") == 0

    async def test_reads_of_a_moment_ask_the_primary_once(self, pair: Pair, url: str) -> None:
        async with open_pair(pair, url) as shop:
            database = open_database(url, DatabaseOptions(replica_url=pair.replica_url(url)))

            async def count_products(connection: AsyncConnection) -> object:
                return await connection.scalar(text("SELECT count(*) FROM products"))

            heard = Heard(pair.standby, url)

            async def ask() -> bool:
                await database.query(count_products)
                return heard.count("FROM products") > 0

            await _eventually(ask)
            on_standby, on_primary = Heard(pair.standby, url), Heard(pair.primary, url)
            counts = await asyncio.gather(*(database.query(count_products) for _ in range(50)))
            assert counts == [3] * 50
            assert on_primary.count("pg_current_wal") == 1
            assert on_standby.count("FROM products") == 50
            await database.dispose()
            assert shop.keys


def warnings(logs: list[MutableMapping[str, Any]]) -> list[str]:
    """What was said of the replica: why it is not read any more."""
    return [entry["reason"] for entry in logs if "not to the replica" in entry["event"]]


class TestATroubledReplica:
    async def test_that_stands_still_is_passed_by_until_it_goes_on(
        self, pair: Pair, url: str
    ) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            with capture_logs() as logs:
                pair.standby.run_sql("SELECT pg_wal_replay_pause()")
                try:
                    await add_and_look(shop, shop, 10, "customer")
                    assert len(warnings(logs)) == 1
                finally:
                    pair.standby.run_sql("SELECT pg_wal_replay_resume()")
                await uses_the_replica(shop, pair, url)
            assert re.fullmatch(r"it is \d+ bytes of the log behind", warnings(logs)[0])

    async def test_that_is_killed_costs_nobody_an_answer(self, pair: Pair, url: str) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            stop = asyncio.Event()

            async def read_on() -> int:
                count = 0
                while not stop.is_set():
                    data = await shop.data("{ stats { orderCount } }")
                    assert data["stats"]["orderCount"] == 0
                    count += 1
                return count

            with capture_logs() as logs:
                reading = [asyncio.create_task(read_on()) for _ in range(8)]
                await asyncio.sleep(0.2)
                await asyncio.to_thread(pair.standby.kill)
                await asyncio.sleep(0.5)
                stop.set()
                assert all(await asyncio.gather(*reading))
                await add_and_look(shop, shop, 10, "customer")
                assert len(warnings(logs)) == 1
                pair.standby.start()
                await uses_the_replica(shop, pair, url)
            await add_and_look(shop, shop, 10, "other")

    async def test_that_stops_a_read_in_favour_of_the_log(self, pair: Pair, url: str) -> None:
        async with open_pair(pair, url) as shop:
            await uses_the_replica(shop, pair, url)
            database = open_database(url, DatabaseOptions(replica_url=pair.replica_url(url)))
            places: list[bool] = []

            async def is_standby(connection: AsyncConnection) -> bool:
                return bool(await connection.scalar(text("SELECT pg_is_in_recovery()")))

            async def read_slowly(connection: AsyncConnection) -> object:
                places.append(await is_standby(connection))
                if places[-1]:
                    await connection.execute(text("SELECT pg_sleep(30) FROM products"))
                return await connection.scalar(text("SELECT count(*) FROM products"))

            await _eventually(lambda: database.query(is_standby))
            reading = asyncio.create_task(database.query(read_slowly))
            asleep = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            await _eventually(lambda: pair.standby.run_sql(asleep) == "1")
            with capture_logs() as logs:
                pair.databases.run(url, "BEGIN; LOCK TABLE products; COMMIT")
                assert await reading == 3
            assert places == [True, False]
            assert warnings(logs) == []
            await database.dispose()

    async def test_that_is_none_is_not_read(self, pair: Pair, url: str) -> None:
        with capture_logs() as logs:
            async with open_pair(pair, url, database_replica_url=url) as shop:
                await add_and_look(shop, shop, 3, "customer")
                await _eventually(lambda: warnings(logs))
                await add_and_look(shop, shop, 3, "other")
        assert warnings(logs) == ["the server is not a replica"]

    async def test_that_nobody_hears_of_at_the_start(self, pair: Pair, url: str) -> None:
        nowhere = "postgresql://127.0.0.1:1/orders"
        with capture_logs() as logs:
            async with open_pair(pair, url, database_replica_url=nowhere) as shop:
                await add_and_look(shop, shop, 10, "customer")
                await _eventually(lambda: warnings(logs))
        assert warnings(logs) == [
            "the database at 127.0.0.1:1/orders can't be used: connection refused"
        ]
