"""Copying databases of any content, and while others write."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    Table,
    UniqueConstraint,
    insert,
    null,
    select,
)

from app.db import migrations, tables
from app.db.database import Database
from app.db.engine import DatabaseOptions, open_database
from app.db.types import PlainText, UTCDateTime
from app.db.whole_rows import families, stream_families
from app.domain.order import EventSource, EventType, OrderStatus, ShippingMethod
from app.services.copying import Comparison, Side, compare_databases, copy_database
from app.services.progress import Progress
from tests.cli.test_copy import everything
from tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases
from tests.shop import LAMP, TABLE, InsideShop

SILENT = Progress(lambda *_: None)
TABLES = tables.metadata.sorted_tables

Tables = dict[Table, list[dict[str, Any]]]


@asynccontextmanager
async def opened(url: str, options: DatabaseOptions | None = None) -> AsyncGenerator[Database]:
    database = open_database(url, options)
    try:
        yield database
    finally:
        await database.dispose()


async def copy_between(
    source: str,
    target: str,
    *,
    progress: Progress = SILENT,
    options: DatabaseOptions | None = None,
) -> Comparison:
    async with opened(source, options) as here, opened(target, options) as there:
        return await copy_database(
            Side("source", here), Side("target", there), resume=False, progress=progress
        )


async def compare(source: str, target: str) -> Comparison:
    async with opened(source) as here, opened(target) as there:
        return await compare_databases(Side("source", here), Side("target", there), progress=SILENT)


def test_every_table_is_in_one_family() -> None:
    members = [table for family in families() for table in family.tables]
    assert sorted(members, key=str) == sorted(TABLES, key=str)
    of_orders = next(family for family in families() if family.root.name == "orders")
    assert {table.name for table in of_orders.tables} == {"orders", "order_items", "order_words"}


# The very first and last instants are infinite for PostgreSQL's driver.
FIRST, LAST = (
    datetime.fromisoformat(text) for text in ("0001-01-01T00:00:00.000001", "9999-12-31T23:59:59")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
DOCUMENTS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # A lone surrogate or a NUL is fine in JSON, where it is spelled.
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)
SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "orders.status": st.sampled_from([status.value for status in OrderStatus]),
    "order_items.shipping": st.sampled_from([method.value for method in ShippingMethod]),
    "order_events.type": st.sampled_from([type_.value for type_ in EventType]),
    "order_events.source": st.sampled_from([source.value for source in EventSource]),
    "orders.currency": st.sampled_from(["USD", "🛋é\u0301"]),
    "products.currency": st.sampled_from(["USD", "   "]),
}


def _values(column: Column[Any]) -> st.SearchStrategy[Any]:
    if str(column) in SPECIAL:
        return SPECIAL[str(column)]
    found: st.SearchStrategy[Any]
    match column.type:
        case PlainText():
            found = TEXTS
        case UTCDateTime():
            found = st.datetimes(FIRST, LAST, timezones=st.just(UTC))
        case JSON():
            # Both of the JSON null and of a column without a value.
            return st.dictionaries(st.text(max_size=5), DOCUMENTS) | st.sampled_from([None, null()])
        case Boolean():
            found = st.booleans()
        case BigInteger():
            found = st.integers(8, 2**63 - 1)
        case Integer():
            found = st.integers(8, 2**31 - 1)
        case other:
            raise TypeError(other)
    return found | st.none() if column.nullable else found


def _is_unique(column: Column[Any]) -> bool:
    of_table = column.table
    assert isinstance(of_table, Table)
    unique: list[UniqueConstraint | Index] = [
        *(one for one in of_table.constraints if isinstance(one, UniqueConstraint)),
        *(index for index in of_table.indexes if index.unique),
    ]
    return column.primary_key or any(column.name in one.columns for one in unique)


def _distinct(value: Any, number: int) -> Any:
    """The value made another one than those of the rows before, as large as it was."""
    if isinstance(value, int):
        return (value - 8) // 8 * 8 + number + 1
    return None if value is None else f"{value}{number}"


@st.composite
def contents(draw: st.DrawFn) -> Tables:
    """A few rows for each table."""
    made: Tables = {}
    for family in families():
        for table in family.tables:
            roots = made.get(family.root)
            few = range(draw(st.integers(0, 4 if roots is None else min(4, len(roots)))))
            made[table] = []
            for number in few:
                row = {column.name: draw(_values(column)) for column in table.columns}
                for column in table.columns:
                    if _is_unique(column):
                        row[column.name] = _distinct(row[column.name], number)
                if roots is not None:
                    for key in table.foreign_keys:
                        row[key.parent.name] = roots[number][key.column.name]
                made[table].append(row)
    return made


@pytest.mark.parametrize("to", ["PostgreSQL", "SQLite"])
@settings(max_examples=12, deadline=None)
@given(rows=contents())
def test_any_content_is_the_same_there_and_back(
    sqlite_databases: SQLiteDatabases,
    postgresql_databases: PostgreSQLDatabases,
    to: str,
    rows: Tables,
) -> None:
    here: Databases = sqlite_databases
    there: Databases = postgresql_databases
    if to == "SQLite":
        here, there = there, here

    async def run(source: str, target: str, back: str) -> None:
        async with opened(source) as original, opened(target) as other:
            async with original.transaction() as connection:
                for table in TABLES:
                    for row in rows[table]:
                        await connection.execute(insert(table).values(row))
            assert not (await copy_between(source, target)).different
            async with original.read() as connection, other.read() as copied:
                for table in TABLES:
                    statement = select(table).order_by(*table.primary_key.columns)
                    found = (await copied.execute(statement)).all()
                    assert found == (await connection.execute(statement)).all()
                    assert len(found) == len(rows[table])
        assert not (await copy_between(target, back)).different

    with here.fresh() as source, there.fresh() as target, here.fresh() as back:
        asyncio.run(run(source, target, back))
        assert everything(here, back) == everything(here, source)


async def test_one_moment_is_copied(
    databases: Databases, shop: InsideShop, database_url: str
) -> None:
    await shop.add(TABLE)
    before = everything(databases, database_url)

    written = False

    def write(what: str, _done: int, _total: int) -> None:
        nonlocal written
        if what == "Copying" and not written:
            written = True
            databases.run(
                database_url,
                "INSERT INTO order_events (id, user_id, order_id, order_version, type, source,"
                " actor_id, occurred_at) SELECT 'later', user_id, order_id, 1, type, source,"
                " actor_id, occurred_at FROM order_events",
            )
            databases.run(database_url, "UPDATE orders SET version = 9")

    with databases.empty() as target:
        await migrations.migrate(target)
        done = await copy_between(database_url, target, progress=Progress(write))
        assert (written, done.written_since, done.different) == (True, True, ())
        assert everything(databases, target) == before
        assert everything(databases, database_url) != before
        assert (await compare(database_url, target)).different == (
            "order_events",
            "orders",
        )
        done = await compare(database_url, database_url)
        assert (done.written_since, done.different) == (False, ())


async def test_parts_hold_whole_families_and_few_rows(shop: InsideShop) -> None:
    for _ in range(9):
        await shop.add(TABLE, LAMP)
    orders = next(family for family in families() if family.root.name == "orders")

    async def sizes(**most: int) -> list[int]:
        found = []
        async with shop.database.snapshot() as connection:
            async for part in stream_families(connection, orders, **most):
                items, words = (part[table] for table in orders.tables[1:])
                ids = [row[1] for row in part[orders.root]]
                assert [row[1] for row in items] == [id_ for id_ in ids for _ in range(2)]
                assert [row[2] for row in words] == ids
                found.append(sum(map(len, part.values())))
        return found

    assert await sizes(rows_at_once=1_000, bytes_at_once=1_000_000) == [36]
    assert await sizes(rows_at_once=9, bytes_at_once=1_000_000) == [12, 12, 12]
    assert await sizes(rows_at_once=1_000, bytes_at_once=1) == [4] * 9
