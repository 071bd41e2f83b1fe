"""A server with several processes, and connections to each of them."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import psutil

from app.db.engine import open_database
from tests.e2e.server import Server, started
from tests.shop import fill_shop

_STARTED = re.compile(r"Started server process \[(\d+)\]")
_READY = "Application startup complete"
_SECONDS = 120


class Workers:
    """A running `orders serve --workers N`."""

    def __init__(self, server: Server, number: int) -> None:
        self.server = server
        self._number = number
        self._starts = 0
        self.wait_for_starts(number)

    @property
    def pids(self) -> list[int]:
        """The processes that serve now, oldest first."""
        pids = map(int, _STARTED.findall(self.server.log.read_text()))
        return [pid for pid in pids if psutil.pid_exists(pid)]

    def wait_for_starts(self, number: int) -> None:
        """Wait until so many more processes serve."""
        self._starts += number
        deadline = time.monotonic() + _SECONDS
        while (said := self._said()).count(_READY) < self._starts:
            assert self.server.process.poll() is None, said
            assert time.monotonic() < deadline, said
            time.sleep(0.02)
        assert len(self.pids) == self._number

    def _said(self) -> str:
        """The log without requests."""
        lines = self.server.log.read_text().splitlines(keepends=True)
        return "".join(line for line in lines if '"event": "request"' not in line)

    @asynccontextmanager
    async def clients(self) -> AsyncGenerator[list[httpx.AsyncClient]]:
        """A client of each process, with one connection that leads there."""
        async with AsyncExitStack() as stack:
            found = []
            for pid in self.pids:
                client = httpx.AsyncClient(
                    base_url=self.server.url,
                    limits=httpx.Limits(max_connections=1),
                    timeout=_SECONDS,
                )
                await stack.enter_async_context(client)
                # Whoever stands still takes no connection.
                with _standing_still(other for other in self.pids if other != pid):
                    assert (await client.get("/healthz")).status_code == 200
                found.append(client)
            yield found


@contextmanager
def _standing_still(pids: Iterator[int]) -> Iterator[None]:
    stopped = list(pids)
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def working(folder: Path, url: str, number: int, **environment: str) -> Iterator[Workers]:
    """A server of several processes over a database."""
    arguments = ("--workers", str(number))
    with started(folder, *arguments, ORDERS_DATABASE_URL=url, **environment) as server:
        workers = Workers(server, number)
        try:
            yield workers
        finally:
            # Without their parent they would go on.
            if server.process.poll() is None:
                server.stop(signal.SIGINT)


def fill(url: str) -> Mapping[str, str]:
    """Put a small shop into a migrated, empty database, and return its keys."""

    async def run() -> Mapping[str, str]:
        database = open_database(url)
        try:
            return await fill_shop(database)
        finally:
            await database.dispose()

    return asyncio.run(run())
