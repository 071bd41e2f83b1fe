"""The service through PgBouncer in transaction mode: nobody gets what is another's.

A connection of the server is lent for one transaction, or one statement. What a connection is told
beyond that, such as a prepared statement, is found by the next one to whom it is lent.
"""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import migrations
from app.db.database import Database
from app.db.engine import DatabaseOptions, open_database
from app.services.auth import create_key
from app.services.users import add_user
from tests.cli.test_commands import Terminal
from tests.e2e.server import ROOT, running
from tests.e2e.test_readme import SHOWN
from tests.e2e.workers import working
from tests.live.listening import stream
from tests.servers import PgBouncer, PostgresServer
from tests.shop import LAMP, STOOL, TABLE, fill_shop

Events = AsyncGenerator[tuple[str, Any]]

OPTIONS = DatabaseOptions(pgbouncer=True)
SET = {"ORDERS_DATABASE_PGBOUNCER": "true"}
IN_BETWEEN = (
    "a pooler such as PgBouncer is in between, and would mix up answers; set"
    " ORDERS_DATABASE_PGBOUNCER=true"
)
# What docs/postgresql.md says, but for where to listen and to whom.
INI = {
    name: value
    for name, value in re.findall(
        r"^(\w+) = (.*)$", (ROOT / "docs" / "postgresql.md").read_text(), re.MULTILINE
    )
    if name.startswith(("server_", "query_"))
}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    PgBouncer.require()
    with PostgresServer.create() as created:
        asyncio.run(migrations.migrate(created.url("template1")))
        yield created


@pytest.fixture(scope="module")
def bouncer(server: PostgresServer) -> Iterator[PgBouncer]:
    with PgBouncer(server, default_pool_size=4, settings=INI) as started:
        yield started


_ROUNDS = 3
_numbers = count()


@pytest.fixture
def name(server: PostgresServer, bouncer: PgBouncer) -> Iterator[str]:
    """A migrated database without rows."""
    found = f"orders_{next(_numbers)}"
    server.run_sql(f"CREATE DATABASE {found}")
    yield found
    server.run_sql(f"DROP DATABASE {found} WITH (FORCE)")


@pytest.fixture
def url(bouncer: PgBouncer, name: str) -> str:
    return bouncer.url(name)


@pytest.fixture
async def database(url: str) -> AsyncGenerator[Database]:
    opened = open_database(url, OPTIONS)
    yield opened
    await opened.dispose()


@pytest.fixture
async def keys(database: Database) -> Mapping[str, str]:
    return await fill_shop(database)


def test_the_tour(url: str, tmp_path: Path) -> None:
    with running(tmp_path, "--demo", ORDERS_DATABASE_URL=url, **SET) as demo:
        environment = {
            "URL": demo.url,
            "KEY": demo.key("Customer's key"),
            "ADMIN": demo.key("Administrator's"),
            "PATH": os.defpath,
        }
        for command, shown in SHOWN.findall((ROOT / "README.md").read_text()):
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            )
            assert _meant(done.stdout) == _meant(shown), command


def _meant(shown: str) -> object:
    """What was shown: between the values of JSON, PostgreSQL puts spaces."""
    text = shown.strip()
    return json.loads(text) if text.startswith("{") else text


class Caller:
    """A customer who knows all of their orders, and looks whether the service does."""

    READ = (
        "{ me { email orders(first: 100, sort: CREATED_AT_ASC) { totalCount nodes { number address"
    )
    READ += " items { name quantity } } } } }"
    ADD = """mutation ($input: AddOrderInput!) {
      addOrder(input: $input) { order { number address customer { email } } } }"""

    def __init__(self, email: str, key: str, url: str) -> None:
        self.email = email
        self.orders: list[tuple[int, str]] = []
        self.client = httpx.AsyncClient(base_url=url, headers={"Authorization": key}, timeout=60)
        self.answers = 0

    async def go_round(self) -> None:
        """Four calls, each of which must be answered with what is this caller's."""
        await self._add_by_rest()
        await self._read()
        await self._add_by_graphql()
        rows = (await self._answer("GET", "/orders/get_all")).json()
        assert [row["orderNum"] for row in rows] == [n for n, _ in reversed(self.orders)]

    async def _add_by_rest(self) -> None:
        address = f"{self.email} by REST {len(self.orders)}"
        items = [{"product": LAMP, "quantity": len(self.orders) + 1, "shipping": "Regular"}]
        body = {"items": items, "address": address}
        assert (await self._answer("POST", "/orders/add", json=body)).text == "ORDER SUCCESS"
        self.orders.append((len(self.orders) + 1, address))

    async def _add_by_graphql(self) -> None:
        address = f"{self.email} by GraphQL {len(self.orders)}"
        items = [{"productId": LAMP, "quantity": len(self.orders) + 1, "shipping": "REGULAR"}]
        data = await self._data(self.ADD, input={"items": items, "address": address})
        self.orders.append((len(self.orders) + 1, address))
        assert data["addOrder"]["order"] == {
            "number": len(self.orders),
            "address": address,
            "customer": {"email": self.email},
        }

    async def _read(self) -> None:
        me = (await self._data(self.READ))["me"]
        assert me["email"] == self.email
        assert me["orders"]["totalCount"] == len(self.orders)
        found = [(node["number"], node["address"]) for node in me["orders"]["nodes"]]
        assert found == self.orders
        for number, node in enumerate(me["orders"]["nodes"], start=1):
            assert node["items"] == [{"name": "lamp", "quantity": number}]

    async def _data(self, query: str, **variables: Any) -> Any:
        body = {"query": query, "variables": variables}
        answer = (await self._answer("POST", "/graphql", json=body)).json()
        assert "errors" not in answer, answer
        return answer["data"]

    async def _answer(self, method: str, path: str, **more: Any) -> httpx.Response:
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == 200, answer.text
        self.answers += 1
        return answer


async def test_everybody_gets_their_own(
    database: Database, keys: Mapping[str, str], url: str, tmp_path: Path, bouncer: PgBouncer
) -> None:
    emails = [f"caller{n}@shop.example" for n in range(48)]
    async with database.transaction() as connection:
        callers_keys = [
            await create_key(connection, await add_user(connection, email)) for email in emails
        ]
    with working(tmp_path, url, 3, **SET) as workers:
        callers = [
            Caller(email, key, workers.server.url)
            for email, key in zip(emails, callers_keys, strict=True)
        ]

        async def call(caller: Caller) -> None:
            async with caller.client:
                for _ in range(_ROUNDS):
                    await caller.go_round()

        await asyncio.gather(*map(call, callers))
        assert sum(caller.answers for caller in callers) == 48 * _ROUNDS * 4
        log = workers.server.log.read_text()
    assert "Traceback" not in log
    # So many there were, for two pools of each process.
    servers = bouncer.server_connections(url.rpartition("/")[2])
    assert 2 <= servers <= 4


class TestEvents:
    @asynccontextmanager
    async def streams(
        self, keys: Mapping[str, str], url: str, tmp_path: Path, **environment: str
    ) -> AsyncGenerator[tuple[httpx.AsyncClient, Events, Path]]:
        """A client of one process, and what the other one streams to another client."""
        with working(tmp_path, url, 2, **SET, **environment) as workers:
            async with workers.clients() as clients, AsyncExitStack() as stack:
                for client in clients:
                    client.headers["Authorization"] = keys["customer"]
                events = await stack.enter_async_context(aclosing(stream(clients[1])))
                assert await anext(events) == ("comment", "ok")
                # The stream is open before the subscription has looked where the log ends.
                first = asyncio.ensure_future(anext(events))
                while not first.done():
                    await self.place(clients[0])
                    await asyncio.wait([first], timeout=1)
                assert (await first)[0] == "next"
                yield clients[0], events, workers.server.log

    async def place(self, client: httpx.AsyncClient) -> None:
        items = [{"product": TABLE, "quantity": 1, "shipping": "Regular"}]
        await client.post("/orders/add", json={"items": items, "address": "1 Main St"})

    async def hear(self, client: httpx.AsyncClient, events: Events) -> None:
        heard = set()
        for _ in range(5):
            await self.place(client)
            kind, data = await anext(events)
            assert kind == "next"
            heard.add(data["data"]["orderEvents"]["node"]["id"])
        assert len(heard) == 5

    async def test_are_looked_for(self, keys: Mapping[str, str], url: str, tmp_path: Path) -> None:
        async with self.streams(keys, url, tmp_path) as (client, events, _):
            await self.hear(client, events)

    async def test_are_told_past_it(
        self, keys: Mapping[str, str], url: str, tmp_path: Path, server: PostgresServer, name: str
    ) -> None:
        listen = {"ORDERS_DATABASE_LISTEN_URL": server.url(name)}
        never = {"ORDERS_LIVE_POLL_INTERVAL_S": "60"}
        async with self.streams(keys, url, tmp_path, **listen, **never) as (client, events, _):
            await self.hear(client, events)

    async def test_are_not_told_through_it(
        self, keys: Mapping[str, str], url: str, tmp_path: Path
    ) -> None:
        listen = {"ORDERS_DATABASE_LISTEN_URL": url}
        async with self.streams(keys, url, tmp_path, **listen) as (client, events, log):
            await self.hear(client, events)
        assert "ORDERS_DATABASE_LISTEN_URL must lead to the server itself" in log.read_text()


class TestTransactions:
    async def test_are_tried_again(self, database: Database) -> None:
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO order_counters VALUES ('a', 0), ('b', 0)"))
        first_done = {"ab": asyncio.Event(), "ba": asyncio.Event()}
        tries = 0

        async def count_up(order: str) -> None:
            async def work(connection: AsyncConnection) -> None:
                nonlocal tries
                tries += 1
                for user in order:
                    await connection.execute(
                        text(
                            "UPDATE order_counters SET last_order_number = last_order_number + 1"
                            " WHERE user_id = :user"
                        ),
                        {"user": user},
                    )
                    first_done[order].set()
                    await first_done[order[::-1]].wait()

            await database.write(work)

        # Each holds what the other one wants.
        await asyncio.gather(count_up("ab"), count_up("ba"))
        assert tries == 3
        async with database.read() as connection:
            numbers = await connection.scalars(text("SELECT last_order_number FROM order_counters"))
            assert list(numbers) == [2, 2]

    async def test_see_one_moment(self, database: Database) -> None:
        counted = text("SELECT count(*) FROM order_counters")
        async with database.snapshot() as snapshot:
            assert await snapshot.scalar(counted) == 0
            async with database.transaction() as connection:
                await connection.execute(text("INSERT INTO order_counters VALUES ('a', 0)"))
            assert await snapshot.scalar(counted) == 0
            async with database.read() as connection:
                assert await connection.scalar(counted) == 1

    async def test_leave_nothing_behind(self, database: Database) -> None:
        with pytest.raises(ZeroDivisionError):
            async with database.transaction() as connection:
                await connection.execute(text("INSERT INTO order_counters VALUES ('a', 0)"))
                raise ZeroDivisionError
        async with database.read() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM order_counters")) == 0


async def test_migrations_go_through_it(url: str, tmp_path: Path) -> None:
    await migrations.migrate(url, "base", options=OPTIONS)
    terminal = Terminal(tmp_path)
    done = await asyncio.to_thread(terminal.run, "migrate", ORDERS_DATABASE_URL=url, **SET)
    assert (done.returncode, done.stderr) == (
        0,
        f"The database is at migration {migrations.NEWEST}.\n",
    )
    done = await asyncio.to_thread(
        terminal.run, "migrate", "--check", ORDERS_DATABASE_URL=url, **SET
    )
    assert done.returncode == 0


async def test_it_comes_back_after_restarts(
    keys: Mapping[str, str], url: str, tmp_path: Path, bouncer: PgBouncer, server: PostgresServer
) -> None:
    headers = {"Authorization": keys["customer"]}
    items = [{"product": STOOL, "quantity": 1, "shipping": "Regular"}]
    order = {"items": items, "address": "1 Main St"}
    environment = {**SET, "ORDERS_DATABASE_STATEMENT_TIMEOUT_S": "1"}
    with running(tmp_path, ORDERS_DATABASE_URL=url, **environment) as started:
        async with httpx.AsyncClient(base_url=started.url, headers=headers, timeout=60) as client:

            async def place() -> int:
                return (await client.post("/orders/add", json=order)).status_code

            placed = 0
            for one in (bouncer, server, bouncer):
                assert await place() == 200
                placed += 1
                one.stop()
                assert await place() == 503
                assert (await client.get("/readyz")).status_code == 503
                one.start()
                for _ in range(600):
                    if (await client.get("/readyz")).status_code == 200:
                        break
                    await asyncio.sleep(0.1)
            assert await place() == 200
            rows = (await client.get("/orders/get_all")).json()
            assert len(rows) == placed + 1
    assert "Traceback" not in started.log.read_text()


class TestWrongSetting:
    @pytest.mark.parametrize("command", ["serve", "serve --demo", "migrate", "users list"])
    @pytest.mark.parametrize("limit", ["15", "86400"])
    def test_nothing_is_begun(self, url: str, tmp_path: Path, command: str, limit: str) -> None:
        said = Terminal(tmp_path).fails(
            *command.split(),
            ORDERS_DATABASE_URL=url,
            ORDERS_DATABASE_STATEMENT_TIMEOUT_S=limit,
            ORDERS_DATABASE_CONNECT_WAIT_S="600",
            ORDERS_PORT="0",
        )
        place = url.rpartition("@")[2]
        assert said == f"orders: the database at {place} can't be used: {IN_BETWEEN}\n"

    @pytest.mark.parametrize("mode", ["transaction", "session"])
    @pytest.mark.parametrize("options", ["", "?target_session_attrs=read-write"])
    def test_a_pgbouncer_that_ignores_parameters_is_seen_too(
        self, server: PostgresServer, name: str, tmp_path: Path, mode: Any, options: str
    ) -> None:
        ignored = "statement_timeout, idle_in_transaction_session_timeout"
        settings = {"ignore_startup_parameters": ignored}
        with PgBouncer(server, pool_mode=mode, settings=settings) as other:
            said = Terminal(tmp_path).fails(
                "serve", ORDERS_DATABASE_URL=other.url(name) + options, ORDERS_PORT="0"
            )
        assert IN_BETWEEN in said


class TestNotes:
    def notes(self, folder: Path, url: str) -> str:
        with running(folder, ORDERS_DATABASE_URL=url, **SET) as started:
            lines = started.shown.splitlines()
        return "\n".join(line for line in lines if line.startswith("Note: "))

    def test_limits_that_nobody_sets(
        self, server: PostgresServer, name: str, bouncer: PgBouncer, tmp_path: Path
    ) -> None:
        names = ["idle_in_transaction_session_timeout", "statement_timeout"]
        if server.version >= 17:
            names.append("transaction_timeout")
        said = self.notes(tmp_path, bouncer.url(name))
        assert said.startswith(f"Note: The server sets no {' and no '.join(names)}, ")
        for limit in names:
            server.run_sql(f"ALTER ROLE postgres IN DATABASE {name} SET {limit} = '15s'")
        bouncer.stop()
        bouncer.start()
        assert self.notes(tmp_path, bouncer.url(name)) == ""

    def test_no_pooler(self, server: PostgresServer, name: str, tmp_path: Path) -> None:
        said = self.notes(tmp_path, server.url(name))
        assert said.startswith("Note: ORDERS_DATABASE_PGBOUNCER is set, but there is no pooler")
