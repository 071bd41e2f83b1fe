"""Databases for tests, on each engine: migrated and empty, as many as are asked for."""

import asyncio
import os
import shutil
import sqlite3
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from app.db import migrations, tables

T = TypeVar("T")


def sqlite_url(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


class Databases(ABC):
    """Where databases of one engine come from."""

    name: str

    @abstractmethod
    @contextmanager
    def empty(self) -> Iterator[str]:
        """The URL of a database without tables."""

    @abstractmethod
    @contextmanager
    def fresh(self, *, spoilt: bool = False) -> Iterator[str]:
        """The URL of a migrated database without rows.

        `spoilt` says that its tables may be others afterwards, so that it can't be used again.
        """

    @abstractmethod
    def run(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement past the application, and commit."""

    @abstractmethod
    @contextmanager
    def for_folder(self, folder: Path, *, migrated: bool = True) -> Iterator["Home"]:
        """A database without rows, or without tables, for programs that run in a folder."""

    @abstractmethod
    def empty_again(self, url: str) -> None:
        """Remove all tables, or the database, if that is for the application to make."""

    @abstractmethod
    def is_in_use(self, url: str) -> bool:
        """Whether somebody is connected."""

    @abstractmethod
    def wait_until_left(self, url: str) -> None:
        """Wait until nobody is connected, who may have been killed a moment ago.

        Raises:
            AssertionError: somebody stays.
        """

    @abstractmethod
    def keep_changes_out(self, url: str, *tables: str) -> Callable[[], None]:
        """Let nobody place orders as if another process did; what it returns lets them again.

        Args:
            url: The database.
            tables: What else must not be changed; SQLite keeps changes out of all tables.
        """


@dataclass(frozen=True)
class Home:
    """A database where the programs find it that run in a folder with this environment."""

    databases: Databases
    url: str
    environment: Mapping[str, str]

    def run(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute a statement past the application, and commit."""
        return self.databases.run(self.url, statement)


class SQLiteDatabases(Databases):
    """Files, each a copy of one that was migrated."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self.migrated = folder / "migrated.db"
        asyncio.run(migrations.migrate(sqlite_url(self.migrated)))

    @contextmanager
    def empty(self) -> Iterator[str]:
        folder = self._folder / str(next(self._numbers))
        folder.mkdir()
        yield sqlite_url(folder / "orders.db")
        shutil.rmtree(folder)

    @contextmanager
    def fresh(self, *, spoilt: bool = False) -> Iterator[str]:
        with self.empty() as url:
            shutil.copy(self.migrated, _path(url))
            yield url

    @contextmanager
    def for_folder(self, folder: Path, *, migrated: bool = True) -> Iterator[Home]:
        # The default of the settings. The folder is a test's own, and goes with it.
        data = folder / "data"
        home = Home(self, sqlite_url(data / "orders.db"), {})
        if not migrated:
            yield home
            return
        with self.fresh() as url:
            data.symlink_to(_path(url).parent)
            yield home

    def empty_again(self, url: str) -> None:
        path = _path(url)
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()

    def is_in_use(self, url: str) -> bool:
        return Path(f"{_path(url)}-wal").exists()

    def wait_until_left(self, url: str) -> None:
        """Nothing: who was killed has let go of the file."""

    def keep_changes_out(self, url: str, *tables: str) -> Callable[[], None]:
        connection = sqlite3.connect(_path(url), isolation_level=None)
        connection.execute("BEGIN IMMEDIATE")

        def let_in() -> None:
            connection.execute("ROLLBACK")
            connection.close()

        return let_in

    def run(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(_path(url))) as connection, connection:
            return connection.execute(statement).fetchall()


def _path(url: str) -> Path:
    return Path(url.removeprefix(sqlite_url(Path())[:-1]))


def folder_in_memory() -> Path | None:
    """Where files need no disk, if there is such a place and it is not small.

    Each commit waits until SQLite's file is on the disk, and no test here takes the power away.
    """
    memory = Path("/dev/shm")  # noqa: S108 (folders with names of their own are made in it)
    is_large = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    return memory if is_large and os.access(memory, os.W_OK) else None


class PostgreSQLDatabases(Databases):
    """Databases of one server, each made from a template that was migrated.

    Making one costs more than deleting what a test has left, so they are used again.
    """

    name = "postgresql"

    def __init__(self, url: str, prefix: str) -> None:
        self._server = url.rpartition("/")[0]
        self._prefix = prefix
        self._numbers = count()
        self._clean: list[str] = []
        self._admin = _Admin(url)
        self._template = self._create("template0")
        asyncio.run(migrations.migrate(self._url(self._template)))

    def close(self) -> None:
        for name in [self._template, *self._clean]:
            self._drop(name)
        self._admin.close()

    @contextmanager
    def empty(self) -> Iterator[str]:
        name = self._create("template0")
        url = self._url(name)
        try:
            yield url
            self.wait_until_left(url)
        finally:
            self._drop(name)

    @contextmanager
    def fresh(self, *, spoilt: bool = False) -> Iterator[str]:
        name = self._clean.pop() if self._clean else self._create(self._template)
        url = self._url(name)
        try:
            yield url
            self._admin.when_left(url, "" if spoilt else _CLEAN)
        except BaseException:
            # Who knows what is in it, and who is connected.
            spoilt = True
            raise
        finally:
            if spoilt:
                self._drop(name)
            else:
                self._clean.append(name)

    @contextmanager
    def for_folder(self, folder: Path, *, migrated: bool = True) -> Iterator[Home]:
        with self.fresh() if migrated else self.empty() as url:
            yield Home(self, url, {"ORDERS_DATABASE_URL": url})

    def empty_again(self, url: str) -> None:
        self._admin.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public", url)

    def is_in_use(self, url: str) -> bool:
        return bool(self.run(url, _OTHERS))

    def wait_until_left(self, url: str) -> None:
        self._admin.when_left(url)

    def keep_changes_out(self, url: str, *tables: str) -> Callable[[], None]:
        locked = ", ".join(("order_counters", *tables))
        return self._admin.hold(f"LOCK TABLE {locked} IN EXCLUSIVE MODE", url)

    def run(self, url: str, statement: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in self._admin.execute(statement, url)]

    def _url(self, name: str) -> str:
        return f"{self._server}/{name}"

    def _create(self, template: str) -> str:
        name = f"{self._prefix}{next(self._numbers)}"
        self._admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} ENCODING 'UTF8'")
        return name

    def _drop(self, name: str) -> None:
        self._admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


_SECONDS_TO_LEAVE = 20
_OTHERS = (
    "SELECT pid, application_name, state, query FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend'"
)
_CLEAN = "; ".join(
    [
        *(f"DELETE FROM {table.name}" for table in reversed(tables.metadata.sorted_tables)),
        "ALTER SEQUENCE order_events_seq_seq RESTART",
        "ALTER SEQUENCE order_words_seq_seq RESTART",
    ]
)


class _Admin:
    """The server as its owner has it, asked on an event loop of its own, and so from anywhere."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def execute(self, statement: str, url: str = "") -> list[Any]:
        return self._wait(self._execute(statement, url or self._url))

    def when_left(self, url: str, statement: str = "") -> None:
        """Wait until nobody else is connected, then execute the statement, if there is one.

        Raises:
            AssertionError: somebody stays.
        """
        self._wait(self._when_left(url, statement))

    def hold(self, statement: str, url: str) -> Callable[[], None]:
        """Execute a statement in a transaction that stays open until the returned is called."""
        connection = self._wait(_connect(url))
        self._wait(connection.execute(f"BEGIN; {statement}"))
        return lambda: self._wait(connection.close())

    async def _execute(self, statement: str, url: str) -> list[Any]:
        connection = await _connect(url)
        try:
            if ";" in statement:
                await connection.execute(statement)
                return []
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    async def _when_left(self, url: str, statement: str) -> None:
        # One connection for both: to make one is most of the work.
        connection = await _connect(url)
        try:
            # A server process notices a moment later that its client is gone, and ends what it is
            # at.
            deadline = time.monotonic() + _SECONDS_TO_LEAVE
            while others := await connection.fetch(_OTHERS):
                assert time.monotonic() < deadline, f"connections were left open: {others}"
                await asyncio.sleep(0.005)
            if statement:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _connect(url: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(
        url.replace("+asyncpg", ""), server_settings={"lock_timeout": "10s"}
    )
