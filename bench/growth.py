"""How long one request takes on 10 thousand, 100 thousand and a million orders, on both engines.

    .venv/bin/python -m bench.growth [--seconds 15] [--sizes 10000 100000 1000000]

One client asks, one request after the other, each for another customer's orders, drawn at random.
It goes round all shops with each request, in another order each time, so that whatever else the
machine does meets all of them alike. The medians are printed, with their ratios to that of the
smallest shop. Shops are made once and kept; they grow by customers, each with a hundred orders of
three items. A count of all orders, which only an administrator can ask for, grows with their number
by nature.
"""

import argparse
import http.client
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import orjson

from bench.databases import kept_in_sqlite, postgresql
from bench.requests import ONE_ORDER, PAGE, start_server
from bench.shop import ORDERS_PER_CUSTOMER, BenchShop

_SIZES = (10_000, 100_000, 1_000_000)
_ENGINES = ("SQLite", "PostgreSQL")
_PAGE_ALONE = PAGE.replace("totalCount", "")
_WARM_UP = 20  # statements are prepared, plans chosen, pages of the disk in memory


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. A page has no order that it is asked for by."""

    title: str
    query: str
    by_admin: bool
    by_order: bool


QUESTIONS = (
    Question("one order", ONE_ORDER, by_admin=False, by_order=True),
    Question("50 orders with `totalCount`", PAGE, by_admin=False, by_order=False),
    Question("50 orders without", _PAGE_ALONE, by_admin=False, by_order=False),
    Question("administrator: one order", ONE_ORDER, by_admin=True, by_order=True),
    Question("administrator: 50 orders without", _PAGE_ALONE, by_admin=True, by_order=False),
    Question("administrator: 50 orders with `totalCount`", PAGE, by_admin=True, by_order=False),
)


@dataclass(frozen=True, slots=True)
class Contender:
    """A shop that is served, and the client's connection to its server."""

    engine: str
    shop: BenchShop
    connection: http.client.HTTPConnection

    def ask(self, question: Question, chance: random.Random) -> float:
        """Ask for orders of any customer; how many milliseconds it took."""
        customer = chance.randint(1, self.shop.customers)
        number = chance.randint(1, ORDERS_PER_CUSTOMER)
        variables = {"id": self.shop.order_id_of(customer, number)} if question.by_order else {}
        body = orjson.dumps({"query": question.query, "variables": variables})
        key = self.shop.admin_key if question.by_admin else self.shop.key_of(customer)
        headers = {"Authorization": key, "Content-Type": "application/json"}
        started = time.perf_counter()
        self.connection.request("POST", "/graphql", body, headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = time.perf_counter() - started
        if answer.status != 200 or b'"errors"' in content[:60]:
            raise RuntimeError(f"the answer was no success: {content[:500]!r}")
        return took * 1_000


def _contenders(stack: ExitStack, sizes: list[int]) -> Iterator[Contender]:
    database_server = stack.enter_context(postgresql())
    cores = frozenset(os.sched_getaffinity(0))
    for engine in _ENGINES:
        for orders in sizes:
            is_file = engine == "SQLite"
            shop = kept_in_sqlite(orders) if is_file else database_server.kept(orders)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            server, port = start_server(folder, shop.url, cores=cores)
            stack.callback(server.wait, 30)
            stack.callback(server.terminate)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            yield Contender(engine, shop, stack.enter_context(closing(connection)))


def _ask_in_turn(
    contenders: list[Contender], question: Question, seconds: float
) -> list[list[float]]:
    chance = random.Random(question.title)
    for _ in range(_WARM_UP):
        for one in contenders:
            one.ask(question, chance)
    took_ms: list[list[float]] = [[] for _ in contenders]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for place in chance.sample(range(len(contenders)), len(contenders)):
            took_ms[place].append(contenders[place].ask(question, chance))
    return took_ms


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--sizes", type=int, nargs="+", default=_SIZES)
    options = parser.parse_args()
    sizes = sorted(options.sizes)
    with ExitStack() as stack:
        contenders = list(_contenders(stack, sizes))
        cores = len(os.sched_getaffinity(0))
        print(
            f"{cores} cores shared by servers, PostgreSQL and client; medians of"
            f" {options.seconds:g} s for each request, in milliseconds.\n"
        )
        numbers = [f"{size:,}" for size in sizes]
        ratios = [f"ratio at {number}" for number in numbers[1:]]
        print(f"| request | engine | {' | '.join([*numbers, *ratios])} | asked |")
        print("|---|---|" + "---:|" * (len(numbers) + len(ratios) + 1))
        for question in QUESTIONS:
            took_ms = _ask_in_turn(contenders, question, options.seconds)
            for engine in _ENGINES:
                of_engine = [
                    statistics.median(own)
                    for one, own in zip(contenders, took_ms, strict=True)
                    if one.engine == engine
                ]
                figures = [
                    *(f"{one:.2f}" for one in of_engine),
                    *(f"{one / of_engine[0]:.2f}" for one in of_engine[1:]),
                ]
                asked = len(took_ms[0])
                print(
                    f"| {question.title} | {engine} | {' | '.join(figures)} | {asked} |", flush=True
                )


if __name__ == "__main__":
    main()
