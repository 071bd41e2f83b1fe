"""What concurrent writers and readers get, and what is said when nothing can be had."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from app.db.database import Database
from app.db.engine import open_database
from tests.shop import CUSTOMER, LAMP, OTHER, Shop, open_shop


async def test_an_error_rolls_everything_back(database_url: str) -> None:
    database = open_database(database_url)
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


async def test_writers_of_several_connections_take_turns(shop: Shop, database_url: str) -> None:
    # Each Database stands for a process: nothing but the file makes them wait for each other.
    others = [open_database(database_url) for _ in range(4)]

    async def count_up(database: Database) -> None:
        for _ in range(20):
            async with database.transaction() as connection:
                await connection.exec_driver_sql(
                    "INSERT INTO order_counters VALUES ('u', 1) ON CONFLICT (user_id) DO UPDATE"
                    " SET last_order_number = order_counters.last_order_number + 1"
                )

    await asyncio.gather(*(count_up(database) for database in others))
    for database in others:
        await database.dispose()
    assert await shop.rows("SELECT last_order_number FROM order_counters") == [(80,)]


async def test_a_writer_that_is_cancelled_leaves_neither_rows_nor_a_lock(shop: Shop) -> None:
    # Far longer than the wait below, so that it is no commit that is cancelled: one would be made.
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000000)"

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


class TestUnavailable:
    async def test_both_doors_say_503_or_its_code(self, spoilt_database_url: str) -> None:
        async with open_shop(spoilt_database_url) as shop:
            async with shop.database.transaction() as connection:
                await connection.exec_driver_sql("DROP TABLE order_items")
            rest = await shop.rest("GET", "/orders/get_all")
            message = "The service is not ready. Try again in a moment."
            assert (rest.status_code, rest.json()) == (503, {"msg": message})
            assert rest.headers["retry-after"] == "1"
            answer = await shop.graphql("{ orders { nodes { items { id } } } }")
            assert answer["errors"][0]["message"] == message
            assert answer["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}


async def test_what_is_given_back_after_the_end_is_closed(database_url: str) -> None:
    database = open_database(database_url)
    async with database.read() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await database.dispose()
        assert await connection.scalar(text("SELECT 1")) == 1
    with pytest.raises((ValueError, asyncpg.InterfaceError)):
        await driver.execute("SELECT 1")
