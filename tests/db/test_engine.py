"""How SQLite is set up, and what concurrent writers and readers get."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db.engine import Database
from app.db.migrations import newest
from app.domain.errors import Unavailable
from tests.shop import CUSTOMER, LAMP, OTHER, Shop, database_url


async def test_the_writer_is_durable_and_checks_foreign_keys(database_path: Path) -> None:
    database = Database(database_url(database_path))
    async with database.transaction() as connection:
        found = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    assert found == ["wal", 2, 1]
    with pytest.raises(IntegrityError):
        async with database.transaction() as connection:
            await connection.execute(
                text("INSERT INTO order_items VALUES ('u','o',0,'i','p','n',NULL,1,1,'Budget')")
            )
    await database.dispose()


async def test_readers_can_not_write(database_path: Path) -> None:
    database = Database(database_url(database_path))
    with pytest.raises(Unavailable) as caught:
        async with database.read() as connection:
            await connection.execute(text("DELETE FROM users"))
    assert isinstance(caught.value.__cause__, OperationalError)
    await database.dispose()


async def test_an_error_rolls_everything_back(database_path: Path) -> None:
    database = Database(database_url(database_path))
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as connection:
            await connection.execute(text("INSERT INTO order_counters VALUES ('u', 1)"))
            raise ZeroDivisionError
    async with database.read() as connection:
        assert (await connection.scalar(text("SELECT count(*) FROM order_counters"))) == 0
    await database.dispose()


async def test_reads_do_not_wait_for_a_writer(shop: Shop) -> None:
    await shop.add()
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE orders SET address = 'not yet'")
        rows = (await asyncio.wait_for(shop.rest("GET", "/orders/get_all"), 5)).json()
        assert len(rows) == 1
        data = await asyncio.wait_for(shop.data("{ orders { nodes { address } } }"), 5)
        assert data["orders"]["nodes"] == [{"address": "1 Main St"}]


async def test_fifty_writers_at_once_all_succeed(shop: Shop) -> None:
    await asyncio.gather(*(shop.add(LAMP, key=("customer", "other")[n % 2]) for n in range(50)))
    for key, user in (("customer", CUSTOMER), ("other", OTHER)):
        numbers = await shop.rows(
            f"SELECT order_number FROM orders WHERE user_id = '{user}' ORDER BY 1"
        )
        assert numbers == [(n,) for n in range(1, 26)], key
    assert await shop.rows("SELECT count(*), count(DISTINCT order_id) FROM order_events") == [
        (50, 50)
    ]


async def test_writers_of_several_connections_take_turns(shop: Shop) -> None:
    # Each Database stands for a process: nothing but the file makes them wait for each other.
    others = [Database(shop.database._writer.url.render_as_string()) for _ in range(4)]

    async def count_up(database: Database) -> None:
        for _ in range(20):
            async with database.transaction() as connection:
                await connection.exec_driver_sql(
                    "INSERT INTO order_counters VALUES ('u', 1) ON CONFLICT DO UPDATE"
                    " SET last_order_number = last_order_number + 1"
                )

    await asyncio.gather(*(count_up(database) for database in others))
    for database in others:
        await database.dispose()
    assert await shop.rows("SELECT last_order_number FROM order_counters") == [(80,)]


async def test_a_writer_that_is_cancelled_leaves_neither_rows_nor_a_lock(shop: Shop) -> None:
    # Far longer than the wait below, so that it is no commit that is cancelled: one would be made.
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 4000000)"

    async def write() -> None:
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("INSERT INTO order_counters VALUES ('u', 1)")
            await connection.exec_driver_sql(f"{slow} SELECT max(i), random() FROM n")

    writing = asyncio.create_task(write())
    await asyncio.sleep(0.05)
    writing.cancel()
    await asyncio.wait([writing])
    assert writing.cancelled()
    await asyncio.wait_for(shop.add(), 10)
    assert await shop.rows("SELECT 1 FROM order_counters WHERE user_id = 'u'") == []


async def test_the_data_version_changes_with_commits_of_any_process(shop: Shop) -> None:
    other = Database(shop.database._writer.url.render_as_string())
    versions = [await shop.database.data_version()]
    assert await shop.database.data_version() == versions[0]
    for database in (shop.database, other):
        async with database.transaction() as connection:
            await connection.exec_driver_sql("INSERT INTO order_counters VALUES ('u', 1)")
            assert await shop.database.data_version() == versions[-1]
            await connection.exec_driver_sql("DELETE FROM order_counters")
        versions.append(await shop.database.data_version())
    await other.dispose()
    assert len(set(versions)) == 3


class TestUnavailable:
    async def test_both_doors_say_503_or_its_code(self, shop: Shop) -> None:
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("DROP TABLE order_items")
        rest = await shop.rest("GET", "/orders/get_all")
        message = "The service is not ready. Try again in a moment."
        assert (rest.status_code, rest.json()) == (503, {"msg": message})
        answer = await shop.graphql("{ orders { totalCount } }")
        assert answer["errors"][0]["message"] == message
        assert answer["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}

    async def test_readyz_says_why(self, shop: Shop) -> None:
        ready = await shop.client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ok"})
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("DELETE FROM alembic_version")
        ready = await shop.client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json() == {
            "status": "unavailable",
            "reason": f"The database is at migration none, not {newest()}: run `orders migrate`.",
        }
        shop.database.path.unlink()
        ready = await shop.client.get("/readyz")
        assert ready.json()["reason"] == "The database can't be reached."
        assert (await shop.client.get("/healthz")).json() == {"status": "ok"}
