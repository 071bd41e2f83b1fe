"""A migrated database on each engine, and a running application, for each test."""

import os
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
import structlog

from tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases
from tests.servers import start_shared, stop_shared
from tests.shop import InsideShop, open_shop

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--renew-sql",
        action="store_true",
        help="write the SQL of compiled operations anew, beside them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have one PostgreSQL server for the whole run, with however many processes."""
    if not hasattr(config, "workerinput"):
        start_shared(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    stop_shared(config)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SQLiteDatabases:
    """SQLite, for tests of what only it does."""
    return SQLiteDatabases(tmp_path_factory.mktemp("databases"))


@pytest.fixture(scope="session")
def postgresql_databases(worker_id: str) -> Iterator[PostgreSQLDatabases]:
    """PostgreSQL, for tests of what only it does."""
    url = os.environ["ORDERS_TEST_DATABASE_URL"]  # noqa: TID251 (set above)
    databases = PostgreSQLDatabases(url, f"orders_test_{worker_id}_")
    yield databases
    databases.close()


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Each engine in turn."""
    found: Databases = request.getfixturevalue(f"{request.param}_databases")
    return found


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database without rows; its tables must be the same afterwards."""
    with databases.fresh() as url:
        yield url


@pytest.fixture
def spoilt_database_url(databases: Databases) -> Iterator[str]:
    """The same, for a test that leaves other tables behind."""
    with databases.fresh(spoilt=True) as url:
        yield url


@pytest.fixture(scope="session")
def migrated(sqlite_databases: SQLiteDatabases) -> Path:
    """A migrated file of SQLite, to be copied."""
    return sqlite_databases.migrated


@pytest.fixture
async def shop(database_url: str) -> AsyncGenerator[InsideShop]:
    """The application over an own database with a few users, keys and products."""
    async with open_shop(database_url) as running:
        yield running
