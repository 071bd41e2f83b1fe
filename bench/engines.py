"""The same requests on SQLite and PostgreSQL, by one and by two server processes, in one table.

    .venv/bin/python -m bench.engines [--seconds 2] [--rounds 3] [--connections 32]

Each contender has a copy of the shop of 20,000 orders to itself. They take turns in each round, and
the medians of the rounds are printed. Server processes, PostgreSQL and the load share all cores of
the machine: where these are two, PostgreSQL and a second server process take from the others.
"""

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.databases import Server, copied_in_sqlite, postgresql
from bench.requests import ONE_ORDER, PAGE, add_order, get_all, graphql, load, medians, start_server
from bench.shop import ORDERS, BenchShop

_WORKERS = (1, 2)
_SECONDS_TO_SETTLE = 4  # until the last server process has started, too


@dataclass
class Contender:
    """An engine, a number of server processes, and what was measured with them."""

    engine: str
    workers: int
    shop: BenchShop
    port: int
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For the table."""
        return f"{self.engine} | {self.workers}"


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
def _serving(engine: str, workers: int, shop: BenchShop) -> Iterator[Contender]:
    with tempfile.TemporaryDirectory() as name:
        cores = frozenset(os.sched_getaffinity(0))
        server, port = start_server(Path(name), shop.url, workers=workers, cores=cores)
        try:
            yield Contender(engine, workers, shop, port)
        finally:
            _stop(server)


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(30)


def _contenders(stack: ExitStack, server: Server) -> list[Contender]:
    contenders = []
    for workers in _WORKERS:
        shops = {
            "SQLite": copied_in_sqlite(ORDERS),
            "PostgreSQL": server.copied(ORDERS, f"engines_{workers}"),
        }
        for engine, shop in shops.items():
            serving = _serving(engine, workers, stack.enter_context(shop))
            contenders.append(stack.enter_context(serving))
    return sorted(contenders, key=lambda one: one.engine != "SQLite")


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    cores = frozenset(os.sched_getaffinity(0))
    with ExitStack() as stack:
        server = stack.enter_context(postgresql())
        contenders = _contenders(stack, server)
        time.sleep(_SECONDS_TO_SETTLE)
        for _ in range(options.rounds):
            for title in requests(contenders[0].shop, options.connections):
                for one in contenders:
                    sent = requests(one.shop, options.connections)[title]
                    figures = load(
                        one.port, sent, options.connections, options.seconds, cores=cores
                    )
                    one.rounds.setdefault(title, []).append(figures)
    print(
        f"{len(cores)} cores shared by server processes, PostgreSQL and load;"
        f" {options.connections} connections; medians of {options.rounds} rounds of"
        f" {options.seconds:g} s.\n"
    )
    print("| request | engine | workers | requests/s | ratio | p50, ms | p99, ms |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for title in contenders[0].rounds:
        first = medians(contenders[0].rounds[title])["per_second"]
        for one in contenders:
            figures = medians(one.rounds[title])
            print(
                f"| {title} | {one.name} | {figures['per_second']:.0f}"
                f" | {figures['per_second'] / first:.2f}"
                f" | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f} |"
            )


if __name__ == "__main__":
    main()
