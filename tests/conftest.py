"""A migrated database on each engine, and a running application, for each test."""

import gc
import os
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog

from tests.databases import (
    Databases,
    PostgreSQLDatabases,
    SQLiteDatabases,
    folder_in_memory,
)
from tests.servers import start_shared, stop_shared
from tests.shop import InsideShop, open_shop

_HERE = Path(__file__).parent

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


# Files with tests that take long. They begin first, those that wait beside those that calculate.
_LONG = (
    *("browser/test_desk.py", "clients/test_frontend.py"),
    *("graphql/compiler/test_never_different.py", "e2e/test_draining.py", "graphql/test_fuzz.py"),
    *("e2e/test_serve.py", "races/test_event_order.py", "e2e/test_workers.py"),
    *("graphql/test_searching.py", "e2e/test_pgbouncer.py", "services/test_copying.py"),
    *("test_servers.py", "e2e/test_moving_guide.py", "live/test_stopping.py", "e2e/test_readme.py"),
    *("races/test_orders.py", "races/test_crash.py", "db/test_replica.py", "races/test_outage.py"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave no long file to the end, when it would be the only one under way.

    `make test` has each process take the next file of this order.
    """
    files = [item.path.relative_to(_HERE).as_posix() for item in items]
    tests = Counter(files)
    place = {file: number for number, file in enumerate(_LONG, -len(_LONG))}
    order = {
        item: (place.get(file, 0), -tests[file]) for item, file in zip(items, files, strict=True)
    }
    items.sort(key=order.__getitem__)


def pytest_collection_finish() -> None:
    """Search for garbage as a server does: not in what is here to stay, and more seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def sqlite_databases() -> Iterator[SQLiteDatabases]:
    """SQLite, for tests of what only it does."""
    with TemporaryDirectory(prefix="orders-sqlite-", dir=folder_in_memory()) as folder:
        yield SQLiteDatabases(Path(folder))


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
