"""Shops of several sizes on each engine, made once and kept in bench/.data for the next time.

They are made anew when what makes them has changed: the shop's rows, the tables, the loading.
Measurements that write get a copy, so that each begins with the same.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.db.migrating import scripts_folder
from bench.loading import make_shop, sqlite_url
from bench.shop import BenchShop
from tests.servers import PostgresServer

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "bench" / ".data" / "shops"
# As a server's owner sets them up; what is not named here is PostgreSQL's own.
_SETTINGS = {"shared_buffers": "1GB", "max_wal_size": "4GB"}


def _folder() -> Path:
    """Where shops lie that are made as they are now; others are removed."""
    folder = ROOT / "bench"
    makers = [folder / "shop.py", folder / "loading.py", *sorted(scripts_folder().rglob("*.py"))]
    content = b"".join([repr(_SETTINGS).encode(), *(file.read_bytes() for file in makers)])
    kept = DATA / hashlib.sha256(content).hexdigest()[:12]
    for other in DATA.glob("*"):
        if other != kept:
            shutil.rmtree(other)
    kept.mkdir(parents=True, exist_ok=True)
    return kept


def kept_in_sqlite(orders: int) -> BenchShop:
    """The shop in a file, to be read only."""
    path = _folder() / f"{orders}.db"
    if not path.exists():
        _say(f"Making {orders:,} orders in SQLite ...")
        fresh = path.with_suffix(".new")
        for file in fresh.parent.glob(f"{fresh.name}*"):
            file.unlink()
        make_shop(sqlite_url(fresh), orders)
        fresh.rename(path)
    return BenchShop(sqlite_url(path), orders)


@contextmanager
def copied_in_sqlite(orders: int) -> Iterator[BenchShop]:
    """A copy of the shop to write to, on the same disk as all the others."""
    source = Path(kept_in_sqlite(orders).url.removeprefix(sqlite_url(Path())[:-1]))
    with tempfile.TemporaryDirectory(dir=DATA.parent) as name:
        path = Path(name) / "orders.db"
        shutil.copy(source, path)
        yield BenchShop(sqlite_url(path), orders)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


class Server:
    """A PostgreSQL server whose databases are kept."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server

    @property
    def pid(self) -> int:
        """Its first process, whose children serve the connections."""
        return self._server.pid

    def kept(self, orders: int) -> BenchShop:
        """The shop in a database, to be read only."""
        name = f"shop_{orders}"
        if name not in self._ask("SELECT datname FROM pg_database").splitlines():
            _say(f"Making {orders:,} orders in PostgreSQL ...")
            self._ask("DROP DATABASE IF EXISTS making WITH (FORCE)")
            self._ask("CREATE DATABASE making TEMPLATE template0")
            make_shop(self._server.url("making"), orders)
            self._ask(f"ALTER DATABASE making RENAME TO {name}")
        return BenchShop(self._server.url(name), orders)

    @contextmanager
    def copied(self, orders: int, name: str) -> Iterator[BenchShop]:
        """A copy of the shop to write to."""
        self.kept(orders)
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._ask(f"CREATE DATABASE {name} TEMPLATE shop_{orders}")
        yield BenchShop(self._server.url(name), orders)
        self._ask(f"DROP DATABASE {name} WITH (FORCE)")

    @contextmanager
    def empty(self, name: str) -> Iterator[str]:
        """The URL of a database without tables."""
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._ask(f"CREATE DATABASE {name} TEMPLATE template0")
        yield self._server.url(name)
        self._ask(f"DROP DATABASE {name} WITH (FORCE)")

    def _ask(self, statement: str) -> str:
        return self._server.run_sql(statement)


@contextmanager
def postgresql() -> Iterator[Server]:
    """The server, as long as it is needed."""
    server = PostgresServer.keep(_folder() / "postgresql", settings=_SETTINGS)
    with server:
        yield Server(server)
        server.stop()
