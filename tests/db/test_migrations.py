"""One schema, three ways to it: the migrations, the tables in code, and back again."""

import asyncio
import re
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from app.db import migrating, migrations, tables
from app.db.engine import open_database
from app.db.search import is_no_index
from app.domain.errors import Unavailable
from tests.databases import Databases, SQLiteDatabases, sqlite_url
from tests.shop import LAMP, TABLE, Shop


def schema_of(databases: Databases, url: str) -> dict[str, list[str]]:
    """What each table and index is made by, or consists of; not in any order."""
    if databases.name == "postgresql":
        return {what: sorted(map(repr, databases.run(url, sql))) for what, sql in CATALOGUE.items()}
    rows = databases.run(
        url,
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'",
    )
    # The clauses of a table in no particular order: a column added later stands after them all. A
    # table that was altered by making it anew has its name in quotes.
    return {
        name: sorted(re.split(r", (?![^(]*\))| (?=\)(?:$| WITHOUT))", " ".join(sql.split())))
        for name, sql in ((name, sql.replace(f'"{name}"', name, 1)) for name, sql in rows)
    }


CATALOGUE = {
    "columns": """SELECT table_name, column_name, data_type, collation_name, is_nullable,
        column_default FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name NOT LIKE 'alembic%'""",
    "constraints": """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        AND conrelid::regclass::text NOT LIKE 'alembic%'""",
    "indexes": """SELECT indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename NOT LIKE 'alembic%'""",
    "sequences": "SELECT sequencename, data_type::text, start_value FROM pg_sequences",
}


async def test_migrations_make_what_the_tables_say(databases: Databases, database_url: str) -> None:
    with databases.empty() as direct:
        database = open_database(direct)
        await database.create()
        async with database.transaction() as connection:
            await connection.run_sync(tables.metadata.create_all)
        await database.dispose()
        # By the text: autogenerate overlooks CHECKs, WITHOUT ROWID and the order of a primary key.
        assert schema_of(databases, database_url) == schema_of(databases, direct)
    database = open_database(database_url)
    async with database.snapshot() as connection:
        found = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"include_name": is_no_index}),
                tables.metadata,
            )
        )
    await database.dispose()
    assert found == []


async def test_up_down_and_up_again(databases: Databases, database_url: str) -> None:
    expected = schema_of(databases, database_url)
    with databases.empty() as url:
        await migrations.migrate(url)
        assert schema_of(databases, url) == expected
        await migrations.migrate(url, "base")
        assert not any(schema_of(databases, url).values())
        for revision in ("0001", "0002", "0003", "0004", "0005", "0003", "head", "head"):
            await migrations.migrate(url, revision)
        assert schema_of(databases, url) == expected
        database = open_database(url)
        assert await migrations.current(database) == migrations.NEWEST
        await database.dispose()


def test_the_newest_is_the_last_of_the_scripts() -> None:
    scripts = ScriptDirectory(str(migrating.scripts_folder()))
    assert scripts.get_heads() == [migrations.NEWEST]


async def test_the_folders_of_a_file_are_made(tmp_path: Path) -> None:
    path = tmp_path / "not" / "there" / "orders.db"
    await migrations.migrate(sqlite_url(path))
    assert path.exists()


async def test_migrations_at_once_take_turns(databases: Databases, database_url: str) -> None:
    with databases.empty() as url:
        await asyncio.gather(*(migrations.migrate(url) for _ in range(3)))
        assert schema_of(databases, url) == schema_of(databases, database_url)


async def test_orders_from_before_searching_are_found(shop: Shop, database_url: str) -> None:
    addresses = [f"{number} Old Town" for number in range(3)]
    for number, address in enumerate(addresses):
        await shop.add(TABLE, LAMP, key=("customer", "other")[number % 2], address=address)
    words = await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY order_id")
    query = '{ orders(filter: { search: "OLD lam" }, sort: CREATED_AT_ASC) { nodes { address } } }'
    await migrations.migrate(database_url, "0002")
    await migrations.migrate(database_url)
    again = await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY order_id")
    assert again == words
    assert len(words) == 3
    found = (await shop.data(query, key="admin"))["orders"]["nodes"]
    assert [node["address"] for node in found] == addresses


async def test_data_that_would_break_a_foreign_key_is_not_migrated(
    sqlite_databases: SQLiteDatabases,
) -> None:
    # PostgreSQL checks at each change, so that there can't be such rows.
    with sqlite_databases.fresh(spoilt=True) as url:
        sqlite_databases.run(
            url, "INSERT INTO order_items VALUES ('u', 'o', 0, 'i', 'p', 'n', NULL, 1, 1, 'Budget')"
        )
        before = schema_of(sqlite_databases, url)
        with pytest.raises(RuntimeError, match="1 rows would refer to rows that are missing"):
            await migrations.migrate(url, "0002")
        assert schema_of(sqlite_databases, url) == before


async def test_a_database_that_is_up_to_date_is_only_read(shop: Shop, database_url: str) -> None:
    # It would wait here for the transaction, and in the end fail.
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = version_num")
        await asyncio.wait_for(migrations.migrate(database_url), 10)


async def test_a_database_of_a_newer_version_is_left_alone(
    databases: Databases, spoilt_database_url: str
) -> None:
    databases.run(spoilt_database_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(RuntimeError, match="at migration 9999, which only a newer version knows"):
        await migrations.migrate(spoilt_database_url)


async def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "orders.db"
    path.write_bytes(b"a letter, not a database\n" * 100)
    with pytest.raises(Unavailable) as caught:
        await migrations.migrate(sqlite_url(path))
    assert "file is not a database" in str(caught.value.__cause__)
    assert path.read_bytes() == b"a letter, not a database\n" * 100


async def test_reading_makes_no_file(tmp_path: Path) -> None:
    database = open_database(sqlite_url(tmp_path / "none.db"))
    with pytest.raises(Unavailable):
        await migrations.current(database)
    assert list(tmp_path.iterdir()) == []
    await database.dispose()
