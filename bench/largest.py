"""What the most expensive operations cost that are allowed, and how long others wait meanwhile.

    .venv/bin/python -m bench.largest

Against a server process of its own: 20,000 orders of three items, and a customer with 100 orders of
1,000 items and 100 events each. Printed is the server's processor time (of all its threads: SQLite
works in some of them), and the longest that a `/healthz`, asked all the time, took meanwhile.
"""

import asyncio
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from pathlib import Path

import httpx

from app.db.engine import open_database
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import EventSource, EventType, Order, OrderItem, OrderStatus, ShippingMethod
from app.services.auth import create_key
from app.services.events import NewEvent, record_events
from app.services.order_storage import store_orders
from app.services.users import add_user
from bench.loading import make_shop, sqlite_url
from bench.requests import start_server
from bench.shop import BenchShop

_ORDERS = 100
_ITEMS = 1_000
_EVENTS = 100
_USER = UserId("b" * 24)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SMALL = 'filter: { createdAt: { lt: "2026-04-01T00:00:00Z" } }'
_YEAR = 'filter: { createdAt: { gte: "2025-01-01T00:00:00Z", lt: "2026-02-01T00:00:00Z" } }'


def documents() -> Iterator[tuple[str, str, bool]]:
    """The operations: what each is, its text, and whether it is the administrator's."""
    ids = ", ".join(f'"{_order_id(number)}"' for number in range(_ORDERS))
    yield (
        "items of 20 orders, with their sums",
        _items(20, "id name quantity total { amount }"),
        False,
    )
    yield "… with their products", _items(20, "id name product { name }"), False
    yield "items of 9 orders, with their products", _items(9, "product { name }"), False
    yield "plain fields of items, 12 orders", _items(12, "id name image quantity shipping"), False
    yield "sums of items, 10 orders", _items(10, "unitPrice { amount } total { amount }"), False
    yield "one page of large orders", "{ orders(first: 100) { nodes { id } } }", False
    yield (
        "20 pages of large orders",
        _many(20, "a%n: orders(first: %m) { nodes { id } }"),
        False,
    )
    yield (
        "`nodes` of 100 large orders",
        f"{{ nodes(ids: [{ids}]) {{ id ... on Order {{ number }} }} }}",
        False,
    )
    yield (
        "pages in pages",
        (
            "{ orders(first: 9) { nodes { customer "
            + _many(10, "a%n: orders(first: %m) { nodes { id number } }")
            + " } } }"
        ),
        False,
    )
    yield (
        "90 lists of items an order",
        (f"{{ orders(first: 100, {_SMALL}) {{ nodes " + _many(90, "a%n: items { id }") + " } }"),
        True,
    )
    yield (
        "both views of 9 pages",
        _many(
            9,
            f"a%n: orders(first: %m, {_SMALL}) {{ nodes {{ ...F }} edges {{ node {{ ...F }} }} }}",
        )
        + " fragment F on Order { id number status address total { amount } items { id } }",
        True,
    )
    yield (
        "orders with 9,700 events",
        (
            "{ orders(first: 97) { nodes { events(first: 100) { nodes"
            " { id type orderId fromStatus toStatus source createdAt } } } } }"
        ),
        False,
    )
    yield (
        "4,750 events with who did it",
        ("{ orders(first: 50) { nodes { events(first: 95) { nodes { actor { name } } } } } }"),
        False,
    )
    yield (
        "4,750 events with their orders",
        ("{ orders(first: 50) { nodes { events(first: 95) { nodes { order { number } } } } } }"),
        False,
    )
    yield (
        "the log, 900 events with 9 orders each",
        _many(9, "o%n: events(first: %m) { nodes { ...F } }")
        + " fragment F on OrderEvent "
        + _many(9, "a%n: order { number }"),
        True,
    )
    yield (
        "95 questions of 100 pages for the next",
        (
            "{ orders(first: 100) { nodes { events(first: 0) { pageInfo "
            + _many(95, "a%n: hasNextPage")
            + " } } } }"
        ),
        False,
    )
    yield (
        "20 series of 396 days",
        (
            f"{{ stats({_YEAR}) "
            + _many(20, "a%n: series { start orderCount total { amount } }")
            + " }"
        ),
        True,
    )
    yield (
        "90 times the top products",
        ("{ stats " + _many(90, "a%n: topProducts(first: 90) { name quantity }") + " }"),
        True,
    )
    yield (
        "the schema, 60 times its fields",
        (
            "{ __schema { types "
            + _many(60, "a%n: fields { name args { name } type { name } }")
            + " } }"
        ),
        False,
    )


def _items(orders: int, fields: str) -> str:
    return f"{{ orders(first: {orders}) {{ nodes {{ id items {{ {fields} }} }} }} }}"


def _many(count: int, text: str) -> str:
    return (
        "{ "
        + " ".join(text.replace("%n", str(n)).replace("%m", str(100 - n)) for n in range(count))
        + " }"
    )


def _order_id(number: int) -> OrderId:
    return OrderId(f"bbbb{number:020x}")


async def add_large_orders(shop: BenchShop) -> str:
    """Give the shop a customer with large orders, and return their key."""
    database = open_database(shop.url)
    async with database.transaction() as connection:
        user = await add_user(connection, "large@bench.example", user_id=_USER)
        key = await create_key(connection, user)
        for number in range(_ORDERS):
            order = _large_order(shop, number)
            await store_orders(connection, [order])
            data = {"from_address": "1 Main St", "to_address": order.address}
            event = NewEvent(EventType.ADDRESS_CHANGED, order, 0, order.status, order.status, data)
            await record_events(connection, [event] * _EVENTS, source=EventSource.REST)
    await database.dispose()
    return key


def _large_order(shop: BenchShop, number: int) -> Order:
    items = tuple(
        OrderItem(
            f"bb{number:06x}{position:016x}",
            ProductId(shop.product_ids[position % len(shop.product_ids)]),
            f"product {position}",
            "product.webp",
            1999,
            2,
            ShippingMethod.REGULAR,
        )
        for position in range(_ITEMS)
    )
    # After all others, so that these are the administrator's first page too.
    at = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=number)
    return Order(
        id=_order_id(number),
        user_id=_USER,
        number=number + 1,
        status=OrderStatus.PENDING,
        address="1 Main St, Carlton",
        currency="USD",
        total_minor=sum(item.total_minor for item in items),
        version=0,
        created_at=at,
        updated_at=at,
        items=items,
    )


class Prober(threading.Thread):
    """Asks for `/healthz` all the time."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.running = True
        self.longest_s = 0.0

    def run(self) -> None:
        """Keep the longest time that an answer took."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        while self.running:
            started = time.perf_counter()
            connection.request("GET", "/healthz")
            connection.getresponse().read()
            self.longest_s = max(self.longest_s, time.perf_counter() - started)
            time.sleep(0.002)
        connection.close()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def main() -> None:
    """Measure and print a Markdown table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = make_shop(sqlite_url(folder / "orders.db"))
        key = asyncio.run(add_large_orders(shop))
        server, port = start_server(folder, shop.url)
        prober = Prober(port)
        prober.start()
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120)

        def measure(title: str, key: str, method: str, path: str, body: object = None) -> None:
            time.sleep(0.1)
            prober.longest_s, before_s = 0.0, _cpu_s(server.pid)
            answer = client.request(method, path, json=body, headers={"Authorization": key})
            cpu_s, waited_s = _cpu_s(server.pid) - before_s, prober.longest_s
            content = answer.json()
            errors = content.get("errors") if isinstance(content, dict) else None
            end = errors[0]["extensions"]["code"] if errors else "answered"
            kilobytes = len(answer.content) // 1_000
            print(f"| {title} | {cpu_s:.2f} | {waited_s:.2f} | {kilobytes:,} | {end} |", flush=True)

        print("| operation | CPU, s | `/healthz`, s | kB | |\n|---|---:|---:|---:|---|")
        try:
            for title, text, by_admin in documents():
                asker = shop.admin_key if by_admin else key
                measure(title, asker, "POST", "/graphql", {"query": text})
            measure("`get_all`, 100,000 rows", key, "GET", "/orders/get_all")
        finally:
            prober.running = False
            prober.join()
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
