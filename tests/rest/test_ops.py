"""Whether requests should be sent to a process, and what it says of its database."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from app.db.migrations import NEWEST
from app.rest import ops
from tests.databases import Databases, PostgreSQLDatabases, sqlite_url
from tests.servers import PostgresServer
from tests.shop import InsideShop, Shop, open_client, open_shop


async def ready(shop: Shop) -> tuple[int, Any]:
    answer = await shop.client.get("/readyz")
    return answer.status_code, answer.json()


def refusal(reason: str) -> tuple[int, Any]:
    return 503, {"status": "unavailable", "reason": reason}


async def test_says_what_its_pools_do(databases: Databases, shop: InsideShop) -> None:
    sizes = {"sqlite": (5, 1), "postgresql": (5, 5)}[databases.name]
    await shop.add()
    database = shop.app.state.database
    async with AsyncExitStack() as stack:
        for _ in range(sizes[0] - 1):
            await stack.enter_async_context(database.read())
        status, body = await ready(shop)
    assert (status, body["status"], body["database"]["engine"]) == (200, "ok", databases.name)
    reading, changes = (body["database"]["pools"][name] for name in ("reading", "changes"))
    assert (reading["size"], reading["inUse"]) == (sizes[0], sizes[0] - 1)
    assert sizes[0] >= reading["open"] >= reading["inUse"]
    assert changes == {"size": sizes[1], "open": 1, "inUse": 0}


async def test_does_not_count_who_watches_the_log(databases: Databases, shop: InsideShop) -> None:
    _, before = await ready(shop)
    await shop.app.state.database.log_version()
    _, after = await ready(shop)
    reading, watched = (body["database"]["pools"]["reading"] for body in (before, after))
    assert reading["inUse"] == watched["inUse"] == 0
    assert watched["size"] == {"sqlite": 4, "postgresql": 5}[databases.name]
    assert watched["open"] <= watched["size"]


async def test_names_the_migration_that_is_missing(spoilt_database_url: str) -> None:
    async with open_shop(spoilt_database_url) as shop:
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM alembic_version")
        assert await ready(shop) == refusal(
            f"The database is at migration none, not {NEWEST}: run `orders migrate`."
        )


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://user:secret@127.0.0.1:1/orders", "connection refused"),
        ("postgresql://user:secret@nowhere.invalid/orders", "unknown host"),
        ("postgresql://user:secret@/orders?host=/nowhere", "there is no such socket"),
        ("sqlite", "there is none"),
    ],
)
async def test_says_why_there_is_no_database(tmp_path: Path, url: str, reason: str) -> None:
    if url == "sqlite":
        url = sqlite_url(tmp_path / "none.db")
    async with open_client(url) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == refusal(
            f"The database can't be reached: {reason}."
        )
        assert (await client.get("/healthz")).json() == {"status": "ok"}


class TestPatience:
    """A probe has a time limit of its own; what it would wait for may take much longer."""

    @pytest.fixture(autouse=True)
    def _short(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ops, "_PATIENCE_S", 0.5)

    @pytest.mark.parametrize("purpose", ["reading", "changes"])
    async def test_a_pool_in_use(
        self, postgresql_databases: PostgreSQLDatabases, purpose: str
    ) -> None:
        with postgresql_databases.fresh() as url:
            async with open_shop(url, database_pool_size=2, database_pool_wait_s=60) as shop:
                database = shop.app.state.database
                take = database.read if purpose == "reading" else database.transaction
                async with take(), take():
                    answer = await asyncio.wait_for(ready(shop), 30)
                    assert answer == refusal(
                        f"All 2 connections for {purpose} have been in use for 0.5 s."
                    )
                assert (await ready(shop))[0] == 200

    async def test_sqlite_while_all_read(self, sqlite_databases: Databases) -> None:
        with sqlite_databases.fresh() as url:
            async with open_shop(url) as shop, AsyncExitStack() as stack:
                database = shop.app.state.database
                await database.log_version()
                for _ in range(4):
                    await stack.enter_async_context(database.read())
                assert await asyncio.wait_for(ready(shop), 30) == refusal(
                    "All 4 connections for reading have been in use for 0.5 s."
                )

    async def test_sqlite_while_somebody_writes(self, sqlite_databases: Databases) -> None:
        with sqlite_databases.fresh() as url:
            async with open_shop(url) as shop, shop.app.state.database.transaction():
                assert (await ready(shop))[0] == 200

    async def test_a_server_that_hangs(self) -> None:
        with PostgresServer.create() as server:
            async with open_client(server.url()) as client:
                assert "migration none" in (await client.get("/readyz")).text
                with server.hanging():
                    for _ in range(2):
                        answer = await asyncio.wait_for(client.get("/readyz"), 30)
                        assert (answer.status_code, answer.json()) == refusal(
                            "The database has not answered for 0.5 s."
                        )
                assert "migration none" in (await client.get("/readyz")).text
