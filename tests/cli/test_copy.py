"""`orders copy`: what is in the other database afterwards, and what is refused."""

import asyncio
import os
import re
import signal
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.db import migrations, tables
from tests.cli.small_parts import in_small_parts
from tests.cli.test_commands import Done, Terminal
from tests.databases import Databases, PostgreSQLDatabases, SQLiteDatabases, sqlite_url
from tests.forked import Forked
from tests.graphql.test_persisted import by_hash
from tests.servers import PgBouncer, PostgresServer
from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, open_client, open_shop

NAMES = [table.name for table in tables.metadata.sorted_tables]
EVENTS = """query ($after: String) { events(first: 100, after: $after) {
  edges { cursor node { id type orderId fromStatus toStatus source createdAt actor { id } } }
  pageInfo { hasNextPage endCursor } } }"""
ORDERS = """{ orders(first: 100) { totalCount nodes {
  id number status address createdAt updatedAt version externalId total { amount currencyCode }
  customer { id name email } items { id name quantity shipping product { id } } } } }"""
SEARCH = '{ orders(filter: { search: "lam other" }) { nodes { id } } }'
STATS = "{ stats { orderCount topProducts { name quantity } } }"


@dataclass(frozen=True)
class Way:
    """From where to where."""

    source: Databases
    target: Databases


@pytest.fixture(params=["to PostgreSQL", "to SQLite"])
def way(
    request: pytest.FixtureRequest,
    sqlite_databases: SQLiteDatabases,
    postgresql_databases: PostgreSQLDatabases,
) -> Way:
    if request.param == "to SQLite":
        return Way(postgresql_databases, sqlite_databases)
    return Way(sqlite_databases, postgresql_databases)


@pytest.fixture
def source(way: Way) -> Iterator[str]:
    """A shop with rows in every table."""
    with way.source.fresh() as url:
        asyncio.run(_fill(way.source, url))
        yield url


@pytest.fixture
def target(way: Way) -> Iterator[str]:
    with way.target.fresh() as url:
        yield url


async def _fill(databases: Databases, url: str) -> dict[str, str]:
    async with open_shop(url) as shop:
        for number in range(6):
            await shop.add(TABLE, LAMP, key=("customer", "other")[number % 2])
        await shop.rest(
            "POST",
            "/orders/add",
            {
                "items": [{"product": STOOL, "quantity": 1, "shipping": "Budget"}],
                "address": "Ünter den Linden 1, \u2028 <b>'\"\\ 東京 🛋",
            },
            headers={"Idempotency-Key": "once"},
        )
        first, second, third, *_ = await shop.order_ids()
        changes = [{"orderId": first, "status": "completed"}]
        await shop.rest("POST", "/orders/change-status", {"items": changes}, key="admin")
        await shop.rest("POST", "/orders/delete", {"orderId": [second, third]})
        await shop.data(
            "mutation ($id: ID!) { restoreOrders(input: { ids: [$id] }) { userErrors { code } } }",
            {"id": second},
            key="admin",
        )
        text = "{ me { id } }"
        await shop.rest("POST", "/graphql", by_hash(text, query=text))
        keys = dict(shop.keys)
    for statement in (
        "INSERT INTO legacy_records VALUES ('orders', 'a', 'b')",
        f"UPDATE products SET deleted_at = {_NOW[databases.name]} WHERE id = '{STOOL}'",
    ):
        databases.run(url, statement)
    return keys


_NOW = {"sqlite": "'2026-02-03T04:05:06.070809Z'", "postgresql": "now()"}


def everything(databases: Databases, url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All rows, as this engine has them."""
    return {
        table.name: databases.run(
            url,
            f"SELECT * FROM {table.name}"
            f" ORDER BY {', '.join(column.name for column in table.primary_key.columns)}",
        )
        for table in tables.metadata.sorted_tables
    }


def copied(terminal: Terminal, source: str, target: str, *more: str) -> str:
    return terminal.ok("copy", "--from", source, "--to", target, *more)


def refused(terminal: Terminal, source: str, target: str, *more: str) -> str:
    """What is said instead of copying, in one line."""
    said = terminal.fails("copy", "--from", source, "--to", target, *more)
    assert said.startswith("orders: ")
    assert said.count("\n") == 1
    return said


def test_there_and_back(terminal: Terminal, way: Way, source: str, target: str) -> None:
    before = everything(way.source, source)
    assert all(before.values()), [name for name, rows in before.items() if not rows]
    said = copied(terminal, source, target).splitlines()
    assert [line.split()[0] for line in said[1:]] == NAMES
    for line in said[1:]:
        name, here, there, sum_here, sum_there, verdict = line.split()
        assert (here, sum_here, verdict) == (there, sum_there, "same")
        assert int(here) == len(before[name])
    assert everything(way.source, source) == before
    with way.source.empty() as back:
        copied(terminal, target, back)
        assert everything(way.source, back) == before
        migrated = way.source.run(back, "SELECT version_num FROM alembic_version")
        assert migrated == [(migrations.NEWEST,)]


def test_what_is_said(terminal: Terminal, way: Way, source: str, target: str) -> None:
    done = terminal.run("copy", "--from", source, "--to", target)
    rows = sum(map(len, everything(way.source, source).values()))
    [(last,)] = way.source.run(source, "SELECT max(seq) FROM order_events")
    assert (done.returncode, done.stderr) == (
        0,
        f"Copied {rows} rows, up to event {last} of the log.\n",
    )
    done = terminal.run("copy", "--from", source, "--to", target, "--verify-only")
    assert (done.returncode, done.stderr) == (0, "")
    way.target.run(target, f"UPDATE orders SET version = 7 WHERE user_id = '{CUSTOMER}'")
    way.target.run(target, "DELETE FROM legacy_records")
    done = terminal.run("copy", "--from", source, "--to", target, "--verify-only")
    assert (done.returncode, done.stderr) == (
        1,
        "orders: the databases differ in legacy_records, orders\n",
    )
    different = [line.split()[0] for line in done.stdout.splitlines() if "DIFFERENT" in line]
    assert different == ["legacy_records", "orders"]


async def _answers(client: httpx.AsyncClient, keys: dict[str, str], after: str) -> list[Any]:
    found: list[Any] = []
    for name in ("customer", "other", "admin", "reader"):
        headers = {"Authorization": keys[name]}
        listed = await client.get("/orders/get_all", headers=headers)
        assert listed.status_code == 200
        found.append(listed.content)
        for query in (ORDERS, SEARCH, STATS, "{ products { id name } }"):
            answer = await client.post("/graphql", json={"query": query}, headers=headers)
            assert "errors" not in answer.json(), answer.text
            # The same values in the same order; between them an engine may put spaces.
            found.append(list(answer.json()["data"].items()))
    body = {"query": EVENTS, "variables": {"after": after}}
    answer = await client.post("/graphql", json=body, headers={"Authorization": keys["admin"]})
    assert answer.json()["data"]["events"]["edges"], answer.text
    return [*found, answer.json()]


def test_callers_see_no_difference(terminal: Terminal, way: Way, target: str) -> None:
    async def before(url: str, keys: dict[str, str]) -> tuple[str, str, list[Any]]:
        async with open_client(url) as client:
            body = {"query": EVENTS}
            headers = {"Authorization": keys["admin"]}
            log = (await client.post("/graphql", json=body, headers=headers)).json()
            edges = log["data"]["events"]["edges"]
            cursor = edges[3]["cursor"]
            answers = await _answers(client, keys, cursor)
            assert answers[0] != b"[]"
            return cursor, log["data"]["events"]["pageInfo"]["endCursor"], answers

    async def after(url: str, keys: dict[str, str], cursor: str) -> list[Any]:
        async with open_client(url) as client:
            return await _answers(client, keys, cursor)

    async def next_order(url: str, keys: dict[str, str], end: str) -> Any:
        async with open_client(url) as client:
            headers = {"Authorization": keys["customer"]}
            once = {"items": [{"product": TABLE, "quantity": 3, "shipping": "Budget"}]}
            for _ in range(2):
                added = await client.post(
                    "/orders/add",
                    json={**once, "address": "2 Main St"},
                    headers={**headers, "Idempotency-Key": "new"},
                )
                assert added.text == "ORDER SUCCESS"
            query = "{ orders(first: 1) { nodes { number version } } }"
            newest = await client.post("/graphql", json={"query": query}, headers=headers)
            body = {"query": EVENTS, "variables": {"after": end}}
            log = await client.post("/graphql", json=body, headers={"Authorization": keys["admin"]})
            edges = log.json()["data"]["events"]["edges"]
            return (
                newest.json()["data"]["orders"]["nodes"],
                [(edge["cursor"], edge["node"]["type"]) for edge in edges],
            )

    with way.source.fresh() as source:
        keys = asyncio.run(_fill(way.source, source))
        cursor, end, answers = asyncio.run(before(source, keys))
        copied(terminal, source, target)
        assert asyncio.run(after(target, keys, cursor)) == answers
        there = asyncio.run(next_order(target, keys, end))
        assert len(there[1]) == 1
        assert there == asyncio.run(next_order(source, keys, end))


def test_numbers_that_were_taken_back_are_not_given_again(
    terminal: Terminal, postgresql_databases: PostgreSQLDatabases
) -> None:
    databases = postgresql_databases
    with databases.fresh() as source, databases.fresh() as target:
        databases.run(source, "SELECT setval('order_events_seq_seq', 41)")
        copied(terminal, source, target)
        assert databases.run(target, "SELECT nextval('order_events_seq_seq')") == [(42,)]
        assert databases.run(target, "SELECT nextval('order_words_seq_seq')") == [(1,)]
        databases.run(target, "SELECT setval('order_events_seq_seq', 99)")
        copied(terminal, source, target, "--resume")
        assert databases.run(target, "SELECT nextval('order_events_seq_seq')") == [(100,)]


class TestRefusals:
    def test_a_target_that_is_not_empty(
        self, terminal: Terminal, way: Way, source: str, target: str
    ) -> None:
        way.target.run(target, "INSERT INTO order_counters VALUES ('u', 1), ('v', 2)")
        before = everything(way.target, target)
        said = refused(terminal, source, target)
        assert re.search(r"the target at \S+ is not empty \(2 order_counters\): name one", said)
        assert everything(way.target, target) == before

    def test_the_same_database(
        self,
        terminal: Terminal,
        sqlite_databases: SQLiteDatabases,
        postgresql_databases: PostgreSQLDatabases,
    ) -> None:
        with postgresql_databases.fresh() as url:
            other = url.replace("postgresql://", "postgresql+asyncpg://")
            other = other.replace("127.0.0.1", "localhost")
            assert other != url
            assert "are the same database" in refused(terminal, url, other)
            assert "are the same database" in refused(terminal, url, other, "--verify-only")
        with sqlite_databases.fresh() as url:
            link = terminal.folder / "link.db"
            link.symlink_to(url.removeprefix("sqlite+aiosqlite:///"))
            assert "are the same database" in refused(terminal, url, "sqlite+aiosqlite:///link.db")

    def test_what_is_not_there(self, terminal: Terminal, way: Way, target: str) -> None:
        none = "sqlite+aiosqlite:///none.db"
        assert "the source at none.db does not exist" in refused(terminal, none, target)
        assert not (terminal.folder / "none.db").exists()
        if way.target.name == "postgresql":
            none = target.rpartition("/")[0] + "/none"
            with way.source.fresh() as source:
                for role, urls in {"target": (source, none), "source": (none, source)}.items():
                    said = refused(terminal, *urls)
                    assert said.startswith(f"orders: as the {role}, the database at ")
                    assert "/none can't be used: there is no such database" in said
                    assert "correct its URL" in said

    def test_another_version(self, terminal: Terminal, way: Way, source: str) -> None:
        with way.target.empty() as target:
            asyncio.run(migrations.migrate(target, "0005"))
            for said in (
                refused(terminal, source, target),
                refused(terminal, target, source),
                refused(terminal, source, target, "--verify-only"),
            ):
                assert f"is at migration 0005, and must be at {migrations.NEWEST}" in said
            assert way.target.run(target, "SELECT count(*) FROM users") == [(0,)]

    def test_a_database_of_others(self, terminal: Terminal, way: Way, source: str) -> None:
        with way.target.empty() as target:
            way.target.run(target, "CREATE TABLE users (id integer)")
            way.target.run(target, "CREATE TABLE carts (id integer)")
            assert "has tables of others: users\n" in refused(terminal, source, target)
            assert "has no tables of ours" in refused(terminal, target, source)

    @pytest.mark.parametrize(
        ("url", "complaint"),
        [
            ("mysql://u:secret@h/x", "must begin with"),
            ("postgresql://u:secret@h", "must name a database"),
            ("postgresql://u:sec/ret@h/x", "can't be read: must be postgresql://user:password"),
            ("sqlite+aiosqlite:///:memory:", "must name a database file"),
        ],
    )
    def test_urls(self, terminal: Terminal, url: str, complaint: str) -> None:
        for option, other in (("--from", "--to"), ("--to", "--from")):
            done = terminal.run("copy", option, url, other, "sqlite+aiosqlite:///other.db")
            assert done.returncode == 2
            said = " ".join(re.sub(r"[│╭╰─╮╯]", " ", done.stderr).split())
            assert f"Invalid value for '{option}': {complaint}" in said
            assert "sec" not in said

    def test_passwords_are_not_shown(self, terminal: Terminal, tmp_path: Path) -> None:
        asyncio.run(migrations.migrate(sqlite_url(tmp_path / "a.db")))
        url = "postgresql://ann:secret@127.0.0.1:1/x?sslmode=disable"
        said = refused(terminal, "sqlite+aiosqlite:///a.db", url)
        assert said.startswith("orders: as the target, the database at 127.0.0.1:1/x can't ")
        assert "secret" not in said
        assert "as the source, the database at 127.0.0.1:1/x can't" in refused(
            terminal, url, "sqlite+aiosqlite:///a.db"
        )

    def test_options_that_contradict(self, terminal: Terminal) -> None:
        url = "sqlite+aiosqlite:///a.db"
        done = terminal.run("copy", "--from", url, "--to", url, "--resume", "--verify-only")
        assert done.returncode == 2
        assert "has nothing to resume" in done.stderr


@pytest.mark.parametrize(
    ("statements", "complaint"),
    [
        (
            ["UPDATE users SET name = 'a' || char(0) || 'b' WHERE id = :customer"],
            r"name of users with id '0+c0' can't be moved: it has a character NUL in it",
        ),
        (
            ["UPDATE orders SET order_number = 2147483648 WHERE id = (SELECT max(id) FROM orders)"],
            r"order_number of orders with user_id '\w+', id '\w+' can't be moved: it does not fit",
        ),
        (
            ["UPDATE order_counters SET last_order_number = 'many' WHERE user_id = :customer"],
            r"last_order_number of order_counters with user_id '0+c0' can't .* is a str for Python",
        ),
        (
            ["UPDATE products SET description = x'00ff'"],
            r"description of products with id '\w+' can't be moved: it is a bytes for Python",
        ),
        (
            ["UPDATE users SET is_admin = 2 WHERE id = :customer"],
            r"is_admin of users with id '0+c0' can't be moved: it is neither 0 nor 1",
        ),
        (
            ["UPDATE users SET created_at = '2024-02-30T00:00:00.000000Z' WHERE id = :customer"],
            r"created_at of users with id '0+c0' can't be moved: it is no instant",
        ),
        (
            ["UPDATE users SET created_at = '2024-02-03 00:00:00' WHERE id = :customer"],
            r"created_at of users with id '0+c0' can't be moved: it is no instant",
        ),
        (
            ["UPDATE users SET created_at = '9999-12-31T23:59:59.999999Z' WHERE id = :customer"],
            r"created_at of users with id '0+c0' can't be moved: .* is infinite",
        ),
        (
            ["UPDATE order_events SET data = '12.5' WHERE seq = 1"],
            r"data of order_events with seq 1 can't be moved: it is a float for Python",
        ),
        (
            ["UPDATE order_events SET data = '{\"a\": NaN}' WHERE seq = 1"],
            r"data of order_events with seq 1 can't be moved: it is no JSON: it has NaN in it",
        ),
        (
            ["UPDATE users SET name = CAST(x'ff' AS TEXT) WHERE id = :customer"],
            r"as the source, the database at \S+ can't be used: .*UTF-8",
        ),
    ],
)
def test_what_cannot_be_moved_is_found_before_anything_is_written(
    terminal: Terminal,
    sqlite_databases: SQLiteDatabases,
    postgresql_databases: PostgreSQLDatabases,
    statements: list[str],
    complaint: str,
) -> None:
    with sqlite_databases.fresh() as source, postgresql_databases.fresh() as target:
        asyncio.run(_fill(sqlite_databases, source))
        for statement in statements:
            sqlite_databases.run(source, statement.replace(":customer", f"'{CUSTOMER}'"))
        assert re.search(complaint, refused(terminal, source, target))
        assert not any(everything(postgresql_databases, target).values())


def test_a_row_that_the_target_refuses_is_named(
    terminal: Terminal,
    sqlite_databases: SQLiteDatabases,
    postgresql_databases: PostgreSQLDatabases,
) -> None:
    with sqlite_databases.fresh() as small, postgresql_databases.fresh(spoilt=True) as large:
        asyncio.run(_fill(sqlite_databases, small))
        # Longer than PostgreSQL can have in an index, however well it can be compressed.
        name = "".join(sha256(b"%d" % n).hexdigest() for n in range(150))
        sqlite_databases.run(small, f"UPDATE products SET name = '{name}' WHERE id = '{LAMP}'")
        said = refused(terminal, small, large)
        assert f"orders: the target refuses products with id '{LAMP}': index row requires" in said

        postgresql_databases.run(
            large, "ALTER TABLE rest_usage DROP CONSTRAINT ck_rest_usage_calls"
        )
        for table in reversed(NAMES):
            postgresql_databases.run(large, f"DELETE FROM {table}")
        for day in range(1, 8):
            postgresql_databases.run(
                large,
                "INSERT INTO rest_usage VALUES"
                f" ('2026-01-0{day}', 'u', 'k', '/orders/add', {day - 4}, now())",
            )
        with sqlite_databases.empty() as other:
            said = refused(terminal, large, other)
            assert said == (
                "orders: the target refuses rest_usage with day '2026-01-01', user_id 'u',"
                " key_id 'k', path '/orders/add': CHECK constraint failed: ck_rest_usage_calls\n"
            )


def test_a_row_without_the_one_it_belongs_to(
    terminal: Terminal,
    sqlite_databases: SQLiteDatabases,
    postgresql_databases: PostgreSQLDatabases,
) -> None:
    with sqlite_databases.fresh() as source, postgresql_databases.fresh() as target:
        asyncio.run(_fill(sqlite_databases, source))
        # Foreign keys are not enforced here, as in any tool that does not ask for it.
        sqlite_databases.run(source, "DELETE FROM users")
        assert re.search(
            r"api_keys with id '\w+' belongs to no row of users", refused(terminal, source, target)
        )
        assert not any(everything(postgresql_databases, target).values())
        sqlite_databases.run(source, "DELETE FROM api_keys")
        [(last,)] = sqlite_databases.run(source, "SELECT max(order_id) FROM order_items")
        sqlite_databases.run(source, f"DELETE FROM orders WHERE id = '{last}'")
        assert re.search(
            rf"order_items with .*'{last}', position 0 belongs to no row of orders",
            refused(terminal, source, target),
        )


class TestResuming:
    def test_what_is_there_is_left_and_the_rest_added(
        self, terminal: Terminal, way: Way, source: str, target: str
    ) -> None:
        copied(terminal, source, target)
        whole = everything(way.target, target)
        done = terminal.run("copy", "--from", source, "--to", target, "--resume")
        assert (done.returncode, done.stderr.split()[:3]) == (0, ["Copied", "0", "rows,"])
        [(first,)] = way.target.run(target, "SELECT min(id) FROM orders")
        for statement in (
            f"DELETE FROM order_words WHERE order_id = '{first}'",
            f"DELETE FROM order_items WHERE order_id = '{first}'",
            f"DELETE FROM orders WHERE id = '{first}'",
            "DELETE FROM order_events WHERE seq > 3",
            "DELETE FROM api_keys",
            "DELETE FROM rest_usage",
        ):
            way.target.run(target, statement)
        copied(terminal, source, target, "--resume")
        assert everything(way.target, target) == whole

    @pytest.mark.parametrize(
        ("statement", "complaint"),
        [
            (
                "UPDATE orders SET address = 'moved', version = 9 WHERE order_number = 2",
                r"has other content in orders with user_id '\w+', id '\w+' \(address, version\)",
            ),
            (
                "UPDATE order_words SET words = 'x' WHERE seq = 1",
                r"has other content in order_words with seq 1 \(words\)",
            ),
            (
                "INSERT INTO order_counters VALUES ('0', 1)",
                r"has what the source does not have: order_counters with user_id '0'",
            ),
            (
                "INSERT INTO order_counters VALUES ('z', 1)",
                r"has what the source does not have: order_counters with user_id 'z'",
            ),
            (
                "INSERT INTO legacy_records VALUES ('orders', 'b', 'c'), ('orders', 'd', 'e')",
                r"has what the source does not have: legacy_records with .* id '[bd]'",
            ),
            (
                "UPDATE order_events SET seq = 1000 WHERE seq = 1",
                r"refuses order_events with seq 1: .*(order_events.id|uq_order_events_id)",
            ),
        ],
    )
    def test_what_is_not_the_sources_stays_and_is_named(
        self,
        terminal: Terminal,
        way: Way,
        source: str,
        target: str,
        statement: str,
        complaint: str,
    ) -> None:
        copied(terminal, source, target)
        way.target.run(target, statement)
        before = everything(way.target, target)
        assert re.search(complaint, refused(terminal, source, target, "--resume"))
        after = everything(way.target, target)
        assert {name: set(rows) for name, rows in before.items() if name != "order_events"} == {
            name: set(rows) for name, rows in after.items() if name != "order_events"
        }
        assert {*before["order_events"]} <= {*after["order_events"]}

    def test_killed_at_any_moment(
        self, terminal: Terminal, way: Way, target: str, tmp_path: Path
    ) -> None:
        with way.source.fresh() as source, way.target.fresh() as whole:
            terminal.run("demo", ORDERS_DATABASE_URL=source)
            copied(terminal, source, whole)
            rows = sum(map(len, everything(way.source, source).values()))
            for part in (0.02, 0.2, 0.5):
                killed = _signalled(
                    terminal, way.target, source, target, part * rows, signal.SIGKILL
                )
                assert (killed.returncode, killed.stderr) == (-signal.SIGKILL, "")
                there = everything(way.target, target)
                assert part * rows < sum(map(len, there.values())) < rows
                _require_whole_orders(there)
            broken_off = _signalled(terminal, way.target, source, target, 0.7 * rows, signal.SIGINT)
            assert (broken_off.returncode, broken_off.stderr) == (
                130,
                "orders: the copy was broken off; what was copied by then stays, and --resume goes"
                " on from there\n",
            )
            assert "is not empty" in refused(terminal, source, target)
            copied(terminal, source, target, "--resume")
            assert everything(way.target, target) == everything(way.target, whole)
            if way.target.name == "postgresql":
                for table in ("order_events", "order_words"):
                    [(last,)] = way.target.run(target, f"SELECT max(seq) FROM {table}")
                    following = f"SELECT nextval('{table}_seq_seq')"
                    assert way.target.run(target, following) == [(last + 1,)]


def test_a_server_that_dies_in_between(
    terminal: Terminal, sqlite_databases: SQLiteDatabases
) -> None:
    with PostgresServer.create(durable=True) as server, sqlite_databases.fresh() as source:
        terminal.run("demo", ORDERS_DATABASE_URL=source)
        server.run_sql("CREATE DATABASE shop")
        target = server.url("shop")
        asyncio.run(migrations.migrate(target))
        process = _start_copy(terminal, "--from", source, "--to", target)
        while server.run_sql("SELECT count(*) FROM orders", "shop") in {"0", ""}:
            assert process.poll() is None
        server.kill()
        done = terminal.end(process)
        assert done.returncode == 1
        assert re.fullmatch(
            r"orders: as the target, the database at \S+/shop can't be used: .+\n", done.stderr
        ), done.stderr
        server.start()
        copied(terminal, source, target, "--resume")
        with sqlite_databases.empty() as back:
            process = _start_copy(terminal, "--from", target, "--to", back)
            while not _has_orders(sqlite_databases, back):
                assert process.poll() is None
            server.kill()
            done = terminal.end(process)
            assert done.returncode == 1
            assert re.fullmatch(
                r"orders: as the source, the database at \S+/shop can't be used: [^\n]+\n",
                done.stderr,
            ), done.stderr
            server.start()
            copied(terminal, target, back, "--resume")
            assert everything(sqlite_databases, back) == everything(sqlite_databases, source)


def _has_orders(databases: Databases, url: str) -> bool:
    try:
        return databases.run(url, "SELECT count(*) FROM orders") != [(0,)]
    except sqlite3.OperationalError:
        return False  # not migrated yet


def test_through_pgbouncer(
    terminal: Terminal,
    sqlite_databases: SQLiteDatabases,
) -> None:
    PgBouncer.require()
    with PostgresServer.create() as server, PgBouncer(server, default_pool_size=3) as pooler:
        server.run_sql("CREATE DATABASE shop")
        url = pooler.url("shop")
        environment = {"ORDERS_DATABASE_PGBOUNCER": "true"}
        with sqlite_databases.fresh() as source, sqlite_databases.empty() as back:
            asyncio.run(_fill(sqlite_databases, source))
            for here, there in ((source, url), (url, back)):
                done = terminal.run("copy", "--from", here, "--to", there, **environment)
                assert done.returncode == 0, done.stderr
            assert everything(sqlite_databases, back) == everything(sqlite_databases, source)
        for here, there in ((url, server.url("shop")), (server.url("shop"), url)):
            done = terminal.run("copy", "--from", here, "--to", there, **environment)
            assert "are the same database" in done.stderr


def _start_copy(terminal: Terminal, *arguments: str) -> Forked:
    return terminal.start("copy", *arguments, prepare=in_small_parts)


def _signalled(
    terminal: Terminal,
    databases: Databases,
    source: str,
    target: str,
    rows: float,
    by: signal.Signals,
) -> Done:
    """Copy in small parts, in a process that gets a signal once the target has so many rows."""
    count = " + ".join(f"(SELECT count(*) FROM {name})" for name in NAMES)
    process = _start_copy(terminal, "--from", source, "--to", target, "--resume")
    try:
        while databases.run(target, f"SELECT {count}")[0][0] <= rows:
            assert process.poll() is None
            time.sleep(0.005)
    finally:
        assert process.pid is not None
        os.kill(process.pid, by)
        done = terminal.end(process)
    return done


def _require_whole_orders(there: dict[str, list[tuple[Any, ...]]]) -> None:
    """Each order is there with all of its items, which its total tells, and with its words."""
    totals: dict[str, int] = {}
    item = [column.name for column in tables.metadata.tables["order_items"].columns]
    for row in there["order_items"]:
        line = dict(zip(item, row, strict=True))
        amount = line["unit_price_minor"] * line["quantity"]
        totals[line["order_id"]] = totals.get(line["order_id"], 0) + amount
    order = [column.name for column in tables.metadata.tables["orders"].columns]
    orders = [dict(zip(order, row, strict=True)) for row in there["orders"]]
    assert totals == {row["id"]: row["total_minor"] for row in orders}
    assert {row[2] for row in there["order_words"]} == {*totals}
