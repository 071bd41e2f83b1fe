"""A migrated database and a running application for each test."""

import asyncio
import shutil
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import structlog

from app.db import migrations
from tests.shop import InsideShop, database_url, open_shop

structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ]
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database made by the real migrations; tests work on copies."""
    path = tmp_path_factory.mktemp("migrated") / "orders.db"
    asyncio.run(migrations.migrate(database_url(path)))
    return path


@pytest.fixture
def database_path(migrated: Path, tmp_path: Path) -> Path:
    path = tmp_path / "orders.db"
    shutil.copy(migrated, path)
    return path


@pytest.fixture
async def shop(database_path: Path) -> AsyncGenerator[InsideShop]:
    """The application over an own database with a few users, keys and products."""
    async with open_shop(database_path) as running:
        yield running
