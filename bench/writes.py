"""Orders placed per second without HTTP, by callers of one process on one core.

    .venv/bin/python -m bench.writes [--engine both] [--seconds 2] [--rounds 3]

Each order has three items, and each caller is another customer. `steps` is how orders are placed:
with a commit for all that wait, on PostgreSQL by the same statements. `statements` carries
the same steps out through SQLAlchemy, a transaction each. NORMAL is SQLite without waiting for the
disk at each commit, which the service never does. They take turns in each round, each with a copy
of the shop of its own; the medians are printed.
"""

import argparse
import asyncio
import gc
import os
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvloop

from app.db.database import Database
from app.db.engine import DatabaseOptions, open_database
from app.db.sqlite import SQLiteDatabase
from app.db.steps import drive
from app.domain.ids import UserId
from app.domain.order import EventSource, NewItem, NewOrder, ShippingMethod
from app.domain.principal import Principal, Scope
from app.services.order_placing import placing_only
from bench.databases import copied_in_sqlite, postgresql
from bench.shop import ORDERS, BenchShop

_CALLERS = (1, 8, 32)
_WAYS = (
    ("sqlite", "statements", "FULL"),
    ("sqlite", "steps", "FULL"),
    ("sqlite", "steps", "NORMAL"),
    ("postgresql", "statements", ""),
    ("postgresql", "steps", ""),
)
_WARM_UP_S = 0.5
_CUSTOMERS = "SELECT id FROM users WHERE NOT is_admin ORDER BY id LIMIT 32"


def database_of(shop: BenchShop, synchronous: str) -> Database:
    database = open_database(shop.url, DatabaseOptions(statement_timeout_s=5))
    if isinstance(database, SQLiteDatabase) and synchronous == "NORMAL":
        connect: Any = database._commits._connect
        database._commits._connect = partial(connect, "synchronous=NORMAL")
    return database


async def measure(
    shop: BenchShop, way: str, synchronous: str, callers: int, seconds: float
) -> tuple[float, float, float, float]:
    """Orders per second, the processor's microseconds for each, and p50 and p99 in ms."""
    database = database_of(shop, synchronous)
    async with database.read() as connection:
        customers = (await connection.exec_driver_sql(_CUSTOMERS)).scalars().all()
    items = [NewItem(product, 2, ShippingMethod.REGULAR) for product in shop.product_ids[:3]]
    new = NewOrder(items, "1 Main St, Carlton")
    took: list[float] = []
    stopping = False

    async def call(customer: str) -> None:
        principal = Principal(UserId(customer), frozenset(Scope), "")
        place = partial(placing_only, principal, new, source=EventSource.GRAPHQL)
        while not stopping:
            begun = time.perf_counter()
            if way == "steps":
                await database.perform(place)
            else:
                await database.write(lambda connection: drive(connection, place()))
            took.append(time.perf_counter() - begun)

    calling = [asyncio.create_task(call(customers[n % len(customers)])) for n in range(callers)]
    await asyncio.sleep(_WARM_UP_S)
    took.clear()
    cpu_s, begun_s = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    placed, cpu_s, run_s = len(took), time.process_time() - cpu_s, time.perf_counter() - begun_s
    times = sorted(took)
    stopping = True
    await asyncio.gather(*calling)
    await database.dispose()
    p50, p99 = (1_000 * times[int(placed * part)] for part in (0.5, 0.99))
    return placed / run_s, 1_000_000 * cpu_s / placed, p50, p99


@contextmanager
def a_shop(engine: str) -> Iterator[BenchShop]:
    """A shop to place orders in; like all others of its engine, but for itself."""
    if engine == "sqlite":
        with copied_in_sqlite(ORDERS) as shop:
            yield shop
    else:
        with postgresql() as server, server.copied(ORDERS, "writing") as shop:
            yield shop


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    gc.freeze()
    found: dict[tuple[str, str, int], list[tuple[float, ...]]] = {}
    for _ in range(options.rounds):
        for engine, way, synchronous in _WAYS:
            if options.engine not in {engine, "both"}:
                continue
            with a_shop(engine) as shop:
                for callers in _CALLERS:
                    one = uvloop.run(measure(shop, way, synchronous, callers, options.seconds))
                    title = f"{engine}{f', {synchronous}' if engine == 'sqlite' else ''}"
                    found.setdefault((title, way, callers), []).append(one)
    print("| engine | way | callers | orders/s | µs of the processor | p50, ms | p99, ms |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for (title, way, callers), rounds in found.items():
        rate, cpu_us, p50, p99 = (statistics.median(each) for each in zip(*rounds, strict=True))
        print(
            f"| {title} | {way} | {callers} | {rate:.0f} | {cpu_us:.0f} | {p50:.2f} | {p99:.2f} |"
        )


if __name__ == "__main__":
    main()
