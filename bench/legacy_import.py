"""Time and peak memory of importing a dirty dump, twice: `python -m bench.legacy_import`.

Makes a dump and an empty database in bench/.data for each size, runs the command in a process of
its own as a user does, and prints a line for each run. Peak memory is that process's.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.legacy_dump import FORMS, LegacyShop

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bench" / ".data" / "legacy_import"


def orders(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Run a command; wall and CPU time in seconds, peak memory in MiB."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app", *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": os.defpath},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    started = time.perf_counter()
    _, status, used = os.wait4(process.pid, 0)
    taken = time.perf_counter() - started
    assert os.waitstatus_to_exitcode(status) == 0
    return taken, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--form", choices=FORMS, default="canonical")
    arguments = parser.parse_args()
    print("| orders | run | imported | time | CPU | orders/s | peak memory |")
    print("|---|---|---|---|---|---|---|")
    for size in arguments.sizes:
        folder = DATA / str(size)
        shutil.rmtree(folder, ignore_errors=True)
        LegacyShop(size).write(folder / "dump", arguments.form)
        orders(folder, "migrate")
        for run in ("first", "second"):
            taken, cpu, peak = orders(folder, "import", "legacy", "dump", "--report", "r.json")
            tally = json.loads((folder / "r.json").read_text())["orders"]
            print(
                f"| {size:,} | {run} | {tally['imported']:,} | {taken:.1f} s | {cpu:.1f} s"
                f" | {tally['read'] / taken:,.0f} | {peak:.0f} MiB |",
                flush=True,
            )
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
