"""What the service is measured beside answers the same requests with the same data."""

import shutil
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from asgi_lifespan import LifespanManager
from starlette.types import ASGIApp

from app.main import create_app
from bench import answers
from bench.compare import FIRST_BUYER, WORKLOADS, check_answer, parts_of
from bench.loading import make_shop, sqlite_url
from bench.peers import limit, stock
from bench.shop import BenchShop
from tests.shop import settings_for

ORDERS = 400  # of customers with a hundred each


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "orders.db"
    make_shop(sqlite_url(path), ORDERS)
    return path


@asynccontextmanager
async def ours(path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    app = create_app(settings_for(sqlite_url(path)))
    async with LifespanManager(app), client_of(app) as client:
        yield client


@asynccontextmanager
async def the_limit(path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    shop = limit.Shop(str(path))
    async with client_of(limit.create_app(shop)) as client:
        yield client
    shop.close()


@asynccontextmanager
async def stock_strawberry(path: Path) -> AsyncGenerator[httpx.AsyncClient]:
    async with stock.opened_app(path) as app, client_of(app) as client:
        yield client


def client_of(app: ASGIApp) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bench")


@pytest.mark.parametrize("contender", [ours, the_limit, stock_strawberry])
async def test_contenders_in_python_answer_alike(
    contender: Callable[[Path], AbstractAsyncContextManager[httpx.AsyncClient]],
    made: Path,
    tmp_path: Path,
) -> None:
    path = Path(shutil.copy(made, tmp_path))
    shop = BenchShop(sqlite_url(path), ORDERS)
    async with contender(path) as client:
        for workload in WORKLOADS:
            before = answers.count_orders(shop)
            sent = parts_of(workload.requests(shop, [FIRST_BUYER])[0])
            answer = await client.request(
                sent.method, sent.path, headers=dict(sent.headers), content=sent.body
            )
            check_answer(shop, workload, answer.json(), before)
