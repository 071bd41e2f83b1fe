"""Several `orders serve` processes over one database, and many clients of each."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.db.database import Database
from app.db.engine import DatabaseOptions, open_database
from app.domain.ids import new_object_id
from app.services.auth import create_key
from app.services.users import add_user
from tests.e2e.server import Server, running
from tests.races.wholeness import Rows
from tests.shop import fill_shop

QUIET = {"ORDERS_COST_BUDGET": "0", "ORDERS_LOG_LEVEL": "warning", "ORDERS_LOG_FORMAT": "json"}


WAITING = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
"""The end of a statement about those connections of PostgreSQL that wait for another one."""


@dataclass(frozen=True)
class Fleet:
    """Servers over one database, and a key for each kind of caller."""

    servers: Sequence[Server]
    url: str
    keys: Mapping[str, str]


def filled(url: str) -> Mapping[str, str]:
    """Put users and products into a migrated, empty database; a key for each kind of caller."""
    return asyncio.run(_fill(url))


async def _fill(url: str) -> Mapping[str, str]:
    async with opened(url) as database:
        return await fill_shop(database)


async def new_customers(url: str, count: int) -> dict[str, str]:
    """A key for each of so many customers, by the customer's id."""
    async with opened(url) as database, database.transaction() as connection:
        users = [
            await add_user(connection, f"{new_object_id()}@shop.example") for _ in range(count)
        ]
        return {user.id: await create_key(connection, user) for user in users}


@asynccontextmanager
async def opened(url: str, options: DatabaseOptions | None = None) -> AsyncGenerator[Database]:
    """The database as one more process has it."""
    database = open_database(url, options)
    try:
        yield database
    finally:
        await database.dispose()


def rows_of(database: Database) -> Rows:
    """What executes statements there."""

    async def rows(statement: str) -> list[tuple[Any, ...]]:
        async with database.read() as connection:
            return [tuple(row) for row in await connection.exec_driver_sql(statement)]

    return rows


async def eventually(met: Callable[[], Awaitable[object]], *, within_s: float = 60) -> None:
    """Return once that is so; fail if it is not for that long."""
    async with asyncio.timeout(within_s):
        while True:
            if await met():
                return
            await asyncio.sleep(0.01)


@contextmanager
def processes(
    count: int, folder: Path, url: str, *arguments: str, **environment: str
) -> Iterator[Sequence[Server]]:
    """So many servers, started at once; each has a folder of its own, in which its log is."""

    def start(number: int) -> Server:
        own = folder / str(number)
        own.mkdir(parents=True, exist_ok=True)
        settings = {"ORDERS_DATABASE_URL": url, **QUIET, **environment}
        return stack.enter_context(running(own, *arguments, **settings))

    with ExitStack() as stack, ThreadPoolExecutor(count) as threads:
        yield list(threads.map(start, range(count)))


@asynccontextmanager
async def clients_of(servers: Sequence[Server]) -> AsyncGenerator[Sequence[httpx.AsyncClient]]:
    """A client of each server, with as many connections as are asked for."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    clients = [
        httpx.AsyncClient(base_url=server.url, limits=limits, timeout=60) for server in servers
    ]
    try:
        yield clients
    finally:
        for client in clients:
            await client.aclose()
