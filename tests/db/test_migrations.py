"""One schema, three ways to it: the migrations, the tables in code, and back again."""

import asyncio
import re
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from app.db import migrations, tables
from app.db.engine import Database
from app.db.search import is_no_index
from app.domain.errors import Unavailable
from tests.shop import LAMP, TABLE, Shop, database_url


def schema_of(path: Path) -> dict[str, list[str]]:
    """The statements that make each table and index, white space folded."""
    with sqlite3.connect(path) as connection:
        rows = connection.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
        ).fetchall()
    connection.close()
    # The clauses of a table in no particular order: a column added later stands after them all. A
    # table that was altered by making it anew has its name in quotes.
    return {
        name: sorted(re.split(r", (?![^(]*\))| (?=\)(?:$| WITHOUT))", " ".join(sql.split())))
        for name, sql in ((name, sql.replace(f'"{name}"', name, 1)) for name, sql in rows)
    }


def test_migrations_make_what_the_tables_say(migrated: Path, tmp_path: Path) -> None:
    direct = tmp_path / "direct.db"
    engine = create_engine(f"sqlite:///{direct}")
    tables.metadata.create_all(engine)
    engine.dispose()
    # By the text: autogenerate overlooks CHECKs, WITHOUT ROWID and the order of a primary key.
    assert schema_of(migrated) == schema_of(direct)
    engine = create_engine(f"sqlite:///{migrated}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"include_name": is_no_index})
        assert compare_metadata(context, tables.metadata) == []
    engine.dispose()


async def test_up_down_and_up_again(migrated: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "orders.db"
    url = database_url(path)
    await migrations.migrate(url)
    assert schema_of(path) == schema_of(migrated)
    await migrations.migrate(url, "base")
    assert schema_of(path) == {}
    await migrations.migrate(url)
    await migrations.migrate(url)
    assert schema_of(path) == schema_of(migrated)
    database = Database(url)
    assert await migrations.current(database) == migrations.newest()
    await database.dispose()


async def test_orders_from_before_searching_are_found(shop: Shop) -> None:
    addresses = [f"{number} Old Town" for number in range(3)]
    for number, address in enumerate(addresses):
        await shop.add(TABLE, LAMP, key=("customer", "other")[number % 2], address=address)
    words = await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY order_id")
    query = '{ orders(filter: { search: "OLD lam" }, sort: CREATED_AT_ASC) { nodes { address } } }'
    url = database_url(shop.database.path)
    await migrations.migrate(url, "0002")
    await migrations.migrate(url)
    again = await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY order_id")
    assert again == words
    assert len(words) == 3
    found = (await shop.data(query, key="admin"))["orders"]["nodes"]
    assert [node["address"] for node in found] == addresses


async def test_data_that_would_break_a_foreign_key_is_not_migrated(database_path: Path) -> None:
    with sqlite3.connect(database_path) as connection:
        connection.execute(
            "INSERT INTO order_items VALUES ('u', 'o', 0, 'i', 'p', 'n', NULL, 1, 1, 'Budget')"
        )
    connection.close()
    url = database_url(database_path)
    before = schema_of(database_path)
    with pytest.raises(RuntimeError, match="1 rows would refer to rows that are missing"):
        await migrations.migrate(url, "0002")
    assert schema_of(database_path) == before


async def test_a_database_that_is_up_to_date_is_only_read(shop: Shop) -> None:
    # It would wait here for the transaction, and in the end fail.
    async with shop.database.transaction():
        await asyncio.wait_for(migrations.migrate(database_url(shop.database.path)), 10)


async def test_a_database_of_a_newer_version_is_left_alone(database_path: Path) -> None:
    with sqlite3.connect(database_path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(RuntimeError, match="at migration 9999, which only a newer version knows"):
        await migrations.migrate(database_url(database_path))


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    path.write_bytes(b"a letter, not a database\n" * 100)
    with pytest.raises(Unavailable) as caught:
        await migrations.migrate(database_url(path))
    assert "file is not a database" in str(caught.value.__cause__)
    assert path.read_bytes() == b"a letter, not a database\n" * 100


async def test_reading_makes_no_file(tmp_path: Path) -> None:
    database = Database(database_url(tmp_path / "none.db"))
    with pytest.raises(Unavailable):
        await migrations.current(database)
    assert list(tmp_path.iterdir()) == []
    await database.dispose()
