"""What reading from a replica costs: two PostgreSQL servers, and the service with and without one.

    .venv/bin/python -m bench.replica [--seconds 3] [--rounds 3]

All of it runs on this one machine, so the replica takes no work off the primary here: only the
ratios say something. The median of the rounds is printed.
"""

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import orjson
import psutil

from app.db import migrations
from app.db.engine import open_database
from app.domain.order import EventSource, NewItem, NewOrder, ShippingMethod
from app.services.auth import Authenticator
from app.services.order_placing import placing
from tests.servers import PostgresServer
from tests.shop import LAMP, STOOL, TABLE, fill_shop

ROOT = Path(__file__).resolve().parent.parent
ORDERS = 100
COMMITS = 300
WRITES_PER_S = 50
_WARM_UP_S = 1
_NEW = NewOrder(
    [NewItem(product, 2, ShippingMethod.REGULAR) for product in (TABLE, STOOL, LAMP)], "1 Main St"
)
_ONE_ORDER = """query ($id: ID!) { order(id: $id) { id number status address createdAt version
  total { amount currencyCode }
  items { id name quantity shipping unitPrice { amount currencyCode } } } }"""


async def fill(url: str) -> tuple[str, str, str]:
    """A shop with some orders: the key of a customer, that of another, and an order's id."""
    await migrations.migrate(url)
    database = open_database(url)
    keys = await fill_shop(database)
    await _write(url, keys["customer"], ORDERS)
    async with database.read() as connection:
        found = await connection.exec_driver_sql("SELECT id FROM orders ORDER BY order_number")
        order_id = found.scalars().all()[ORDERS // 2]
    await database.dispose()
    return keys["customer"], keys["other"], order_id


async def _write(url: str, key: str, count: int, *, per_second: float | None = None) -> None:
    database = open_database(url)
    principal = await Authenticator(database).authenticate(key)
    for _ in range(count):
        started = time.perf_counter()
        await database.perform(lambda: placing(principal, _NEW, source=EventSource.GRAPHQL))
        if per_second:
            await asyncio.sleep(max(0, 1 / per_second - (time.perf_counter() - started)))
    await database.dispose()


async def lag(primary: PostgresServer, standby: PostgresServer) -> tuple[Sequence[float], int]:
    """How long after a commit the replica has it, in ms; and how often not at once."""
    one = await asyncpg.connect(primary.url(driver=False))
    two = await asyncpg.connect(standby.url(driver=False))
    await one.execute("CREATE TABLE commits (n int)")
    await asyncio.sleep(0.5)
    waits = []
    stale = 0
    for number in range(COMMITS):
        await one.execute("INSERT INTO commits VALUES ($1)", number)
        committed = time.perf_counter()
        found = await two.fetchval("SELECT count(*) FROM commits")
        stale += found <= number
        while found <= number:
            found = await two.fetchval("SELECT count(*) FROM commits")
        waits.append((time.perf_counter() - committed) * 1_000)
    for connection in (one, two):
        await connection.close()
    return sorted(waits), stale


@dataclass(frozen=True, slots=True)
class Service:
    """A running service."""

    process: psutil.Process
    port: int

    def cpu_s(self) -> float:
        """The processor's time that it has taken."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def load(self, key: str, order_id: str, connections: int, seconds: float) -> dict[str, float]:
        """Ask for one order, again and again. What else runs here hardly matters to `cpu_ms`."""
        before = self.cpu_s()
        found = load(self.port, key, order_id, connections, seconds)
        cpu_ms = (self.cpu_s() - before) / found["in_all"] * 1_000
        return {**found, "cpu_ms": round(cpu_ms, 3)}


@contextmanager
def serving(folder: Path, **environment: str) -> Iterator[Service]:
    """The service in a process."""
    log = folder / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", "serve", "--port", "0"],
            cwd=folder,
            env={
                "PYTHONPATH": str(ROOT),
                "PATH": os.defpath,
                "ORDERS_LOG_LEVEL": "warning",
                "ORDERS_COST_BUDGET": "0",
                **environment,
            },
            stdout=output,
            stderr=output,
        )
    try:
        while not (found := re.search(r"http://127\.0\.0\.1:(\d+)", log.read_text())):
            if process.poll() is not None:
                raise RuntimeError(log.read_text())
            time.sleep(0.05)
        yield Service(psutil.Process(process.pid), int(found[1]))
    finally:
        process.terminate()
        process.wait(30)
        for line in log.read_text().splitlines():
            if "replica" in line:
                print(line, file=sys.stderr)


def load(port: int, key: str, order_id: str, connections: int, seconds: float) -> dict[str, float]:
    """One order, again and again."""
    body = orjson.dumps({"query": _ONE_ORDER, "variables": {"id": order_id}})
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    job = {
        "host": "127.0.0.1",
        "port": port,
        "requests": [head + body.decode()],
        "connections": connections,
        "warm_up_s": _WARM_UP_S,
        "run_s": seconds,
    }
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        cwd=ROOT,
        input=orjson.dumps(job),
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    found: dict[str, float] = orjson.loads(done.stdout)
    return found


def statements(server: PostgresServer) -> int:
    """How many transactions the server has done, and so how many reads."""
    time.sleep(1.2)  # until it has counted those of connections that are idle now
    return int(server.run_sql("SELECT sum(xact_commit) FROM pg_stat_database"))


def main() -> None:
    """Measure and print Markdown tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        primary = PostgresServer.create(durable=True)
        standby = primary.standby()
        stack.callback(standby.destroy)
        stack.callback(primary.destroy)
        waits, stale = asyncio.run(lag(primary, standby))
        print(
            f"Lag after {COMMITS} commits: {waits[COMMITS // 2]:.2f} ms in the middle,"
            f" {waits[COMMITS * 99 // 100]:.2f} ms at p99; not there at once: {stale}.\n"
        )
        primary.run_sql("CREATE DATABASE shop")
        url, replica_url = primary.url("shop"), standby.url("shop")
        key, writer_key, order_id = asyncio.run(fill(url))
        services = {}
        for name, more in (
            ("primary", {}),
            ("replica", {"ORDERS_DATABASE_REPLICA_URL": replica_url}),
        ):
            own = folder / name
            own.mkdir()
            services[name] = stack.enter_context(serving(own, ORDERS_DATABASE_URL=url, **more))
        print(
            "| clients | orders placed meanwhile | reads from | requests/s | p50, ms | p99, ms"
            " | CPU of the service, ms a request |\n|---:|---|---|---:|---:|---:|---:|"
        )
        for connections in (1, 32):
            for writing in (False, True):
                _measure(options, services, (url, key, writer_key, order_id), connections, writing)
        print("\n| 32 clients read from | statements of the primary | of the replica |")
        print("|---|---:|---:|")
        for name, service in services.items():
            before = statements(primary), statements(standby)
            found = service.load(key, order_id, 32, options.seconds)
            after = statements(primary), statements(standby)
            each = [(b - a) / found["in_all"] for a, b in zip(before, after, strict=True)]
            print(f"| {name} | {each[0]:.2f} a request | {each[1]:.2f} a request |")


def _measure(
    options: argparse.Namespace,
    services: dict[str, Service],
    shop: tuple[str, str, str, str],
    connections: int,
    writing: bool,
) -> None:
    url, key, writer_key, order_id = shop
    found: dict[str, list[dict[str, float]]] = {name: [] for name in services}
    for _ in range(options.rounds):
        for name, service in services.items():
            writer = _writer(url, writer_key, options.seconds + 2) if writing else None
            found[name].append(service.load(key, order_id, connections, options.seconds))
            if writer is not None:
                writer.wait(60)
    for name, rounds in found.items():
        medians = [
            statistics.median(one[figure] for one in rounds)
            for figure in ("per_second", "p50_ms", "p99_ms", "cpu_ms")
        ]
        placed = f"{WRITES_PER_S}/s" if writing else "none"
        figures = " | ".join(f"{median:g}" for median in medians)
        print(f"| {connections} | {placed} | {name} | {figures} |", flush=True)


def _writer(url: str, key: str, seconds: float) -> subprocess.Popen[bytes]:
    code = (
        "import asyncio; from bench.replica import _write;"
        f"asyncio.run(_write({url!r}, {key!r}, {round(seconds * WRITES_PER_S)},"
        f" per_second={WRITES_PER_S}))"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)


if __name__ == "__main__":
    main()
