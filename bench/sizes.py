"""How many requests a second are answered as a shop on SQLite grows a hundredfold.

    .venv/bin/python -m bench.sizes [--seconds 3] [--rounds 3] [--sizes 20000 200000 2000000]

The server has one core, the load another. Each request is for another customer's orders, drawn at
random from all. In each round every size has its turn with each request; medians of the rounds are
printed, and how many times as long a request takes as in the smallest shop. Shops are made once and
kept; two million orders take minutes and gigabytes.
"""

import argparse
import os
import random
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.databases import kept_in_sqlite
from bench.engines import cpu_ms
from bench.requests import ONE_ORDER, PAGE, TYPENAME, graphql, load, medians, start_server
from bench.shop import ORDERS_PER_CUSTOMER, BenchShop

_SIZES = (20_000, 200_000, 2_000_000)
_REQUESTS = 8_000
_GOAL = 1.3


def _one_order(shop: BenchShop, customer: int, number: int) -> bytes:
    variables: dict[str, object] = {"id": shop.order_id_of(customer, number)}
    return graphql(shop.key_of(customer), ONE_ORDER, variables)


def _page(shop: BenchShop, customer: int, _number: int) -> bytes:
    return graphql(shop.key_of(customer), PAGE, {})


def _typename(shop: BenchShop, customer: int, _number: int) -> bytes:
    return graphql(shop.key_of(customer), TYPENAME, {})


REQUESTS: dict[str, Callable[[BenchShop, int, int], bytes]] = {
    "one order with its items": _one_order,
    "50 orders with items, `pageInfo`, `totalCount`": _page,
    "`{ __typename }`": _typename,
}
"""By their titles: what is asked for, of a customer and the number of an order of theirs."""


@dataclass
class Served:
    """A shop that is served, and what was measured with it."""

    shop: BenchShop
    port: int
    server: psutil.Process
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def measure(self, title: str, connections: int, seconds: float) -> None:
        """Have a round."""
        chance = random.Random(title)
        sent = [
            REQUESTS[title](
                self.shop,
                chance.randint(1, self.shop.customers),
                chance.randint(1, ORDERS_PER_CUSTOMER),
            )
            for _ in range(_REQUESTS)
        ]
        before = cpu_ms(self.server)
        figures = load(self.port, sent, connections, seconds)
        figures["cpu_ms"] = (cpu_ms(self.server) - before) / figures["in_all"]
        self.rounds.setdefault(title, []).append(figures)


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    options = parser.parse_args()
    core = frozenset({min(os.sched_getaffinity(0))})
    with ExitStack() as stack:
        served = []
        for orders in sorted(options.sizes):
            shop = kept_in_sqlite(orders)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server, port = start_server(folder, shop.url, cores=core)
            stack.callback(server.wait, 30)
            stack.callback(server.terminate)
            served.append(Served(shop, port, psutil.Process(server.pid)))
        for _ in range(options.rounds):
            for title in REQUESTS:
                for one in served:
                    one.measure(title, options.connections, options.seconds)
    print(
        "| request | orders | requests/s | p50, ms | p99, ms | CPU, ms | times as long | goal |\n"
        "|---|" + "---:|" * 7
    )
    for title in REQUESTS:
        first = medians(served[0].rounds[title])["per_second"]
        for one in served:
            figures = medians(one.rounds[title])
            goal = f"≤ {_GOAL:g}" if one is served[-1] else ""
            print(
                f"| {title} | {one.shop.orders:,} | {figures['per_second']:,.0f}"
                f" | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f} | {figures['cpu_ms']:.3f}"
                f" | {first / figures['per_second']:.2f} | {goal} |"
            )


if __name__ == "__main__":
    main()
