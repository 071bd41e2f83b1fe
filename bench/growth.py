"""How long one request takes on 10 thousand, 100 thousand and a million orders, on both engines.

    .venv/bin/python -m bench.growth [--seconds 1] [--rounds 3] [--sizes 10000 100000 1000000]

One client asks, one request after the other, each for another customer's orders, drawn at random.
The sizes take turns in each round, and the median over all rounds of each round's median is
printed, with its ratio to that of the smallest shop. Shops are made once and kept; they grow by
customers, each with a hundred orders of three items. A count of all orders, which only an
administrator can ask for, grows with their number by nature.
"""

import argparse
import os
import random
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.databases import kept_in_sqlite, postgresql
from bench.requests import ONE_ORDER, PAGE, graphql, load, medians, start_server
from bench.shop import ORDERS_PER_CUSTOMER, BenchShop

_SIZES = (10_000, 100_000, 1_000_000)
_DIFFERENT_REQUESTS = 1_000
_SECONDS_TO_SETTLE = 3
_UNCOUNTED_PAGE = PAGE.replace("totalCount", "")


def requests(shop: BenchShop, chance: random.Random) -> dict[str, Sequence[bytes]]:
    """What is asked for, by what it is."""
    customers = [chance.randint(1, shop.customers) for _ in range(_DIFFERENT_REQUESTS)]
    numbers = [chance.randint(1, ORDERS_PER_CUSTOMER) for _ in customers]
    orders = list(zip(customers, numbers, strict=True))
    keys = [shop.key_of(customer) for customer in customers]
    return {
        "one order": [
            graphql(shop.key_of(customer), ONE_ORDER, {"id": shop.order_id_of(customer, number)})
            for customer, number in orders
        ],
        "50 orders, with `totalCount`": [graphql(key, PAGE, {}) for key in keys],
        "50 orders, without": [graphql(key, _UNCOUNTED_PAGE, {}) for key in keys],
        "one order, by an administrator": [
            graphql(shop.admin_key, ONE_ORDER, {"id": shop.order_id_of(customer, number)})
            for customer, number in orders
        ],
        "an administrator's first page of all, without `totalCount`": [
            graphql(shop.admin_key, _UNCOUNTED_PAGE, {})
        ],
        "… with `totalCount`": [graphql(shop.admin_key, PAGE, {})],
    }


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    options = parser.parse_args()
    cores = frozenset(os.sched_getaffinity(0))
    found: dict[tuple[str, str], dict[int, list[dict[str, float]]]] = {}
    with ExitStack() as stack:
        database_server = stack.enter_context(postgresql())
        ports: list[tuple[str, BenchShop, int]] = []
        for orders in options.sizes:
            shops = {
                "SQLite": kept_in_sqlite(orders),
                "PostgreSQL": database_server.kept(orders),
            }
            for engine, shop in shops.items():
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                server, port = start_server(folder, shop.url, cores=cores)
                stack.callback(server.wait, 30)
                stack.callback(server.terminate)
                ports.append((engine, shop, port))
        time.sleep(_SECONDS_TO_SETTLE)
        for number in range(options.rounds):
            for title in requests(ports[0][1], random.Random()):
                for engine, shop, port in ports:
                    sent = requests(shop, random.Random(number))[title]
                    figures = load(port, sent, 1, options.seconds, warm_up_s=0.3, cores=cores)
                    of_size = found.setdefault((title, engine), {}).setdefault(shop.orders, [])
                    of_size.append(figures)
    sizes = [f"{orders:,}" for orders in options.sizes]
    ratios = [f"ratio at {size}" for size in sizes[1:]]
    print(
        f"{len(cores)} cores shared by server, PostgreSQL and client; milliseconds at each number"
        f" of orders; medians of {options.rounds} rounds of {options.seconds:g} s.\n"
    )
    print(f"| request | engine | {' | '.join(sizes)} | {' | '.join(ratios)} |")
    print("|---|---|" + "---:|" * (2 * len(sizes) - 1))
    for (title, engine), rounds_of_size in found.items():
        medians_ms = [medians(rounds)["p50_ms"] for rounds in rounds_of_size.values()]
        ratios = [f"{later / medians_ms[0]:.2f}" for later in medians_ms[1:]]
        times = [f"{one:.2f}" for one in medians_ms]
        print(f"| {title} | {engine} | {' | '.join([*times, *ratios])} |", flush=True)


if __name__ == "__main__":
    main()
