"""PostgreSQL: reads of one row that wait at the same time share a statement."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import asyncpg
import pytest
from sqlalchemy import String, bindparam, select
from sqlmodel import col

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.engine import DatabaseOptions
from app.db.prepared import Prepared
from app.domain.errors import TimedOut, Unavailable
from app.services.products import replace_products
from tests.databases import PostgreSQLDatabases
from tests.races.processes import WAITING, eventually, opened, rows_of
from tests.shop import LAMP, PRODUCTS, STOOL, TABLE, UNKNOWN, fill_shop

PRODUCT = tables.Product
NAME = Prepared(
    select(col(PRODUCT.name)).where(col(PRODUCT.id) == bindparam("id", None, type_=String)),
    for_several=True,
)
PRICE = Prepared(
    select(col(PRODUCT.price_minor)).where(
        col(PRODUCT.currency) == bindparam("currency", None, type_=String),
        col(PRODUCT.id).in_(bindparam("ids", ["one"], type_=String, expanding=True)),
    ),
    for_several=True,
)
IDS = (TABLE, STOOL, LAMP)
NAMES = ("brown table", "stool", "lamp")


@contextmanager
def fetched() -> Iterator[list[str]]:
    """The statements that the driver is asked for meanwhile."""
    sent: list[str] = []
    fetch = asyncpg.Connection.fetch

    async def noting(connection: Any, query: str, *more: Any, **rest: Any) -> Any:
        sent.append(query)
        return await fetch(connection, query, *more, **rest)

    with patch.object(asyncpg.Connection, "fetch", noting):
        yield sent


@pytest.fixture
async def database(postgresql_databases: PostgreSQLDatabases) -> AsyncGenerator[Database]:
    with postgresql_databases.fresh() as url:
        async with opened(url) as database:
            await fill_shop(database)
            # A connection, and what is asked once.
            await name(database, LAMP)
            yield database


async def name(database: Database, product: str, until: Deadline | None = None) -> str | None:
    (rows,) = await database.fetch([NAME.bind(database.engine, {"id": product})], until)
    assert all(len(row) == 1 for row in rows)
    return rows[0][0] if rows else None


async def price(database: Database, product: str, currency: str = "USD") -> int | None:
    values = {"ids_1": product, "currency": currency}
    (rows,) = await database.fetch([PRICE.bind(database.engine, values)])
    return rows[0][0] if rows else None


async def test_one_alone_is_asked_for_as_it_is(database: Database) -> None:
    with fetched() as sent:
        assert await name(database, LAMP) == "lamp"
    assert sent == [NAME.bind(database.engine, {"id": LAMP}).text]


async def test_each_gets_its_own_row(database: Database) -> None:
    with fetched() as sent:
        found = await asyncio.gather(
            *[name(database, one) for one in (*IDS, UNKNOWN, *reversed(IDS), LAMP)]
        )
    assert found == [*NAMES, None, *reversed(NAMES), "lamp"]
    assert len(sent) == 1


async def test_of_several_kinds_each_has_a_statement(database: Database) -> None:
    with fetched() as sent:
        found = await asyncio.gather(
            *[name(database, one) for one in IDS],
            *[price(database, one) for one in IDS],
            price(database, LAMP, "EUR"),
            *[name(database, one) for one in IDS],
        )
    assert found == [*NAMES, 3000, 1999, 10, None, *NAMES]
    assert len(sent) == 2


async def test_very_many(database: Database) -> None:
    with fetched() as sent:
        found = await asyncio.gather(*[name(database, IDS[n % 3]) for n in range(300)])
    assert found == [NAMES[n % 3] for n in range(300)]
    assert len(sent) < 30


async def test_each_sees_what_was_committed_before_it_was_asked_for(database: Database) -> None:
    async def change_and_look(number: int) -> None:
        for step in range(10):
            new = f"{number} {step}"
            async with database.transaction() as connection:
                await connection.exec_driver_sql(
                    f"UPDATE products SET name = '{new}' WHERE id = '{IDS[number]}'"
                )
            assert await name(database, IDS[number]) == new

    async def keep_busy() -> None:
        while True:
            await asyncio.gather(*[name(database, one) for one in IDS])

    busy = [asyncio.create_task(keep_busy()) for _ in range(3)]
    await asyncio.gather(*[change_and_look(number) for number in range(3)])
    for task in busy:
        task.cancel()
    await asyncio.wait(busy)
    # Those who were cancelled took nothing with them.
    assert await name(database, LAMP) == "2 9"


async def test_what_spoils_the_statement_is_for_who_asked_for_it(database: Database) -> None:
    found = await asyncio.gather(
        *[name(database, one) for one in (TABLE, "\0", LAMP)], return_exceptions=True
    )
    assert found[::2] == ["brown table", "lamp"]
    assert isinstance(found[1], asyncpg.CharacterNotInRepertoireError)


async def test_who_is_late_is_told_and_the_others_get_their_rows(database: Database) -> None:
    rows = rows_of(database)
    async with database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE products")
        late = [asyncio.create_task(name(database, LAMP, Deadline(0.2))) for _ in range(2)]
        patient = [asyncio.create_task(name(database, one, Deadline(20))) for one in IDS]
        found = await asyncio.gather(*late, return_exceptions=True)
        assert [type(one) for one in found] == [TimedOut] * 2
        assert await rows(f"SELECT 1 {WAITING}")
    assert await asyncio.gather(*patient) == [*NAMES]


async def test_nothing_is_left_to_run_for_nobody(database: Database) -> None:
    rows = rows_of(database)
    async with database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE products")
        late = [asyncio.create_task(name(database, one, Deadline(0.3))) for one in IDS]
        found = await asyncio.gather(*late, return_exceptions=True)
        assert [type(one) for one in found] == [TimedOut] * 3
        await eventually(lambda: rows("SELECT 1 WHERE NOT EXISTS (SELECT 1 " + WAITING + ")"))
    assert await asyncio.gather(*[name(database, one) for one in IDS]) == [*NAMES]


async def test_a_connection_that_is_lost(database: Database) -> None:
    rows = rows_of(database)
    async with database.transaction() as connection:
        await connection.exec_driver_sql("LOCK TABLE products")
        begun = [asyncio.create_task(name(database, one)) for one in IDS]
        await eventually(lambda: rows(f"SELECT 1 {WAITING}"))
        await rows(f"SELECT pg_terminate_backend(pid) {WAITING}")
        found = await asyncio.gather(*begun, return_exceptions=True)
        assert [type(one) for one in found] == [Unavailable] * 3
    assert await asyncio.gather(*[name(database, one) for one in IDS]) == [*NAMES]


async def test_no_connection_to_be_had(postgresql_databases: PostgreSQLDatabases) -> None:
    with postgresql_databases.fresh() as url:
        options = DatabaseOptions(pool_size=1, pool_wait_s=0.1)
        async with opened(url, options) as database:
            await database.write(lambda connection: replace_products(connection, PRODUCTS))
            assert await name(database, LAMP) == "lamp"
            async with database.read():
                found = await asyncio.gather(
                    *[name(database, one) for one in IDS], return_exceptions=True
                )
                assert [type(one) for one in found] == [Unavailable] * 3
            assert await name(database, LAMP) == "lamp"


async def test_the_end_waits_for_what_is_under_way(
    postgresql_databases: PostgreSQLDatabases,
) -> None:
    with postgresql_databases.fresh() as url:
        async with opened(url) as database:
            await fill_shop(database)
            asked = [asyncio.create_task(name(database, one)) for one in IDS]
            await asyncio.sleep(0)
        assert await asyncio.gather(*asked) == [*NAMES]


async def test_what_is_spread_over_servers_is_read_one_by_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "_is_spread", True)
    with fetched() as sent:
        assert await asyncio.gather(*[name(database, one) for one in IDS]) == [*NAMES]
    assert len(sent) == 3
