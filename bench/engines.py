"""The same requests on SQLite and PostgreSQL, by one and by two server processes, in one table.

    .venv/bin/python -m bench.engines [--seconds 2] [--rounds 3] [--connections 32]

Each contender has a copy of the shop of 20,000 orders to itself. They take turns in each round, and
the medians of the rounds are printed. Server processes, PostgreSQL and the load share all cores of
the machine: where these are two, PostgreSQL and a second server process take from the others. The
last columns say what a request takes of the processors, which other work on the machine changes
less.
"""

import argparse
import math
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.databases import Server, copied_in_sqlite, postgresql
from bench.requests import ONE_ORDER, PAGE, add_order, get_all, graphql, load, medians, start_server
from bench.shop import ORDERS, BenchShop

_WORKERS = (1, 2)
_IDLE_MS_PER_S = 50


@dataclass
class Contender:
    """An engine, a number of server processes, and what was measured with them."""

    engine: str
    workers: int
    shop: BenchShop
    port: int
    server: psutil.Process
    database: psutil.Process | None
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.engine} | {self.workers}"

    def measure(self, title: str, connections: int, seconds: float) -> None:
        """Have a round."""
        sent = requests(self.shop, connections)[title]
        cores = frozenset(os.sched_getaffinity(0))
        before = cpu_ms(self.server), cpu_ms(self.database)
        figures = load(self.port, sent, connections, seconds, cores=cores)
        after = cpu_ms(self.server), cpu_ms(self.database)
        figures["server_ms"] = (after[0] - before[0]) / figures["in_all"]
        figures["database_ms"] = (after[1] - before[1]) / figures["in_all"]
        self.rounds.setdefault(title, []).append(figures)


def cpu_ms(*parents: psutil.Process | None) -> float:
    """What processes and their children have used, those included that have ended since."""
    times = [
        one.cpu_times()
        for parent in parents
        if parent is not None
        for one in (parent, *parent.children(recursive=True))
    ]
    return 1_000 * sum(
        one.user + one.system + one.children_user + one.children_system for one in times
    )


def requests(shop: BenchShop, connections: int) -> dict[str, Sequence[bytes]]:
    """What the load consists of, by what it asks for."""
    buyers = [shop.key_of(number) for number in range(2, 2 + connections)]
    return {
        "`GET /orders/get_all`, 300 rows": [get_all(shop.key)],
        "one order with 3 items": [graphql(shop.key, ONE_ORDER, {"id": shop.order_id})],
        "50 orders with 150 items": [graphql(shop.key, PAGE, {})],
        "`addOrder`, each for another customer": [add_order(shop, key) for key in buyers],
        "`addOrder`, all for one customer": [add_order(shop, shop.buyer_key)],
    }


@contextmanager
def _serving(
    engine: str, workers: int, shop: BenchShop, database: psutil.Process | None
) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory() as name:
        cores = frozenset(os.sched_getaffinity(0))
        server, port = start_server(Path(name), shop.url, workers=workers, cores=cores)
        try:
            yield Contender(engine, workers, shop, port, psutil.Process(server.pid), database)
        finally:
            server.terminate()
            server.wait(30)


def _contenders(stack: ExitStack, server: Server) -> list[Contender]:
    def start(
        engine: str,
        workers: int,
        shop: AbstractContextManager[BenchShop],
        database: psutil.Process | None = None,
    ) -> Contender:
        return stack.enter_context(_serving(engine, workers, stack.enter_context(shop), database))

    postgres = psutil.Process(server.pid)
    return [
        *(start("SQLite", workers, copied_in_sqlite(ORDERS)) for workers in _WORKERS),
        *(
            start("PostgreSQL", workers, server.copied(ORDERS, f"engines_{workers}"), postgres)
            for workers in _WORKERS
        ),
    ]


def _wait_for_workers(contenders: list[Contender]) -> None:
    """Wait until none is starting any more: one that comes later would find no connection left."""
    busy_ms = math.inf
    while busy_ms > _IDLE_MS_PER_S:
        before = [cpu_ms(one.server) for one in contenders]
        time.sleep(1)
        after = [cpu_ms(one.server) for one in contenders]
        busy_ms = max(now - then for now, then in zip(after, before, strict=True))


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with ExitStack() as stack:
        contenders = _contenders(stack, stack.enter_context(postgresql()))
        _wait_for_workers(contenders)
        for _ in range(options.rounds):
            for title in requests(contenders[0].shop, options.connections):
                for one in contenders:
                    one.measure(title, options.connections, options.seconds)
    print(
        f"{len(os.sched_getaffinity(0))} cores shared by server processes, PostgreSQL and load;"
        f" {options.connections} connections; medians of {options.rounds} rounds of"
        f" {options.seconds:g} s.\n"
    )
    print(
        "| request | engine | workers | requests/s | ratio | p50, ms | p99, ms"
        " | CPU of server, ms | of PostgreSQL, ms |"
    )
    print("|---|---|" + "---:|" * 7)
    for title in contenders[0].rounds:
        first = medians(contenders[0].rounds[title])["per_second"]
        for one in contenders:
            figures = medians(one.rounds[title])
            print(
                f"| {title} | {one.name} | {figures['per_second']:.0f}"
                f" | {figures['per_second'] / first:.2f}"
                f" | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f}"
                f" | {figures['server_ms']:.2f} | {figures['database_ms']:.2f} |"
            )


if __name__ == "__main__":
    main()
