"""How many requests a second are answered as a shop on SQLite grows a hundredfold.

    .venv/bin/python -m bench.sizes [--seconds 3] [--rounds 3] [--sizes 20000 200000 2000000]

The server has one core, the load another. Customers and their orders are drawn at random from the
whole shop: once as many customers as the smallest shop has, so that a larger shop has larger tables
and nothing else; once as many as there are, so that few requests are for what was read before. The
limit of `make bench` is measured beside ours: it tells how much of the growth is the database's.

In each round everybody has a turn with each request; medians of the rounds are printed, and how
many times as long a request takes as in the smallest shop. Shops are made once and kept; two
million orders take minutes and gigabytes.
"""

import argparse
import os
import random
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field

from bench.contenders import LIMIT, OURS, Running, running
from bench.databases import kept_in_sqlite
from bench.engines import cpu_ms
from bench.requests import ONE_ORDER, PAGE, TYPENAME, graphql, load, medians
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
    """A shop that somebody serves, and what was measured with it."""

    running: Running
    rounds: dict[tuple[str, bool], list[dict[str, float]]] = field(default_factory=dict)

    @property
    def orders(self) -> int:
        """How large the shop is."""
        return self.running.shop.orders

    def measure(self, title: str, callers: int | None, connections: int, seconds: float) -> None:
        """Have a round.

        Args:
            title: Of the request.
            callers: How many customers ask; None for all.
            connections: How many requests there are at a time.
            seconds: For how long.
        """
        shop = self.running.shop
        chance = random.Random(title)
        customers = range(1, shop.customers + 1)
        asking = customers if callers is None else chance.sample(customers, callers)
        sent = [
            REQUESTS[title](shop, chance.choice(asking), chance.randint(1, ORDERS_PER_CUSTOMER))
            for _ in range(_REQUESTS)
        ]
        before = cpu_ms(self.running.server)
        figures = load(self.running.port, sent, connections, seconds)
        figures["cpu_ms"] = (cpu_ms(self.running.server) - before) / figures["in_all"]
        self.rounds.setdefault((title, callers is None), []).append(figures)

    def figures(self, title: str, of_all: bool) -> dict[str, float]:
        """Medians of the rounds."""
        return medians(self.rounds[title, of_all])


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
        ours: list[Served] = []
        limits: list[Served] = []
        for orders in sorted(options.sizes):
            shop = kept_in_sqlite(orders)
            for contender, served in ((OURS, ours), (LIMIT, limits)):
                started = running(contender, nullcontext(shop), core)
                served.append(Served(stack.enter_context(started)))
        fewest = ours[0].running.shop.customers
        for _ in range(options.rounds):
            for title in REQUESTS:
                for callers in (fewest, None):
                    for one in (*ours, *limits):
                        one.measure(title, callers, options.connections, options.seconds)
    print(
        "| request | of | orders | requests/s | p50, ms | p99, ms | CPU, ms | times as long"
        " | the limit | goal |\n|---|---|" + "---:|" * 8
    )
    for title in REQUESTS:
        for of_all in (False, True):
            for one, limit in zip(ours, limits, strict=True):
                figures = one.figures(title, of_all)
                asking = "all customers" if of_all else f"{fewest:,} customers"
                print(
                    f"| {title} | {asking} | {one.orders:,} | {figures['per_second']:,.0f}"
                    f" | {figures['p50_ms']:.1f} | {figures['p99_ms']:.1f}"
                    f" | {figures['cpu_ms']:.3f} | {_growth(ours[0], one, title, of_all):.2f}"
                    f" | {_growth(limits[0], limit, title, of_all):.2f}"
                    f" | {f'≤ {_GOAL:g}' if one is ours[-1] else ''} |"
                )


def _growth(smallest: Served, served: Served, title: str, of_all: bool) -> float:
    """How many times as long a request takes as in the smallest shop."""
    rates = (one.figures(title, of_all)["per_second"] for one in (smallest, served))
    first, now = rates
    return first / now


if __name__ == "__main__":
    main()
