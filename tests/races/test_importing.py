"""An import beside callers who write: PostgreSQL makes it wait only where both want the same."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from app.db.database import Database
from app.db.steps import drive
from app.domain.changes import AddressChange
from app.domain.ids import UserId
from app.domain.order import EventSource, NewItem, NewOrder, ShippingMethod
from app.domain.principal import Principal, Scope
from app.services.order_changes import changing_address
from app.services.order_placing import placing
from tests.databases import PostgreSQLDatabases
from tests.legacy_dump import product, user
from tests.races.processes import WAITING, eventually, opened, rows_of
from tests.services.legacy.test_importing import Legacy, bring, numbers

USER = str(user(0)["_id"])
PRINCIPAL = Principal(UserId(USER), frozenset(Scope), "")


@pytest.fixture
async def database(postgresql_databases: PostgreSQLDatabases) -> AsyncGenerator[Database]:
    with postgresql_databases.fresh() as url:
        async with opened(url) as found:
            yield found


async def _until_one_waits(database: Database) -> None:
    rows = rows_of(database)
    await eventually(lambda: rows(f"SELECT 1 {WAITING}"))


async def test_numbers_are_given_to_both(database: Database, tmp_path: Path) -> None:
    orders, legacy = Legacy(tmp_path / "dump").orders, Legacy(tmp_path / "dump", orders=0)
    await bring(database, legacy.dump())
    legacy.orders = orders
    new = NewOrder([NewItem(str(product(0)["_id"]), 1, ShippingMethod.REGULAR)], "here")
    async with database.transaction() as connection:
        await drive(connection, placing(PRINCIPAL, new, source=EventSource.REST))
        importing = asyncio.create_task(bring(database, legacy.dump()))
        await _until_one_waits(database)
    assert numbers(await importing)[2] == (len(orders), 0, 0)
    rows = rows_of(database)
    found = await rows(f"SELECT order_number FROM orders WHERE user_id = '{USER}' ORDER BY 1")
    assert found == [(number,) for number in range(1, len(found) + 1)]
    assert len(found) > 1
    counter = f"SELECT last_order_number FROM order_counters WHERE user_id = '{USER}'"
    assert await rows(counter) == [(len(found),)]


async def test_what_somebody_is_changing_is_kept(database: Database, tmp_path: Path) -> None:
    legacy = Legacy(tmp_path / "dump", orders=1)
    legacy.orders[0] |= {"user": user(0)["_id"], "status": "pending"}
    await bring(database, legacy.dump())
    legacy.orders[0]["address"] = "there"
    change = AddressChange(str(legacy.orders[0]["_id"]), "here")
    async with database.transaction() as connection:
        changing = changing_address(PRINCIPAL, change, source=EventSource.GRAPHQL)
        await drive(connection, changing)
        importing = asyncio.create_task(bring(database, legacy.dump()))
        await _until_one_waits(database)
    report = await importing
    assert report.tallies["orders"].warnings == {"changed_here": 1}
    assert await rows_of(database)("SELECT address FROM orders") == [("here",)]
