"""Send generated operations to a shop, for minutes, and hold every answer to the schema.

Reads are executed field by field, too, and must have the same answer.

    .venv/bin/python -m bench.fuzz --minutes 10 [--start 1000]

Ends with the operation and its answer when one is not as it must be. The tests do the same with two
thousand operations: `tests/graphql/fuzzing.py`.
"""

import argparse
import asyncio
import tempfile
import time
import warnings
from pathlib import Path

from structlog.testing import capture_logs

from app.db import migrations
from tests.databases import sqlite_url
from tests.graphql.fuzzing import Found, fuzz, open_both_ways

_SHAPES = 15
_FILLINGS = 8


async def run(folder: Path, minutes: float, start: int) -> Found:
    """What was found in rounds, each from its own number and in a shop of its own."""
    until = time.monotonic() + 60 * minutes
    total = Found()
    while time.monotonic() < until:
        path = folder / f"{start}.db"
        await migrations.migrate(sqlite_url(path))
        async with open_both_ways(sqlite_url(path)) as (shop, plain):
            with capture_logs() as logs:
                total += await fuzz(shop, plain, each=_SHAPES, fillings=_FILLINGS, start=start)
        wrong = [entry for entry in logs if entry["log_level"] != "info"]
        assert not wrong, wrong
        print(f"from {start}: {total.operations} operations so far", flush=True)
        start += 1
    return total


def main() -> None:
    """Run and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--start", type=int, default=1000, help="the number to generate from")
    arguments = parser.parse_args()
    warnings.simplefilter("error")  # as in the tests
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(Path(folder), arguments.minutes, arguments.start))
    print(
        f"{found.operations} operations, {found.with_data} of them answered with data;"
        f" {found.mutations} mutations, {found.changes} changes;"
        f" {found.refused_documents} invalid documents refused"
    )
    print(f"errors by code: {dict(found.codes)}")
    print(f"user errors by code: {dict(found.user_errors)}")


if __name__ == "__main__":
    main()
