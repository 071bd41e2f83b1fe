"""docs/postgresql.md: its SQL runs, its URL leads there, and answers look as it shows them."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import orjson
import pytest
from sqlalchemy import text

from app.db import event_order
from app.db.engine import open_database
from tests.cli.test_commands import Terminal
from tests.e2e.server import ROOT
from tests.servers import PostgresServer
from tests.shop import open_client

GUIDE = (ROOT / "docs" / "postgresql.md").read_text()
SQL = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)


def url_in_guide(server: PostgresServer) -> str:
    found = re.search(r"ORDERS_DATABASE_URL='(.*@)db\.example:5432(/\w+)'", GUIDE)
    assert found
    return f"{found[1]}{server.host}:{server.port}{found[2]}"


def statements(block: str) -> list[str]:
    return [s for s in re.sub(r"--.*", "", block).split(";") if s.strip()]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer.create() as created:
        for statement in statements(SQL[0]):
            created.run_sql(statement)
        created.admit("host all postgres all trust", "host orders orders_app all scram-sha-256")
        created.restart()
        yield created


@pytest.fixture(scope="module")
def url(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    found = url_in_guide(server)
    terminal = Terminal(tmp_path_factory.mktemp("migrate"))
    done = terminal.run("migrate", ORDERS_DATABASE_URL=found)
    assert done.returncode == 0, done.stderr
    return found


async def test_the_probe_answers_so(url: str) -> None:
    [shown] = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    async with open_client(url) as client:
        answer = (await client.get("/readyz")).json()
    expected = orjson.loads(shown)
    for pool in (*answer["database"]["pools"].values(), *expected["database"]["pools"].values()):
        pool["open"] = 1
    assert answer == expected


async def test_who_holds_readers_back_is_found(server: PostgresServer, url: str) -> None:
    database = open_database(url)
    async with database.transaction() as connection:
        await event_order.announce(connection)
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        admin = await asyncpg.connect(server.url("orders", driver=False))
        found = [await admin.fetch(statement) for statement in statements(SQL[1] + SQL[2])]
        await admin.close()
    await database.dispose()
    holding, waiting, using = found
    assert [(row["pid"], row["usename"], row["readers_stop_at"]) for row in holding] == [
        (pid, "orders_app", 0)
    ]
    assert waiting == []
    assert ("orders-graphql", "idle in transaction", 1) in {tuple(row) for row in using}


async def test_limits_of_the_role(server: PostgresServer, url: str) -> None:
    assert len(SQL) == 4
    limits = {"statement_timeout": "15s", "idle_in_transaction_session_timeout": "15s"}
    if server.version >= 17:
        limits["transaction_timeout"] = "30s"
    for statement in statements(SQL[3])[: len(limits)]:
        await asyncio.to_thread(server.run_sql, statement)
    connection = await asyncpg.connect(url)
    assert {name: await connection.fetchval(f"SHOW {name}") for name in limits} == limits
    await connection.close()


def test_wrong_passwords_are_refused(server: PostgresServer, url: str, tmp_path: Path) -> None:
    wrong = url.replace("a%2Fb%40c", "a%2Fb%40d")
    assert wrong != url
    said = Terminal(tmp_path).fails("users", "list", ORDERS_DATABASE_URL=wrong)
    assert 'password authentication failed for user "orders_app"' in said
    assert "a/b" not in said
    assert "a%2F" not in said
