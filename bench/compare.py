"""The service beside its peers and the limit of the machine, in one table.

    make bench
    .venv/bin/python -m bench.compare [--seconds 3] [--rounds 3] [--connections 32] [--only NAME]
    .venv/bin/python -m bench.compare --engine postgresql

Each contender has a copy of the same shop of 20,000 orders to itself. Its server has one core, the
load another. All are asked the same, and each answer is compared with what the database holds
before anything is measured. In each round every contender has its turn with each request, in
another order each time; medians of the rounds are printed. Afterwards the orders that were
committed are counted. All figures, and the machine, are written to bench/results as JSON.
"""

import argparse
import os
import platform
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import psutil

from app.domain.clock import now, rfc3339
from bench import answers, postgraphile
from bench.contenders import (
    LIMIT,
    NEWER_LIMIT,
    ON_POSTGRESQL,
    ON_SQLITE,
    OURS,
    Contender,
    Running,
    install_node_packages,
    paths,
    running,
)
from bench.databases import ROOT, Server, copied_in_sqlite, postgresql
from bench.engines import cpu_ms
from bench.memory import forget_peak, peak_mib
from bench.requests import (
    ONE_ORDER,
    PAGE,
    TYPENAME,
    add_order,
    get_all,
    graphql,
    load,
    medians,
)
from bench.shop import ORDERS, BenchShop

RESULTS = ROOT / "bench" / "results"

FIRST_BUYER = 2  # the first customer reads


@dataclass(frozen=True, slots=True)
class Workload:
    """What is asked for, the right answer, and what was set as a goal on SQLite.

    Args:
        name: What it is called here and in `bench.postgraphile`.
        title: For the table.
        requests: What the load consists of; the customers are those who buy.
        answer: The right answer; None where orders are added.
        of_best: Ours is to answer so many times as many as the best of the peers.
        of_limit: The same for the limit.
    """

    name: str
    title: str
    requests: Callable[[BenchShop, Sequence[int]], Sequence[bytes]]
    answer: Callable[[BenchShop], object] | None
    of_best: float
    of_limit: float | None = None


WORKLOADS = (
    Workload(
        "one",
        "one order with its items",
        lambda shop, _: [graphql(shop.key, ONE_ORDER, {"id": shop.order_id})],
        answers.one_order,
        of_best=2.5,
        of_limit=0.85,
    ),
    Workload(
        "page",
        "50 orders with items, `pageInfo`, `totalCount`",
        lambda shop, _: [graphql(shop.key, PAGE, {})],
        answers.page,
        of_best=1.4,
        of_limit=0.95,
    ),
    Workload(
        "typename",
        "`{ __typename }`",
        lambda shop, _: [graphql(shop.key, TYPENAME, {})],
        lambda _: {"data": {"__typename": "Query"}},
        of_best=1.0,
        of_limit=0.8,
    ),
    Workload(
        "get_all",
        "`GET /orders/get_all`, 300 rows",
        lambda shop, _: [get_all(shop.key)],
        answers.rows_of_all,
        of_best=1.3,
    ),
    Workload(
        "add",
        "`addOrder` with 3 items",
        lambda shop, buyers: [add_order(shop, shop.key_of(buyer)) for buyer in buyers],
        None,
        of_best=1.0,
    ),
)


@dataclass
class Measured:
    """A contender, and what was measured with it, by the workload's title."""

    running: Running
    orders_before: int
    orders_answered: int = 0
    rounds: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    paths: dict[str, dict[str, int]] = field(default_factory=dict)


def requests_for(one: Running, workload: Workload, buyers: Sequence[int]) -> Sequence[bytes]:
    """What the load consists of for a contender; nothing if it has no such thing."""
    if not one.contender.has_own_schema:
        return workload.requests(one.shop, buyers)
    make = postgraphile.REQUESTS.get(workload.name)
    return [] if make is None else make(one.shop, buyers)


class Parts(NamedTuple):
    """What a request consists of."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


def parts_of(request: bytes) -> Parts:
    """One of `bench.requests`, taken apart."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, path, _ = first.split(" ")
    return Parts(method, path, dict(line.split(": ", 1) for line in lines), body)


def check(one: Running, workload: Workload) -> None:
    """Ask once, and compare the answer with what the shop's database holds.

    Raises:
        RuntimeError: the answer is wrong.
    """
    sent = requests_for(one, workload, [FIRST_BUYER])
    if not sent:
        return
    before = answers.count_orders(one.shop)
    answer = _ask(one.port, sent[0])
    try:
        check_answer(
            one.shop,
            workload,
            postgraphile.translated(answer) if one.contender.has_own_schema else answer,
            before,
        )
    except (AssertionError, LookupError, TypeError) as error:
        raise RuntimeError(f"{one.name} answers wrongly: {str(answer)[:1_000]}") from error


def check_answer(shop: BenchShop, workload: Workload, answer: object, before: int) -> None:
    """Compare an answer, and what was written, with what it should be.

    Args:
        shop: Where it was asked for.
        workload: What was asked for; of those who buy, the first one bought.
        answer: What was answered.
        before: How many orders there were.
    """
    if workload.answer is None:
        answers.check_added(shop, answer, FIRST_BUYER, before)
    else:
        assert answer == workload.answer(shop)


def _ask(port: int, request: bytes) -> Any:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        method, path, headers, body = parts_of(request)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{answer.status}: {content[:500]!r}")
    return orjson.loads(content)


def measure(one: Measured, workload: Workload, connections: int, seconds: float) -> None:
    """Have a round."""
    server, database = one.running.server, one.running.database
    buyers = range(FIRST_BUYER, FIRST_BUYER + connections)
    sent = requests_for(one.running, workload, buyers)
    if not sent:
        return
    ours = one.running.contender is OURS
    ways = paths(one.running.port) if ours else {}
    forget_peak(server.pid)
    before = cpu_ms(server), cpu_ms(database)
    figures = load(one.running.port, sent, connections, seconds)
    after = cpu_ms(server), cpu_ms(database)
    figures["cpu_ms"] = (after[0] - before[0]) / figures["in_all"]
    figures["database_ms"] = (after[1] - before[1]) / figures["in_all"]
    figures["peak_mib"] = peak_mib(server.pid)
    one.rounds.setdefault(workload.title, []).append(figures)
    if ours:
        taken = one.paths.setdefault(workload.title, {})
        for way, number in paths(one.running.port).items():
            taken[way] = taken.get(way, 0) + number - ways.get(way, 0)
    if workload.answer is None:
        one.orders_answered += int(figures["in_all"])


def count(one: Measured, connections: int, rounds: int) -> str:
    """Compare the orders that were committed with those that were answered.

    Raises:
        RuntimeError: there are fewer, or more than there were requests.
    """
    committed = answers.count_orders(one.running.shop) - one.orders_before
    sentence = f"{one.running.name}: {committed:,} committed, {one.orders_answered:,} answered"
    if not 0 <= committed - one.orders_answered <= connections * rounds:
        raise RuntimeError(sentence)
    return sentence


def table(measured: Sequence[Measured], workloads: Sequence[Workload]) -> str:
    """What was measured, in Markdown, with the ratios of ours to each, and the goals."""
    with_database = any(one.running.database for one in measured)
    titles = ["request", "contender", "requests/s", "p50, ms", "p99, ms", "CPU, ms"]
    titles += ["CPU of PostgreSQL, ms"] if with_database else []
    titles += ["peak, MiB", "ours ÷ it", "goal"]
    lines = [f"| {' | '.join(titles)} |", "|---|---|" + "---:|" * (len(titles) - 2)]
    for workload in workloads:
        of = {
            one.running.name: medians(one.rounds[workload.title])
            for one in measured
            if workload.title in one.rounds
        }
        goals = _goals(workload, of) | {
            one.running.name: one.running.contender.goal
            for one in measured
            if one.running.contender.goal
        }
        for name, figures in of.items():
            ratio = ""
            if name != OURS.name and OURS.name in of:
                ratio = f"{of[OURS.name]['per_second'] / figures['per_second']:.2f}"
            goal = goals.get(name)
            cells = [
                *(workload.title, name),
                f"{figures['per_second']:,.0f}",
                *(f"{figures['p50_ms']:.1f}", f"{figures['p99_ms']:.1f}"),
                f"{figures['cpu_ms']:.3f}",
                *([f"{figures['database_ms']:.3f}"] if with_database else []),
                *(f"{figures['peak_mib']:.0f}", ratio, f"≥ {goal:g}" if goal else ""),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _goals(workload: Workload, of: Mapping[str, Mapping[str, float]]) -> dict[str, float | None]:
    """On SQLite: what ours is to be of the limit, and of whoever is the best of the peers."""
    if LIMIT.name not in of:
        return {}
    peers = [name for name in of if name not in {OURS.name, LIMIT.name, NEWER_LIMIT.name}]
    best = max(peers, key=lambda name: of[name]["per_second"], default=None)
    return {LIMIT.name: workload.of_limit} | ({} if best is None else {best: workload.of_best})


def machine() -> dict[str, object]:
    """Where and with what it was measured."""
    model = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0]

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    return {
        "at": rfc3339(now()),
        "commit": git("rev-parse", "--short=10", "HEAD"),
        "changed": bool(git("status", "--porcelain", "--untracked-files=no")),
        "processor": model.lstrip("\t :"),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "Python's SQLite": sqlite3.sqlite_version,
        "newer SQLite": sys.modules["sqlite3"].sqlite_version,
        "load": os.getloadavg(),
    }


def main() -> None:
    """Measure, print a Markdown table, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="contenders whose names have it")
    parser.add_argument("--engine", choices=["sqlite", "postgresql"], default="sqlite")
    options = parser.parse_args()
    on_sqlite = options.engine == "sqlite"
    chosen = [
        one
        for one in (ON_SQLITE if on_sqlite else ON_POSTGRESQL)
        if not options.only or any(part in one.name for part in options.only)
    ]
    if any(one.needs_node for one in chosen) and not install_node_packages():
        chosen = [one for one in chosen if not one.needs_node]
    where = machine()
    with ExitStack() as stack:
        server = None if on_sqlite else stack.enter_context(postgresql())
        measured = list(_started(stack, chosen, server))
        for one in measured:
            for workload in WORKLOADS:
                check(one.running, workload)
            one.orders_answered += 1
        for number in range(options.rounds):
            turn = number % len(measured)
            for workload in WORKLOADS:
                for one in (*measured[turn:], *measured[:turn]):
                    _say(f"Round {number + 1}: {workload.title}: {one.running.name}")
                    measure(one, workload, options.connections, options.seconds)
        counts = [count(one, options.connections, options.rounds) for one in measured]
    print(
        f"{where['processor']}; the server has one core, the load another;"
        f" {options.connections} connections; medians of {options.rounds} rounds of"
        f" {options.seconds:g} s; commit {where['commit']}, {where['at']}.\n"
    )
    print(table(measured, WORKLOADS))
    print(f"\nOrders: {'; '.join(counts)}.")
    for one in measured:
        for title, ways in one.paths.items():
            taken = ", ".join(f"{number:,} {way}" for way, number in ways.items() if number)
            print(f"Operations of {one.running.name}, {title}: {taken or 'none'}.")
    _write(where, vars(options), measured, counts)


def _started(
    stack: ExitStack, chosen: Sequence[Contender], server: Server | None
) -> Iterator[Measured]:
    core = frozenset({min(os.sched_getaffinity(0))})
    for number, contender in enumerate(chosen):
        shop = (
            copied_in_sqlite(ORDERS)
            if server is None
            else server.copied(ORDERS, f"compare_{number}")
        )
        database = None if server is None else psutil.Process(server.pid)
        one = stack.enter_context(running(contender, shop, core, database))
        yield Measured(one, answers.count_orders(one.shop))


def _write(
    where: Mapping[str, object],
    options: Mapping[str, object],
    measured: Sequence[Measured],
    counts: Sequence[str],
) -> None:
    content = {
        **where,
        "options": options,
        "orders": counts,
        "paths": {one.running.name: one.paths for one in measured if one.paths},
        "rounds": {one.running.name: one.rounds for one in measured},
        "medians": {
            one.running.name: {title: medians(some) for title, some in one.rounds.items()}
            for one in measured
        },
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{options['engine']}-{str(where['at'])[:19].replace(':', '')}.json"
    path.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
    _say(f"All figures are in {path.relative_to(ROOT)}.")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
