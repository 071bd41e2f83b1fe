"""`orders serve` in a process of its own, for tests of what only a real server can show."""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.databases import sqlite_url
from tests.shop import LAMP, STOOL, TABLE, open_shop

ROOT = Path(__file__).resolve().parent.parent.parent


class Server:
    """A running `orders serve`, by default of this checkout."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        python: str | Path = sys.executable,
        **environment: str,
    ) -> None:
        self.log = folder / "stderr.log"
        with (folder / "stdout.log").open("w") as output, self.log.open("w") as errors:
            self.process = subprocess.Popen(
                [python, "-m", "app", "serve", "--port", "0", *arguments],
                cwd=folder,
                env={
                    "PYTHONPATH": str(ROOT),
                    "PATH": "/usr/bin:/bin",
                    "PYTHONUNBUFFERED": "1",
                    "ORDERS_DRAIN_S": "0",
                    **environment,
                },
                stdout=output,
                stderr=errors,
                stdin=subprocess.DEVNULL,
            )
        self.shown = ""
        address = None
        deadline = time.monotonic() + 30
        while address is None:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
            self.shown = (folder / "stdout.log").read_text() + self.log.read_text()
            address = re.search(r"http://127\.0\.0\.1:\d+(?=[/\n])", self.shown)
        self.url = address[0]

    def key(self, label: str) -> str:
        """One of the keys that the welcome shows."""
        found = re.search(rf"{label} +(\S+)", self.shown)
        assert found, self.shown
        return found[1]

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(
    folder: Path, *arguments: str, python: str | Path = sys.executable, **environment: str
) -> Iterator[Server]:
    server = Server(folder, *arguments, python=python, **environment)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def filled(folder: Path, migrated: Path) -> Mapping[str, str]:
    """Put a small shop with orders where a server in this folder looks, and return its keys."""
    path = folder / "data" / "orders.db"
    path.parent.mkdir()
    shutil.copy(migrated, path)

    return fill(sqlite_url(path))


def fill(url: str) -> Mapping[str, str]:
    """Put a small shop with orders into a migrated, empty database, and return its keys."""

    async def do() -> Mapping[str, str]:
        async with open_shop(url) as shop:
            await shop.add(TABLE, STOOL)
            await shop.add(LAMP)
            await shop.add(TABLE, key="other")
            return shop.keys

    return asyncio.run(do())
