"""Four server processes place orders for the same few customers: how fast, and what is in the way.

    .venv/bin/python -m bench.contention [--seconds 10] [--customers 3]

Sixteen connections to each process send one order of three items after the other. Afterwards the
numbers of each customer must go on without gap or twin, and each order must be whole. A retry is a
transaction that PostgreSQL refused because another one was in its way, and that was done again.
"""

import argparse
import asyncio
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import psutil

from app.db import migrations
from bench.engines import cpu_ms
from bench.loading import sqlite_url
from bench.requests import ADD, graphql, load
from tests.races.processes import filled, new_customers, opened, processes, rows_of
from tests.races.wholeness import violations
from tests.servers import PostgresServer
from tests.shop import LAMP, STOOL, TABLE

_SERVERS, _CONNECTIONS = 4, 16
_RETRY = "the change is tried again"


def requests(keys: list[str]) -> list[bytes]:
    """An order for each of the customers."""
    items = [
        {"productId": product, "quantity": 2, "shipping": "REGULAR"}
        for product in (TABLE, STOOL, LAMP)
    ]
    input_ = {"items": items, "address": "1 Main St, Carlton"}
    return [graphql(key, ADD, {"input": input_}) for key in keys]


def measure(
    engine: str,
    url: str,
    database: psutil.Process | None,
    folder: Path,
    customers: int,
    seconds: float,
) -> list[str]:
    """Print a line of the table; what is wrong afterwards is returned."""
    asyncio.run(migrations.migrate(url))
    filled(url)
    keys = asyncio.run(new_customers(url, customers))
    sent = requests(list(keys.values()))

    def run(port: int) -> dict[str, float]:
        return load(port, sent, _CONNECTIONS, seconds)

    with processes(_SERVERS, folder, url) as servers, ThreadPoolExecutor(_SERVERS) as threads:
        ports = [int(server.url.rpartition(":")[2]) for server in servers]
        parents = [psutil.Process(server.process.pid) for server in servers]
        before = cpu_ms(*parents), cpu_ms(database)
        figures = list(threads.map(run, ports))
        after = cpu_ms(*parents), cpu_ms(database)
        retries = sum(server.log.read_text().count(_RETRY) for server in servers)
    per_second = sum(one["per_second"] for one in figures)
    slowest = max(one["p99_ms"] for one in figures)
    placed = sum(one["in_all"] for one in figures)

    async def check() -> list[str]:
        async with opened(url) as there:
            return await violations(rows_of(there), keys, engine=engine.lower())

    wrong = asyncio.run(check())
    cpu = " | ".join(
        f"{(now - then) / placed:.1f}" for now, then in zip(after, before, strict=True)
    )
    shown = f"{placed:.0f} | {per_second:.0f} | {slowest:.0f} | {cpu}"
    print(f"| {engine} | {shown} | {retries} | {len(wrong)} |", flush=True)
    return wrong


def main() -> None:
    """Print a Markdown table; exit with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--customers", type=int, default=3)
    options = parser.parse_args()
    print(
        "| engine | answered | orders/s | p99, ms | CPU of servers, ms | of PostgreSQL, ms"
        " | retries | violations |"
    )
    print("|---|" + "---:|" * 7)
    wrong: list[str] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        postgres = stack.enter_context(PostgresServer.create(durable=True))
        postgres.run_sql("CREATE DATABASE shop")
        for engine, url, database in (
            ("SQLite", sqlite_url(folder / "orders.db"), None),
            ("PostgreSQL", postgres.url("shop"), psutil.Process(postgres.pid)),
        ):
            wrong += measure(
                engine, url, database, folder / engine, options.customers, options.seconds
            )
    for line in wrong:
        print(line, file=sys.stderr)
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
