"""The databases of the tests themselves: what a test leaves behind is found, and named after it."""

import pytest

from app.db.engine import open_database
from tests import databases
from tests.databases import PostgreSQLDatabases


async def test_a_connection_that_is_left_open_fails_its_test(
    postgresql_databases: PostgreSQLDatabases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "_SECONDS_TO_LEAVE", 0.1)
    with (
        pytest.raises(AssertionError, match=r"connections were left open: .*orders-graphql"),
        postgresql_databases.fresh() as url,
    ):
        database = open_database(url)
        async with database.read():
            pass
    await database.dispose()


def test_who_failed_leaves_nothing_to_the_next(postgresql_databases: PostgreSQLDatabases) -> None:
    seen = set()
    with pytest.raises(ZeroDivisionError), postgresql_databases.fresh() as url:
        seen.add(url)
        postgresql_databases.run(url, "DROP TABLE order_items")
        raise ZeroDivisionError
    with postgresql_databases.fresh() as url:
        assert url not in seen
        assert postgresql_databases.run(url, "SELECT * FROM order_items") == []
