"""Time and peak memory of `orders copy`, to PostgreSQL and back: `python -m bench.copying`.

Runs the command in a process of its own, as a user does, and prints a line for each run. Peak
memory is that process's; the CPU time of PostgreSQL is that of what served the command.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from bench.databases import ROOT, Server, kept_in_sqlite, postgresql
from bench.loading import sqlite_url


def _measure(server: Server, title: str, orders: int, *arguments: str) -> None:
    served = psutil.Process(server.pid)
    before = served.cpu_times()
    process = subprocess.Popen(
        [sys.executable, "-m", "app", "copy", *arguments],
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started = time.perf_counter()
    _, status, used = os.wait4(process.pid, 0)
    taken = time.perf_counter() - started
    assert os.waitstatus_to_exitcode(status) == 0
    time.sleep(0.5)  # until those who served are gone, and counted
    after = served.cpu_times()
    own = used.ru_utime + used.ru_stime
    theirs = sum(after[2:4]) - sum(before[2:4])
    print(
        f"| {orders:,} | {title} | {taken:.1f} s | {own:.1f} s | {theirs:.1f} s"
        f" | {orders / taken:,.0f} | {used.ru_maxrss / 1024:.0f} MiB |",
        flush=True,
    )


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[10_000, 100_000])
    print("| orders | what | time | CPU | CPU of PostgreSQL | orders/s | peak memory |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    with postgresql() as server:
        for orders in parser.parse_args().sizes:
            shop = kept_in_sqlite(orders)
            with server.empty("copied") as target, tempfile.TemporaryDirectory() as folder:
                back = sqlite_url(Path(folder) / "orders.db")
                there = ("--from", shop.url, "--to", target)
                _measure(server, "SQLite to PostgreSQL", orders, *there)
                _measure(server, "… with all there", orders, *there, "--resume")
                _measure(server, "… compared only", orders, *there, "--verify-only")
                _measure(server, "PostgreSQL to SQLite", orders, "--from", target, "--to", back)


if __name__ == "__main__":
    main()
