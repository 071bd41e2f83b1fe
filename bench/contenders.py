"""Who is measured beside whom: each contender's server, on a copy of the same shop.

Contenders in JavaScript run on a Node of their own, which comes with their packages.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TypeAlias

import psutil

from app.db.sqlite import URL_PREFIX
from bench.databases import ROOT
from bench.requests import start_listening, start_server
from bench.shop import BenchShop

PEERS = ROOT / "bench" / "peers"

_PACKAGES = PEERS / "node_modules"

Started: TypeAlias = tuple[subprocess.Popen[bytes], int]
"""A server process, and its port."""


@dataclass(frozen=True, slots=True)
class Contender:
    """Who can be measured.

    Args:
        name: What it is called in tables.
        start: Starts it in a folder, on a shop, on some cores.
        needs_node: Whether it is of JavaScript.
        has_own_schema: Whether it is asked in its own words, those of `bench.postgraphile`.
        goal: Ours is to answer so many times as many requests, whatever they are for.
    """

    name: str
    start: Callable[[Path, BenchShop, frozenset[int]], Started]
    needs_node: bool = False
    has_own_schema: bool = False
    goal: float | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A contender that is served, alone on its shop."""

    contender: Contender
    shop: BenchShop
    port: int
    server: psutil.Process
    database: psutil.Process | None = None

    @property
    def name(self) -> str:
        """For the table."""
        return self.contender.name


def _ours(folder: Path, shop: BenchShop, cores: frozenset[int]) -> Started:
    return start_server(folder, shop.url, cores=cores)


def _in_python(module: str) -> Callable[[Path, BenchShop, frozenset[int]], Started]:
    def start(folder: Path, shop: BenchShop, cores: frozenset[int]) -> Started:
        command = [sys.executable, "-m", f"bench.peers.{module}", _place(shop)]
        return start_listening(command, folder, {}, cores=cores)

    return start


def _in_javascript(script: str) -> Callable[[Path, BenchShop, frozenset[int]], Started]:
    def start(folder: Path, shop: BenchShop, cores: frozenset[int]) -> Started:
        command: list[str | Path] = [_node(), PEERS / script, _place(shop)]
        return start_listening(command, folder, {"NODE_ENV": "production"}, cores=cores)

    return start


def paths(port: int) -> dict[str, int]:
    """How many operations ours has answered in each of its ways, by its own count.

    Raises:
        RuntimeError: it does not count them.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    found = re.findall(
        r'^orders_graphql_operations_total\{way="(\w+)"\} (\S+)$', text, re.MULTILINE
    )
    if not found:
        raise RuntimeError("there are no counts of operations at /metrics")
    return {way: int(float(count)) for way, count in found}


def _node() -> Path:
    # The one for this platform: it alone is installed.
    (node,) = _PACKAGES.glob("node-*/bin/node")
    return node


def _place(shop: BenchShop) -> str:
    """Where the shop is, as everybody's drivers understand it: a path, or PostgreSQL's URL."""
    return shop.url.removeprefix(URL_PREFIX).replace("+asyncpg", "")


OURS = Contender("ours", _ours)
LIMIT = Contender("the limit", _in_python("limit"))
NEWER_LIMIT = Contender("the limit, newer SQLite", _in_python("limit_newer"))
ON_SQLITE = (
    OURS,
    LIMIT,
    NEWER_LIMIT,
    Contender("Mercurius + jit", _in_javascript("mercurius.mjs"), needs_node=True),
    Contender("Yoga + graphql-jit", _in_javascript("yoga.mjs"), needs_node=True),
    Contender("stock Strawberry", _in_python("stock")),
)
"""All on SQLite. Ours commits with `synchronous=FULL`, the others with NORMAL."""
ON_POSTGRESQL = (
    OURS,
    Contender("Mercurius + jit", _in_javascript("mercurius.mjs"), needs_node=True, goal=1.2),
    Contender(
        "PostGraphile",
        _in_javascript("postgraphile.mjs"),
        needs_node=True,
        has_own_schema=True,
        goal=2,
    ),
)
"""All on databases of one server of PostgreSQL, which runs wherever there is room."""


def install_node_packages() -> bool:
    """Install what the contenders in JavaScript need, unless it is there.

    Returns:
        Whether they can be started.
    """
    if shutil.which("npm") is None:
        print("npm was not found: only the contenders in Python are measured.", file=sys.stderr)
        return False
    lock = PEERS / "package-lock.json"
    stamp = _PACKAGES / ".installed"
    if stamp.exists() and stamp.read_bytes() == lock.read_bytes():
        return True
    print("Installing the contenders in JavaScript into bench/peers ...", file=sys.stderr)
    # Without scripts: what they would compile or fetch is in the packages already.
    subprocess.run(
        ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=PEERS,
        check=True,
        stdout=sys.stderr,
    )
    stamp.write_bytes(lock.read_bytes())
    return True


@contextmanager
def running(
    contender: Contender,
    shop: AbstractContextManager[BenchShop],
    cores: frozenset[int],
    database: psutil.Process | None = None,
) -> Iterator[Running]:
    """The contender, as long as it is needed."""
    with shop as own, tempfile.TemporaryDirectory() as name:
        server, port = contender.start(Path(name), own, cores)
        try:
            yield Running(contender, own, port, psutil.Process(server.pid), database)
        finally:
            server.terminate()
            server.wait(30)
