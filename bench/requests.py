"""Requests per second through both doors: one server process on one core, the load on another.

    .venv/bin/python -m bench.requests [--seconds 3] [--rounds 3] [--connections 32]

The scenarios take turns in each round; the median of the rounds is printed.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson

from bench.loading import make_shop, sqlite_url
from bench.shop import BenchShop

ROOT = Path(__file__).resolve().parent.parent

ONE_ORDER = """query ($id: ID!) { order(id: $id) { id number status address createdAt version
  total { amount currencyCode }
  items { id name quantity shipping unitPrice { amount currencyCode } } } }"""
PAGE = """query { orders(first: 50) { totalCount pageInfo { hasNextPage endCursor }
  nodes { id number status address createdAt version total { amount currencyCode }
    items { id name quantity shipping unitPrice { amount currencyCode } } } } }"""
TYPENAME = "{ __typename }"
ADD = """mutation ($input: AddOrderInput!) { addOrder(input: $input) {
  order { id number total { amount } } userErrors { code message } } }"""


def scenarios(shop: BenchShop) -> dict[str, bytes]:
    """The requests, by what they ask for."""
    return {
        "GET /orders/get_all, 300 rows": get_all(shop.key),
        "GraphQL, one order with 3 items": graphql(shop.key, ONE_ORDER, {"id": shop.order_id}),
        "GraphQL, 50 orders with 150 items": graphql(shop.key, PAGE, {}),
        "GraphQL, { __typename }": graphql(shop.key, TYPENAME, {}),
        "GraphQL, addOrder with 3 items": add_order(shop, shop.buyer_key),
    }


def get_all(key: str) -> bytes:
    """The request for all of one's orders, by REST."""
    return _request(key, "GET", "/orders/get_all")


def add_order(shop: BenchShop, key: str) -> bytes:
    """The request to place an order of three items."""
    return graphql(key, ADD, {"input": new_order(shop)})


def new_order(shop: BenchShop) -> dict[str, object]:
    """The order that is placed."""
    items = [
        {"productId": product, "quantity": 2, "shipping": "REGULAR"}
        for product in shop.product_ids[:3]
    ]
    return {"items": items, "address": "1 Main St, Carlton"}


def graphql(key: str, query: str, variables: dict[str, object]) -> bytes:
    """A request by GraphQL."""
    return _request(key, "POST", "/graphql", orjson.dumps({"query": query, "variables": variables}))


def _request(key: str, method: str, path: str, body: bytes = b"") -> bytes:
    return (
        f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def start_server(
    folder: Path, url: str, *, workers: int = 1, cores: frozenset[int] = frozenset({0})
) -> tuple[subprocess.Popen[bytes], int]:
    """Our server on a free port, with all of its processes on some cores, and that port."""
    return start_listening(
        [sys.executable, "-m", "app", "serve", "--port", "0", "--workers", str(workers)],
        folder,
        {
            "ORDERS_DATABASE_URL": url,
            "ORDERS_LOG_LEVEL": "warning",
            "ORDERS_COST_BUDGET": "0",
        },
        cores=cores,
    )


def start_listening(
    command: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    *,
    cores: frozenset[int],
) -> tuple[subprocess.Popen[bytes], int]:
    """Any server that says where it listens, with all of its threads and processes on some cores.

    Args:
        command: What starts it. Modules of this repository are found.
        folder: Where it runs, and its output goes.
        environment: What it is told beside `PATH`.
        cores: Where it may run.

    Returns:
        The process, and its port.
    """
    log = folder / "server.log"
    own_cores = os.sched_getaffinity(0)
    # It inherits them. Moved when it runs, it would leave threads behind that it has started.
    os.sched_setaffinity(0, cores)
    try:
        with log.open("w") as output:
            server = subprocess.Popen(
                command,
                cwd=folder,
                env={"PYTHONPATH": str(ROOT), "PATH": os.defpath, **environment},
                stdout=output,
                stderr=output,
            )
    finally:
        os.sched_setaffinity(0, own_cores)
    deadline = time.monotonic() + 30
    while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(log.read_text())
        time.sleep(0.05)
    return server, int(found[1])


def load(
    port: int,
    requests: Sequence[bytes],
    connections: int,
    seconds: float,
    *,
    warm_up_s: float = 0.7,
    cores: frozenset[int] | None = None,
) -> dict[str, float]:
    """Run the load generator, on the last core unless others are named.

    Each connection sends its own share of the requests, in turn; all of them, if there are fewer
    than connections.
    """
    cores = cores or frozenset({max(os.sched_getaffinity(0))})
    job = {
        "host": "127.0.0.1",
        "port": port,
        "requests": [request.decode() for request in requests],
        "connections": connections,
        "warm_up_s": warm_up_s,
        "run_s": seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=orjson.dumps(job),
        capture_output=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


def medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    """Of each figure, the median over some rounds."""
    return {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shop = make_shop(sqlite_url(folder / "orders.db"))
        server, port = start_server(folder, shop.url)
        found: dict[str, list[dict[str, float]]] = {}
        try:
            for _ in range(options.rounds):
                for scenario, request in scenarios(shop).items():
                    figures = load(port, [request], options.connections, options.seconds)
                    found.setdefault(scenario, []).append(figures)
        finally:
            server.terminate()
            server.wait(30)
    print("| request | requests/s | p50, ms | p99, ms |\n|---|---:|---:|---:|")
    for scenario, rounds in found.items():
        figures = medians(rounds)
        print(
            f"| {scenario} | {figures['per_second']:g} | {figures['p50_ms']:g}"
            f" | {figures['p99_ms']:g} |"
        )


if __name__ == "__main__":
    main()
