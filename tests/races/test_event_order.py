"""The event log is read in order and completely, whoever writes it, and whenever they commit."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import migrations
from app.db.database import Database
from app.db.engine import DatabaseOptions
from app.db.steps import drive
from app.domain.errors import Unavailable
from app.domain.ids import EventPosition, UserId
from app.domain.order import EventSource, NewItem, NewOrder, ShippingMethod
from app.domain.principal import Principal, Scope
from app.graphql.pagination import encode_event_cursor
from app.services.auth import Authenticator
from app.services.event_feed import EventFeed
from app.services.events import START, EventFilter, last_position
from app.services.order_placing import placing
from tests.databases import Databases, PostgreSQLDatabases
from tests.live.listening import stream
from tests.races.processes import eventually, filled, opened, processes
from tests.servers import PostgresServer
from tests.shop import CUSTOMER, LAMP, OTHER, InsideShop, Shop, open_process, open_shop

# Every event, with what tells one from the other in the words of whoever made it.
LOG = """query ($after: String, $first: Int) { events(after: $after, first: $first) {
  edges { cursor node { type order { number address } } } pageInfo { hasNextPage endCursor } } }"""
SUBSCRIPTION = """subscription ($after: String) { orderEvents(after: $after) {
  cursor node { order { address } } } }"""
ORDER = {
    "items": [{"product": LAMP, "quantity": 1, "shipping": "Regular"}],
    "address": "somewhere",
}


async def _place(connection: AsyncConnection, address: str, user_id: str = CUSTOMER) -> None:
    """Place an order in a transaction that is not over with it."""
    principal = Principal(UserId(user_id), frozenset(Scope), "")
    new = NewOrder([NewItem(LAMP, 1, ShippingMethod.REGULAR)], address)
    await drive(connection, placing(principal, new, source=EventSource.IMPORT))


@dataclass
class _Served:
    """A server process, its database as another process has it, and its listener."""

    url: str
    client: httpx.AsyncClient
    database: Database
    keys: Mapping[str, str]
    heard: AsyncGenerator[tuple[str, Any]]

    async def add(self, address: str, key: str = "other") -> None:
        body = {**ORDER, "address": address}
        headers = {"Authorization": self.keys[key]}
        answer = await self.client.post("/orders/add", json=body, headers=headers)
        assert answer.status_code == 200, answer.text

    async def log(self) -> list[str]:
        """The addresses of all orders whose events can be read."""
        body = {"query": LOG, "variables": {"first": 100}}
        answer = await self.client.post("/graphql", json=body)
        edges = answer.json()["data"]["events"]["edges"]
        return [edge["node"]["order"]["address"] for edge in edges]

    async def hears(self, *addresses: str) -> None:
        """Return once the listener was told of these, in this order, and of nothing else."""
        heard: list[str] = []
        async with asyncio.timeout(30):
            while len(heard) < len(addresses):
                kind, data = await anext(self.heard)
                if kind != "comment":
                    heard.append(data["data"]["orderEvents"]["node"]["order"]["address"])
        assert heard == list(addresses)

    async def hears_nothing(self) -> None:
        """Return when there was nothing but silence for a while."""
        for _ in range(3):
            assert (await anext(self.heard))[0] == "comment"


@asynccontextmanager
async def _served(url: str, folder: Path, **settings: str) -> AsyncGenerator[_Served]:
    keys = await asyncio.to_thread(filled, url)
    settings = {
        "ORDERS_LIVE_POLL_INTERVAL_S": "0.05",
        "ORDERS_LIVE_PING_INTERVAL_S": "0.2",
        **settings,
    }
    async with AsyncExitStack() as stack:
        (server,) = stack.enter_context(processes(1, folder, url, **settings))
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=server.url, headers={"Authorization": keys["admin"]}, timeout=30
            )
        )
        heard = await stack.enter_async_context(aclosing(stream(client, None, SUBSCRIPTION)))
        for _ in range(2):  # from here on it listens
            assert (await anext(heard))[0] == "comment"
        database = await stack.enter_async_context(opened(url))
        yield _Served(url, client, database, keys, heard)


async def test_nothing_is_read_before_what_was_begun_before_it(
    databases: Databases, database_url: str, tmp_path: Path
) -> None:
    async with _served(database_url, tmp_path) as shop:
        await shop.add("zero")
        await shop.hears("zero")
        async with shop.database.transaction() as connection:
            await _place(connection, "first")
            # SQLite lets them write only afterwards.
            adding = asyncio.create_task(shop.add("second"))
            if databases.name != "sqlite":
                await adding
                await shop.add("third")
            await shop.hears_nothing()
            assert await shop.log() == ["zero"]
            await _place(connection, "in the end")
        await adding
        if databases.name == "sqlite":
            await shop.add("third")
            order = ["first", "in the end", "second", "third"]
        else:
            order = ["first", "second", "third", "in the end"]
        await shop.hears(*order)
        assert await shop.log() == ["zero", *order]
        await shop.add("last")
        await shop.hears("last")


async def test_what_was_begun_and_is_rolled_back_delays_nothing_any_more(
    postgresql_databases: PostgreSQLDatabases, tmp_path: Path
) -> None:
    with postgresql_databases.fresh() as url:
        async with _served(url, tmp_path) as shop:
            with suppress(ZeroDivisionError):
                async with shop.database.transaction() as connection:
                    await _place(connection, "never")
                    await shop.add("second")
                    await shop.hears_nothing()
                    raise ZeroDivisionError
            await shop.hears("second")
            assert await shop.log() == ["second"]


async def test_the_end_of_the_log_is_an_event_that_is_there(
    databases: Databases, shop: InsideShop
) -> None:
    """A number that was given and not used may be given again after a crash."""
    await shop.add(LAMP)
    with suppress(ZeroDivisionError):
        async with shop.database.transaction() as connection:
            await _place(connection, "never")
            raise ZeroDivisionError
    async with shop.database.read() as connection:
        assert await last_position(connection) == EventPosition(1)
    await shop.add(LAMP)
    async with shop.database.read() as connection:
        used = 2 if databases.name == "sqlite" else 3
        assert await last_position(connection) == EventPosition(used)


async def test_others_transactions_delay_nothing(
    postgresql_databases: PostgreSQLDatabases, tmp_path: Path
) -> None:
    with postgresql_databases.fresh() as url:
        async with _served(url, tmp_path) as shop, shop.database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE products SET name = 'another name'")
            await connection.exec_driver_sql("SELECT pg_advisory_xact_lock_shared(1)")
            await shop.add("first")
            await shop.hears("first")
            assert await shop.log() == ["first"]


class TestWhoHangs:
    """Somebody writes an event, and then neither ends the transaction nor goes away."""

    LIMIT_S = 1.0

    @pytest.fixture
    async def shop(
        self, postgresql_databases: PostgreSQLDatabases, tmp_path: Path
    ) -> AsyncGenerator[_Served]:
        limit = {"ORDERS_DATABASE_STATEMENT_TIMEOUT_S": str(self.LIMIT_S)}
        with postgresql_databases.fresh() as url:
            async with _served(url, tmp_path, **limit) as shop:
                yield shop

    async def test_doing_nothing(self, shop: _Served) -> None:
        options = DatabaseOptions(statement_timeout_s=self.LIMIT_S)
        async with opened(shop.url, options) as database:
            with pytest.raises(Unavailable):
                async with database.transaction() as connection:
                    await _place(connection, "never")
                    await shop.add("first")
                    # Nothing but the server ends what was begun here.
                    await shop.hears("first")
            assert await shop.log() == ["first"]

    async def test_doing_one_thing_after_the_other(self, shop: _Served) -> None:
        options = DatabaseOptions(statement_timeout_s=self.LIMIT_S)
        async with opened(shop.url, options) as database:
            with pytest.raises(Unavailable):
                async with database.transaction() as connection:
                    version = await connection.exec_driver_sql("SHOW server_version_num")
                    if int(version.scalar_one()) < 170_000:
                        pytest.skip("PostgreSQL limits transactions from version 17 on")
                    await _place(connection, "never")
                    await shop.add("first")
                    hearing = asyncio.create_task(shop.hears("first"))
                    while True:
                        await connection.exec_driver_sql("SELECT pg_sleep(0.05)")
            await hearing
            assert await shop.log() == ["first"]

    async def test_a_command(self, shop: _Served) -> None:
        # Without limits of its own for statements: an import takes the time that it takes.
        async with opened(shop.url) as database, database.transaction() as connection:
            limit = await connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout")
            assert limit.scalar_one() == "1min"


async def test_many_writers_and_readers(shop: InsideShop, database_url: str) -> None:
    writers, orders_each = 12, 6
    events = writers * orders_each * 3
    async with AsyncExitStack() as stack:
        others = [open_process(database_url, shop.keys, shop.database) for _ in range(2)]
        shops = [shop, *[await stack.enter_async_context(other) for other in others]]

        async def write(place: int) -> None:
            own = shops[place % len(shops)]
            for number in range(orders_each):
                await own.add(LAMP, key=("customer", "other")[place % 2], address=f"{place}")
                (id_,) = await shop.rows(
                    f"SELECT id FROM orders WHERE address = '{place}'"
                    f" ORDER BY order_number DESC LIMIT 1"
                )
                for status in ("delivery", "completed"):
                    items = [{"orderId": id_[0], "status": status}]
                    answer = await own.rest(
                        "POST", "/orders/change-status", {"items": items}, key="admin"
                    )
                    assert answer.status_code == 200, (number, answer.text)

        async def read(own: Shop, size: int) -> list[str]:
            cursors: list[str] = []
            async with asyncio.timeout(120):
                while len(cursors) < events:
                    page = (
                        await own.data(
                            "query ($after: String, $first: Int) {"
                            " events(after: $after, first: $first) { edges { cursor } } }",
                            {"after": cursors[-1] if cursors else None, "first": size},
                            key="admin",
                        )
                    )["events"]
                    cursors += [edge["cursor"] for edge in page["edges"]]
            return cursors

        readers = [
            asyncio.create_task(read(own, size))
            for own, size in zip(shops, (1, 7, 50), strict=True)
        ]
        await asyncio.gather(*(write(place) for place in range(writers)))
        found = await asyncio.gather(*readers)
    whole = [
        encode_event_cursor(EventPosition(seq))
        for (seq,) in await shop.rows("SELECT seq FROM order_events ORDER BY seq")
    ]
    assert len(whole) == events
    assert found == [whole] * len(readers)


async def test_who_announces_late_and_writes_nothing(
    postgresql_databases: PostgreSQLDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log's end seems to go back between two looks, and to be where it was after them."""
    with postgresql_databases.fresh() as url:
        async with open_shop(url, live_poll_interval_s=0.05) as shop, opened(url) as other:
            feed: EventFeed = shop.app.state.feed
            principal = await Authenticator(shop.database).authenticate(shop.keys["admin"])
            database = feed._database
            version = database.log_version
            begun = await version()
            late: list[Any] = []

            async def look() -> int:
                if len(late) == 1:
                    await late[0].__aexit__(None, None, None)
                    late.append(None)
                found = await version()
                if found > begun and not late:
                    # It read where the log ended before, and says so only now.
                    late.append(other.transaction())
                    connection = await late[0].__aenter__()
                    await connection.exec_driver_sql(
                        f"SELECT pg_advisory_xact_lock_shared({0x6576 << 48} | {begun})"
                    )
                return found

            monkeypatch.setattr(database, "log_version", look)
            async with aclosing(feed.events(principal, EventFilter(), None)) as events:
                first = asyncio.create_task(anext(events))

                async def listens() -> object:
                    return feed._joined

                await eventually(listens)
                await shop.add(LAMP)
                event = await asyncio.wait_for(first, 20)
            assert event.user_id == CUSTOMER
            assert late


class TestOtherProcesses:
    """What one process writes the listeners of another one are told."""

    async def test_by_looking_every_now_and_then(self, database_url: str, tmp_path: Path) -> None:
        async with _served(database_url, tmp_path) as shop:
            for address in ("first", "second", "third"):
                async with shop.database.transaction() as connection:
                    await _place(connection, address)
            await shop.hears("first", "second", "third")

    async def test_by_word_of_the_server(
        self, postgresql_databases: PostgreSQLDatabases, tmp_path: Path
    ) -> None:
        with postgresql_databases.fresh() as url:
            async with (
                _served(url, tmp_path, **_listening_only(url)) as shop,
                opened(url, DatabaseOptions(listen_url=url)) as other,
            ):
                for address in ("first", "second", "third"):
                    async with other.transaction() as connection:
                        await _place(connection, address)
                    await shop.hears(address)

    async def test_by_word_of_a_server_that_was_away(self, tmp_path: Path) -> None:
        with PostgresServer.create(durable=True) as server:
            url = server.url("shop")
            await asyncio.to_thread(server.run_sql, "CREATE DATABASE shop")
            await migrations.migrate(url)
            async with (
                _served(url, tmp_path, **_listening_only(url)) as shop,
                opened(url, DatabaseOptions(listen_url=url)) as other,
            ):
                for address, outage in (("first", server.restart), ("second", None)):
                    async with other.transaction() as connection:
                        await _place(connection, address)
                    await shop.hears(address)
                    if outage is not None:
                        await asyncio.to_thread(outage)


def _listening_only(url: str) -> dict[str, str]:
    """Settings with which no event would be found in time by looking."""
    return {"ORDERS_DATABASE_LISTEN_URL": url, "ORDERS_LIVE_POLL_INTERVAL_S": "60"}


async def test_resumed_at_another_process_after_one_was_killed(
    database_url: str, tmp_path: Path
) -> None:
    keys = await asyncio.to_thread(filled, database_url)
    headers = {"Authorization": keys["admin"]}
    heard: list[str] = []
    cursor = encode_event_cursor(START)
    orders = 60
    async with opened(database_url) as database:

        async def write() -> None:
            for number in range(orders):
                async with database.transaction() as connection:
                    await _place(connection, str(number), (CUSTOMER, OTHER)[number % 2])
                await asyncio.sleep(0.01)

        writing: asyncio.Task[None] | None = None
        for round_ in range(3):
            with processes(1, tmp_path / str(round_), database_url) as (server,):
                if writing is None:
                    writing = asyncio.create_task(write())
                async with (
                    httpx.AsyncClient(base_url=server.url, headers=headers) as client,
                    aclosing(stream(client, {"after": cursor}, SUBSCRIPTION)) as events,
                ):
                    with suppress(httpx.TransportError, StopAsyncIteration):
                        while len(heard) < orders:
                            kind, data = await asyncio.wait_for(anext(events), 30)
                            if kind == "comment":
                                continue
                            edge = data["data"]["orderEvents"]
                            cursor = edge["cursor"]
                            heard.append(edge["node"]["order"]["address"])
                            if len(heard) == (round_ + 1) * 15 and round_ < 2:
                                server.process.kill()
        assert writing is not None
        await writing
    assert heard == [str(number) for number in range(orders)]
