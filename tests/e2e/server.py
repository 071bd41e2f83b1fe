"""`orders serve` in a process of its own, for tests of what only a real server can show."""

import asyncio
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.databases import sqlite_url
from tests.forked import Forked
from tests.shop import LAMP, STOOL, TABLE, open_shop

ROOT = Path(__file__).resolve().parent.parent.parent
_FILES = ("stdout.log", "stderr.log")


class Server:
    """A running `orders serve` that writes into files of the folder."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes] | Forked") -> None:
        self.process = process
        self.log = folder / _FILES[1]
        self.shown = ""
        address = None
        deadline = time.monotonic() + 60
        while address is None:
            assert self.process.poll() is None, self._written(folder)
            assert time.monotonic() < deadline, self._written(folder)
            time.sleep(0.02)
            self.shown = self._written(folder)
            address = re.search(r"http://127\.0\.0\.1:\d+(?=[/\n])", self.shown)
        self.url = address[0]

    def _written(self, folder: Path) -> str:
        return "".join((folder / name).read_text() for name in _FILES)

    def key(self, label: str) -> str:
        """One of the keys that the welcome shows."""
        found = re.search(rf"{label} +(\S+)", self.shown)
        assert found, self.shown
        return found[1]

    def stop(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextmanager
def running(folder: Path, *arguments: str, **environment: str) -> Iterator[Server]:
    """Have `orders serve` run in a folder meanwhile, forked from a process that has imported it."""
    process = Forked(_command(arguments), folder, _settings(environment), outputs=_FILES)
    with _stopped_at_last(folder, process) as server:
        yield server


@contextmanager
def started(
    folder: Path, *arguments: str, python: str | Path = sys.executable, **environment: str
) -> Iterator[Server]:
    """The same, but the program is started from nothing, as people do it.

    For what happens before it serves, what it loads, other code on its path or of another Python,
    and a server of several processes.
    """
    output, errors = (folder / name for name in _FILES)
    with output.open("w") as out, errors.open("w") as err:
        process = subprocess.Popen(
            [python, "-m", "app", *_command(arguments)],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **_settings(environment)},
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
        )
    with _stopped_at_last(folder, process) as server:
        yield server


def _command(arguments: Sequence[str]) -> list[str]:
    return ["serve", "--port", "0", *arguments]


def _settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "ORDERS_DRAIN_S": "0", **environment}


@contextmanager
def _stopped_at_last(folder: Path, process: "subprocess.Popen[bytes] | Forked") -> Iterator[Server]:
    try:
        yield Server(folder, process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


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
