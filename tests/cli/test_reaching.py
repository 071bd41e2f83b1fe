"""How commands begin on a PostgreSQL server: it may not be there yet, or refuse."""

import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from app.db.migrations import NEWEST
from tests.cli.test_commands import Terminal
from tests.e2e.server import running
from tests.forked import Forked
from tests.servers import PostgresServer

ODD = "a/b?c#d@e%f:g h&i"
START = "start the server there, or correct ORDERS_DATABASE_URL"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.create(settings={"max_connections": "20"}) as created:
        created.run_sql("CREATE ROLE clerk LOGIN PASSWORD 'right'")
        created.run_sql("CREATE ROLE full LOGIN CONNECTION LIMIT 0")
        created.run_sql("CREATE DATABASE shop")
        created.run_sql(f"CREATE ROLE odd LOGIN PASSWORD '{ODD}'")
        created.run_sql("CREATE DATABASE odd OWNER odd")
        created.admit(
            "host all postgres all trust",
            "host all full all trust",
            "host shop clerk all scram-sha-256",
            "host odd odd all scram-sha-256",
            "local odd odd scram-sha-256",
        )
        created.restart()
        yield created


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    return Terminal(tmp_path)


def start(folder: Path, *arguments: str, **environment: str) -> Forked:
    settings = {"PATH": os.defpath, **environment}
    return Forked(arguments, folder, settings, outputs=(os.devnull, "said"))


def wait_for(words: str, folder: Path, process: Forked) -> str:
    deadline = time.monotonic() + 60
    while words not in (said := (folder / "said").read_text()):
        assert process.poll() is None, said
        assert time.monotonic() < deadline, said
        time.sleep(0.02)
    return said


class TestServerThatStarts:
    @pytest.fixture
    def stopped(self) -> Iterator[PostgresServer]:
        with PostgresServer.create() as created:
            created.stop()
            yield created

    @pytest.mark.parametrize(
        ("arguments", "end"),
        [
            (["migrate"], f"The database is at migration {NEWEST}."),
            (["serve", "--port", "0"], "orders-graphql listens on"),
            (["serve", "--port", "0", "--demo"], "orders-graphql"),
        ],
    )
    def test_is_waited_for(
        self, tmp_path: Path, stopped: PostgresServer, arguments: Sequence[str], end: str
    ) -> None:
        process = start(tmp_path, *arguments, ORDERS_DATABASE_URL=stopped.url())
        try:
            place = f"127.0.0.1:{stopped.port}/postgres"
            line = f"waiting for the database at {place}: connection refused\n"
            assert wait_for("waiting", tmp_path, process) == line
            stopped.start()
            if "serve" in arguments:
                wait_for("Application startup complete", tmp_path, process)
                process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
        said = (tmp_path / "said").read_text()
        assert said.startswith(line)
        assert said.count("waiting for the database") == 1
        assert end in said or "--demo" in arguments
        assert "Traceback" not in said

    @pytest.mark.parametrize("command", ["migrate", "migrate --check", "serve", "serve --demo"])
    def test_not_for_ever(self, terminal: Terminal, stopped: PostgresServer, command: str) -> None:
        said = terminal.fails(
            *command.split(),
            ORDERS_DATABASE_URL=f"postgresql://user:secret@127.0.0.1:{stopped.port}/orders",
            ORDERS_DATABASE_CONNECT_WAIT_S="0.3",
            ORDERS_PORT="0",
        )
        place = f"127.0.0.1:{stopped.port}/orders"
        assert said == (
            f"waiting for the database at {place}: connection refused\n"
            f"orders: the database at {place} can't be used: connection refused; {START}\n"
        )

    @pytest.mark.parametrize(("command", "wait_s"), [("migrate", "0"), ("users list", "600")])
    def test_not_at_all(
        self, terminal: Terminal, stopped: PostgresServer, command: str, wait_s: str
    ) -> None:
        said = terminal.fails(
            *command.split(),
            ORDERS_DATABASE_URL=stopped.url("orders"),
            ORDERS_DATABASE_CONNECT_WAIT_S=wait_s,
        )
        place = f"127.0.0.1:{stopped.port}/orders"
        assert (
            said == f"orders: the database at {place} can't be used: connection refused; {START}\n"
        )

    def test_an_interrupt_ends_the_wait(self, tmp_path: Path, stopped: PostgresServer) -> None:
        for command in ("migrate", "serve"):
            process = start(tmp_path, command, ORDERS_DATABASE_URL=stopped.url(), ORDERS_PORT="0")
            said = wait_for("waiting", tmp_path, process)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
            assert (tmp_path / "said").read_text() == said


class TestRefusal:
    """Waiting for ten minutes would change nothing, and is not done."""

    @pytest.mark.parametrize("command", ["migrate", "serve", "users list"])
    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            (
                "postgresql://clerk:secret@127.0.0.1:PORT/shop",
                "the server refuses the user or the password (password authentication failed for"
                ' user "clerk"); correct them in ORDERS_DATABASE_URL, or let them in by the'
                " server's pg_hba.conf",
            ),
            (
                "postgresql://clerk@127.0.0.1:PORT/shop?password=secret",
                "the server refuses the user or the password (password authentication failed for"
                ' user "clerk"); correct them in ORDERS_DATABASE_URL, or let them in by the'
                " server's pg_hba.conf",
            ),
            (
                "postgres://nobody:secret@127.0.0.1:PORT/shop",
                "the server refuses the user or the password (no pg_hba.conf entry for host"
                ' "127.0.0.1", user "nobody", database "shop", no encryption); correct them in'
                " ORDERS_DATABASE_URL, or let them in by the server's pg_hba.conf",
            ),
            (
                "postgresql+asyncpg://postgres:secret@127.0.0.1:PORT/none",
                'there is no such database (database "none" does not exist); create it on the'
                " server, or correct ORDERS_DATABASE_URL",
            ),
            (
                "postgresql://postgres:secret@127.0.0.1:PORT/shop?sslmode=require",
                "the server takes no TLS; switch it on there, or change sslmode in"
                " ORDERS_DATABASE_URL",
            ),
            (
                "postgresql://postgres:secret@127.0.0.1:PORT/shop?sslmode=verify-full"
                "&sslrootcert=/nowhere",
                "a file is missing (sslrootcert=/nowhere); correct ORDERS_DATABASE_URL",
            ),
            (
                "postgresql://postgres:secret@127.0.0.1:PORT/shop?colour=red",
                "the server does not know a parameter (unrecognized configuration parameter"
                ' "colour"); correct what stands after the ? of ORDERS_DATABASE_URL',
            ),
        ],
    )
    def test_is_told_at_once(
        self, server: PostgresServer, terminal: Terminal, command: str, url: str, reason: str
    ) -> None:
        url = url.replace("PORT", str(server.port))
        said = terminal.fails(
            *command.split(),
            ORDERS_DATABASE_URL=url,
            ORDERS_DATABASE_CONNECT_WAIT_S="600",
            ORDERS_PORT="0",
        )
        name = re.search(r"/(\w+)(\?|$)", url)
        assert name
        place = f"127.0.0.1:{server.port}/{name[1]}"
        assert said == f"orders: the database at {place} can't be used: {reason}\n"

    def test_may_come_with_the_tables(self, server: PostgresServer, terminal: Terminal) -> None:
        url = f"postgresql://clerk:right@127.0.0.1:{server.port}/shop"
        assert terminal.fails("migrate", ORDERS_DATABASE_URL=url) == (
            f"orders: the database at 127.0.0.1:{server.port}/shop can't be used: the user lacks a"
            " right (permission denied for schema public); grant it, or make the user the owner of"
            " the database\n"
        )

    @pytest.mark.parametrize(
        ("url", "place", "reason"),
        [
            ("full:secret@127.0.0.1:PORT/shop", "127.0.0.1:PORT/shop", "no connection left"),
            ("u:secret@nowhere.invalid/shop", "nowhere.invalid/shop", "unknown host"),
            ("u:secret@127.0.0.1:1,[::1]:1/shop", "127.0.0.1:1,[::1]:1/shop", "refused"),
            ("/shop?host=/nowhere&password=secret", "/nowhere/shop", "no such socket"),
            ("/shop?host=a.invalid,b.invalid&port=1,2", "a.invalid:1,b.invalid:2/shop", "unknown"),
            ("u:se%40c%2Fret@%2Fnowhere/shop", "/nowhere/shop", "no such socket"),
            (
                "postgres@127.0.0.1:PORT/shop?target_session_attrs=standby",
                "127.0.0.1:PORT/shop",
                "as target_session_attrs wants it",
            ),
        ],
    )
    def test_may_pass(
        self, server: PostgresServer, terminal: Terminal, url: str, place: str, reason: str
    ) -> None:
        url, place = (text.replace("PORT", str(server.port)) for text in (url, place))
        said = terminal.fails(
            "migrate",
            ORDERS_DATABASE_URL=f"postgresql://{url}",
            ORDERS_DATABASE_CONNECT_WAIT_S="0.2",
        )
        waiting, failed = said.splitlines()
        assert waiting.startswith(f"waiting for the database at {place}: ")
        assert failed.startswith(f"orders: the database at {place} can't be used: ")
        assert reason in waiting
        assert reason in failed
        assert "secret" not in said
        assert "se@c" not in said


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://odd:SECRET@127.0.0.1:PORT/odd",
        "postgres://odd:SECRET@127.0.0.1:PORT/odd?sslmode=prefer",
        "postgresql+asyncpg://odd:SECRET@127.0.0.1:PORT/odd",
        "postgresql://odd@127.0.0.1:PORT/odd?password=SECRET",
        "postgresql://odd@127.0.0.1:PORT/odd",
        "postgresql://odd:SECRET@127.0.0.1:1,127.0.0.1:PORT/odd?target_session_attrs=read-write",
        "postgresql://odd:SECRET@/odd?host=FOLDER&port=PORT",
        "postgresql:///odd?user=odd&password=SECRET&host=FOLDER&port=PORT",
        "postgresql://odd:SECRET@ENCODED:PORT/odd",
    ],
)
def test_forms_of_the_url(server: PostgresServer, terminal: Terminal, url: str) -> None:
    words = {
        "SECRET": quote(ODD, safe=""),
        "PORT": str(server.port),
        "FOLDER": str(server.folder),
        "ENCODED": quote(str(server.folder), safe=""),
    }
    given = re.sub("|".join(words), lambda found: words[found[0]], url)
    # For the one that has none itself.
    done = terminal.run("migrate", ORDERS_DATABASE_URL=given, PGPASSWORD=ODD)
    assert (done.returncode, done.stderr) == (0, f"The database is at migration {NEWEST}.\n")


def test_too_few_connections_are_noted(server: PostgresServer, tmp_path: Path) -> None:
    url = server.url()
    for size, note in (
        (8, ""),
        (
            9,
            "Note: Up to 18 connections may be used, and the server has 17: raise its"
            " max_connections, or lower ORDERS_DATABASE_POOL_SIZE.\n",
        ),
    ):
        with running(
            tmp_path, ORDERS_DATABASE_URL=url, ORDERS_DATABASE_POOL_SIZE=str(size)
        ) as started:
            assert "".join(re.findall("Note: .*\n", started.shown)) == note
