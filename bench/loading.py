"""Puts a `BenchShop` into a database as fast as its engine can: a million orders in minutes.

It goes straight to the drivers. Indexes and foreign keys are made when all rows are there, from
their own definitions in the database, so that what comes out is what migrations and writes make.
"""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg

from app.db import migrations
from app.db.engine import open_database
from app.db.sqlite import URL_PREFIX
from app.services.products import replace_products
from bench.shop import COLUMNS, ORDERS, BenchShop

_CACHE_KIB = 1_000_000
_LARGE = ("orders", "order_items", "order_words", "order_events")


def make_shop(url: str, orders: int = ORDERS) -> BenchShop:
    """Make the shop in an empty database, or in one that is still to be made (SQLite)."""
    shop = BenchShop(url, orders)
    asyncio.run(_prepare(shop))
    if url.startswith(URL_PREFIX):
        _fill_sqlite(shop, Path(url.removeprefix(URL_PREFIX)))
    else:
        asyncio.run(_fill_postgresql(shop))
    return shop


def sqlite_url(path: Path) -> str:
    """Where a database in a file is."""
    return f"{URL_PREFIX}{path}"


async def _prepare(shop: BenchShop) -> None:
    await migrations.migrate(shop.url)
    database = open_database(shop.url)
    async with database.transaction() as connection:
        await replace_products(connection, shop.products())
    await database.dispose()


def _fill_sqlite(shop: BenchShop, path: Path) -> None:
    """Insert all rows in one transaction that could not be undone, with the indexes afterwards.

    The tables are not analysed: the service does not do that either, so the planner must know the
    way without statistics.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        execute = connection.execute
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KIB}"):
            execute(f"PRAGMA {pragma}")
        indexes = execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
            " AND tbl_name IN ('orders', 'order_items', 'order_words', 'order_events')"
        ).fetchall()
        execute("BEGIN")
        for name, _ in indexes:
            execute(f'DROP INDEX "{name}"')
        for rows in shop.rows():
            for table, some in rows.items():
                columns = COLUMNS[table]
                connection.executemany(
                    f"INSERT INTO {table} ({', '.join(columns)})"
                    f" VALUES ({', '.join('?' * len(columns))})",
                    some,
                )
        for _, definition in indexes:
            execute(definition)
        broken = execute("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise RuntimeError(f"{len(broken)} rows refer to rows that are missing")
        execute("COMMIT")
        execute("PRAGMA journal_mode=WAL")


async def _fill_postgresql(shop: BenchShop) -> None:
    """Copy all rows, make the indexes, and have the tables vacuumed and analysed as a server does.

    That is what autovacuum would do after so many new rows.
    """
    connection = await asyncpg.connect(shop.url.replace("+asyncpg", ""))
    try:
        await connection.execute("SET maintenance_work_mem = '512MB'; SET synchronous_commit = off")
        constraints = await connection.fetch(
            "SELECT conrelid::regclass::text AS owner, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE conrelid::regclass::text = ANY($1)"
            # Foreign keys go first and come back last: they need the keys.
            " AND contype IN ('f', 'p', 'u') ORDER BY contype = 'f' DESC, conname",
            _LARGE,
        )
        for table, name, _ in constraints:
            await connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
        indexes = await connection.fetch(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY($1)", _LARGE
        )
        for name, _ in indexes:
            await connection.execute(f'DROP INDEX "{name}"')
        for rows in shop.rows():
            for table, some in rows.items():
                await connection.copy_records_to_table(table, records=some, columns=COLUMNS[table])
        for _, definition in indexes:
            await connection.execute(definition)
        for table, name, definition in reversed(constraints):
            await connection.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')
        await connection.execute("VACUUM (ANALYZE)")
    finally:
        await connection.close()
