"""How SQLite is set up."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, OperationalError

from app.db.engine import open_database
from app.domain.errors import Unavailable
from tests.databases import SQLiteDatabases


@pytest.fixture
def database_url(sqlite_databases: SQLiteDatabases) -> Iterator[str]:
    with sqlite_databases.fresh() as url:
        yield url


async def test_the_writer_is_durable_and_checks_foreign_keys(database_url: str) -> None:
    database = open_database(database_url)
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


async def test_readers_can_not_write(database_url: str) -> None:
    database = open_database(database_url)
    with pytest.raises(Unavailable) as caught:
        async with database.read() as connection:
            await connection.execute(text("DELETE FROM users"))
    assert isinstance(caught.value.__cause__, OperationalError)
    await database.dispose()


async def test_the_version_of_the_log_changes_with_commits_of_any_process(
    database_url: str,
) -> None:
    own, other = open_database(database_url), open_database(database_url)
    versions = [await own.log_version()]
    assert await own.log_version() == versions[0]
    for database in (own, other):
        async with database.transaction() as connection:
            await connection.exec_driver_sql("INSERT INTO order_counters VALUES ('u', 1)")
            assert await own.log_version() == versions[-1]
            await connection.exec_driver_sql("DELETE FROM order_counters")
        versions.append(await own.log_version())
    await own.dispose()
    await other.dispose()
    assert len(set(versions)) == 3
