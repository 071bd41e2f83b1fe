"""How long a server takes until it answers, and what it holds in memory then.

    .venv/bin/python -m bench.start [--beside ../another-checkout] [--rounds 7] [--workers 1]

From starting the program to the first 200 of `/healthz`, and the first read and write after that.
With another checkout the two take turns, as the machine is not equally fast at all times; so does
`import sqlalchemy, strawberry, pydantic` alone, which no change here makes faster. Both have their
bytecode, as pip leaves it; `--without-bytecode` measures as if there was none of the service's.
"""

import argparse
import compileall
import http.client
import os
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import orjson
import psutil

from bench.databases import ROOT
from bench.engines import cpu_ms
from bench.loading import make_shop, sqlite_url
from bench.memory import held_mib
from bench.requests import ADD, PAGE, new_order
from bench.shop import BenchShop

_ORDERS = 400
_LOOK_EVERY_S = 0.005
_YARDSTICK = "import sqlalchemy, strawberry, pydantic"


def _copied(checkout: Path, folder: Path, *, with_bytecode: bool) -> Path:
    """What of a checkout runs, with or without bytecode, whatever there is beside its source."""
    for part in ("app", "alembic"):
        shutil.copytree(
            checkout / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
        )
    if with_bytecode:
        compileall.compile_dir(folder, quiet=1)
    return folder


def _measure(code: Path, url: str, shop: BenchShop, workers: int) -> Mapping[str, float]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    environment = {
        "PATH": os.defpath,
        "PYTHONPATH": str(code),
        "PYTHONDONTWRITEBYTECODE": "1",
        "ORDERS_DATABASE_URL": url,
        "ORDERS_DRAIN_S": "0",
        "ORDERS_LOG_LEVEL": "warning",
    }
    began = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-m", "app", "serve", "--port", str(port), "--workers", str(workers)],
        cwd=code,
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while not _is_alive(connection):
            assert server.poll() is None, "the server has ended"
            time.sleep(_LOOK_EVERY_S)
        measured = {"until /healthz, ms": 1_000 * (time.perf_counter() - began)}
        process = psutil.Process(server.pid)
        measured["processor, ms"] = cpu_ms(process)
        # Of several the largest: the others may still be importing.
        measured["memory, MiB"] = max(held_mib(one.pid) for one in process.children() or [process])
        measured["first page, ms"] = _ask(connection, shop, PAGE, {})
        measured["first order placed, ms"] = _ask(connection, shop, ADD, {"input": new_order(shop)})
        return measured
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def _is_alive(connection: http.client.HTTPConnection) -> bool:
    try:
        connection.request("GET", "/healthz")
        response = connection.getresponse()
        response.read()
    except OSError:
        connection.close()
        return False
    return response.status == http.client.OK


def _ask(
    connection: http.client.HTTPConnection,
    shop: BenchShop,
    query: str,
    variables: Mapping[str, object],
) -> float:
    body = orjson.dumps({"query": query, "variables": variables})
    headers = {"Authorization": shop.key_of(1), "Content-Type": "application/json"}
    began = time.perf_counter()
    connection.request("POST", "/graphql", body, headers)
    answer = orjson.loads(connection.getresponse().read())
    took_ms = 1_000 * (time.perf_counter() - began)
    assert "errors" not in answer, answer
    return took_ms


def _yardstick_ms() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _YARDSTICK], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1_000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def _show(title: str, rounds: Sequence[Mapping[str, float]]) -> None:
    print(title)
    for what in rounds[0]:
        values = sorted(one[what] for one in rounds)
        middle = statistics.median(values)
        print(f"  {what:24} {middle:8.1f}   ({values[0]:.1f} to {values[-1]:.1f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--beside", type=Path, help="another checkout to take turns with")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--without-bytecode", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        url = sqlite_url(folder / "orders.db")
        shop = make_shop(url, _ORDERS)
        code = {
            str(checkout): _copied(
                checkout, folder / str(number), with_bytecode=not arguments.without_bytecode
            )
            for number, checkout in enumerate([ROOT, *filter(None, [arguments.beside])])
        }
        rounds: dict[str, list[Mapping[str, float]]] = {name: [] for name in code}
        yardstick = []
        for copied in code.values():
            _measure(copied, url, shop, arguments.workers)  # has the files in memory
        for number in range(arguments.rounds):
            yardstick.append({"processor, ms": _yardstick_ms()})
            for name in [*code][:: 1 if number % 2 else -1]:
                rounds[name].append(_measure(code[name], url, shop, arguments.workers))
        for name, measured in rounds.items():
            _show(name, measured)
        _show(_YARDSTICK, yardstick)


if __name__ == "__main__":
    main()
