"""What the biggest answers take of memory, and how long a small query waits beside them.

    .venv/bin/python -m bench.big [--seconds 5] [--orders 20000]

A server process on one core, and a customer with 20,000 orders of three items each. Big answers
are asked for one after the other; beside them one connection asks for an order of somebody else
all the time. Memory is what the process holds in RAM at the most, above what it held before any
big one. The first line is the small query alone.
"""

import argparse
import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

from app.db.engine import open_database
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod
from app.services.auth import create_key
from app.services.order_storage import store_orders
from app.services.users import add_user
from bench.compare import parts_of
from bench.databases import copied_in_sqlite
from bench.memory import forget_peak, held_mib, peak_mib
from bench.requests import ONE_ORDER, PAGE, get_all, graphql, load, start_server
from bench.shop import ORDERS, BenchShop

_USER = UserId("b" * 24)
_AT_ONCE = 1_000
_WARM_UP_S = 0.7
_MEMORY_GOAL_MIB = 64
_WAIT_GOAL_MS = 20

LARGE_PAGE = PAGE.replace("first: 50", "first: 100")


async def add_customer(shop: BenchShop, orders: int) -> str:
    """Give the shop a customer with so many orders, and return their key."""
    database = open_database(shop.url)
    async with database.transaction() as connection:
        user = await add_user(connection, "big@bench.example", user_id=_USER)
        key = await create_key(connection, user)
        for start in range(0, orders, _AT_ONCE):
            some = range(start, min(start + _AT_ONCE, orders))
            await store_orders(connection, [_order(shop, number) for number in some])
    await database.dispose()
    return key


def _order(shop: BenchShop, number: int) -> Order:
    items = tuple(
        OrderItem(
            f"bb{number:06x}{position:016x}",
            ProductId(shop.product_ids[(number + position) % len(shop.product_ids)]),
            f"product {position}",
            f"{position}.webp",
            1999,
            2,
            ShippingMethod.REGULAR,
        )
        for position in range(3)
    )
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    return Order(
        id=OrderId(f"bbbb{number:020x}"),
        user_id=_USER,
        number=number + 1,
        status=OrderStatus.PENDING,
        address=f"{number} Main St, Carlton",
        currency="USD",
        total_minor=sum(item.total_minor for item in items),
        version=0,
        created_at=at,
        updated_at=at,
        items=items,
    )


class Asker(threading.Thread):
    """Sends a request again as soon as it has been answered, until it is told to end."""

    def __init__(self, port: int, request: bytes) -> None:
        super().__init__(daemon=True)
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._request = parts_of(request)
        self.running = True
        self.took_s: list[float] = []
        self.kilobytes = 0
        self.refusal: bytes | None = None

    def run(self) -> None:
        """Ask, and keep how long each answer took."""
        method, path, headers, body = self._request
        while self.running and self.refusal is None:
            started = time.perf_counter()
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
            content = answer.read()
            self.took_s.append(time.perf_counter() - started)
            self.kilobytes = len(content) // 1_000
            if answer.status != 200 or b'"errors"' in content[:60]:
                self.refusal = content[:500]
        self._connection.close()


@contextmanager
def asking(port: int, request: bytes | None) -> Iterator[Asker | None]:
    """The request, asked all the time meanwhile, if there is one.

    Raises:
        RuntimeError: an answer was no success.
    """
    if request is None:
        yield None
        return
    asker = Asker(port, request)
    asker.start()
    yield asker
    asker.running = False
    asker.join()
    if asker.refusal is not None:
        raise RuntimeError(f"the answer was no success: {asker.refusal!r}")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--orders", type=int, default=20_000)
    options = parser.parse_args()
    core = frozenset({min(os.sched_getaffinity(0))})
    with copied_in_sqlite(ORDERS) as shop, tempfile.TemporaryDirectory() as name:
        key = asyncio.run(add_customer(shop, options.orders))
        requests = {
            "nothing": None,
            f"`get_all`, {3 * options.orders:,} rows": get_all(key),
            "a page of 100 orders with items, `totalCount`": graphql(key, LARGE_PAGE, {}),
        }
        small = graphql(shop.key, ONE_ORDER, {"id": shop.order_id})
        server, port = start_server(Path(name), shop.url, cores=core)
        try:
            load(port, [small], 1, 1)  # what is made once for an operation is made
            idle_mib = held_mib(server.pid)
            print(
                f"Idle: {idle_mib:.0f} MiB. Goals: at most {_MEMORY_GOAL_MIB} MiB above,"
                f" at most {_WAIT_GOAL_MS} ms of waiting.\n\n"
                "| beside | answers | kB each | took, ms | peak above idle, MiB"
                " | small query p50, ms | p99, ms | longest, ms |\n|---|" + "---:|" * 7
            )
            for title, request in requests.items():
                forget_peak(server.pid)
                with asking(port, request) as asker:
                    waited = load(port, [small], 1, options.seconds, warm_up_s=_WARM_UP_S)
                above_mib = peak_mib(server.pid) - idle_mib
                took = "| | |"
                if asker is not None:
                    median_ms = 1_000 * sorted(asker.took_s)[len(asker.took_s) // 2]
                    took = f"| {len(asker.took_s)} | {asker.kilobytes:,} | {median_ms:.1f}"
                print(
                    f"| {title} {took} | {above_mib:.1f} | {waited['p50_ms']:g}"
                    f" | {waited['p99_ms']:g} | {waited['max_ms']:g} |",
                    flush=True,
                )
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
