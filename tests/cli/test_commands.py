"""The command line as a person or a script uses it: exit status, stdout, stderr."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from app.db import migrations
from app.domain import clock
from tests.databases import Home, PostgreSQLDatabases
from tests.forked import Forked
from tests.shop import TABLE, UNKNOWN


@dataclass
class Done:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


class Terminal:
    """Runs `orders` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        clean = {k: v for k, v in os.environ.items() if not k.startswith("ORDERS_")}  # noqa: TID251
        self._environment: Mapping[str, str] = {**clean, "COLUMNS": "200"}

    def run(self, *arguments: str, **environment: str) -> Done:
        return self.end(Forked(arguments, self.folder, {**self._environment, **environment}))

    def start(self, *arguments: str, prepare: Callable[[], None] | None = None) -> Forked:
        """Begin a command; `prepare` is as for `Forked`."""
        return Forked(arguments, self.folder, self._environment, prepare=prepare)

    def end(self, process: Forked) -> Done:
        """How it ended, when it has."""
        status = process.wait(60)
        stdout, stderr = ((self.folder / f".{name}").read_text() for name in ("stdout", "stderr"))
        return Done(status, stdout, stderr)

    def ok(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def fails(self, *arguments: str, **environment: str) -> str:
        done = self.run(*arguments, **environment)
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr


class DatabaseTerminal(Terminal):
    """Runs `orders` in a folder of its own, on a database of its own."""

    def __init__(self, folder: Path, home: Home) -> None:
        super().__init__(folder)
        self.home = home
        self._environment = {**self._environment, **home.environment}

    @property
    def keys_file(self) -> Path:
        """Where the demo's keys are kept."""
        [file] = (self.folder / "data").glob("*.demo-keys.json")
        return file


def test_help_names_every_command(terminal: Terminal) -> None:
    text = terminal.ok("--help")
    commands = "serve migrate demo copy users keys products import export schema usage scale parity"
    for name in commands.split():
        assert name in text
    assert terminal.run("nothing").returncode == 2


class TestMigrate:
    def test_makes_the_folder(self, terminal: Terminal) -> None:
        assert terminal.fails("migrate", "--check") == (
            "orders: there is no database at data/orders.db: run `orders migrate` first\n"
        )
        assert not (terminal.folder / "data").exists()
        assert terminal.ok("migrate") == ""
        terminal.ok("migrate", "--check")

    def test_the_file_is_its_owners_alone(self, terminal: Terminal) -> None:
        folder = terminal.folder / "data"
        folder.mkdir(0o750)
        terminal.ok("migrate")
        assert stat.S_IMODE((folder / "orders.db").stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o750
        # Whoever lets others at it is obeyed.
        (folder / "orders.db").chmod(0o660)
        terminal.ok("migrate")
        assert stat.S_IMODE((folder / "orders.db").stat().st_mode) == 0o660

    def test_can_be_repeated(self, empty_terminal: DatabaseTerminal) -> None:
        assert empty_terminal.fails("migrate", "--check").endswith(": run `orders migrate` first\n")
        for _ in range(2):
            assert empty_terminal.ok("migrate") == ""
        assert empty_terminal.run("migrate", "--check") == Done(
            0, "", "The database is up to date.\n"
        )
        empty_terminal.home.run("UPDATE alembic_version SET version_num = '0003'")
        assert "is not up to date: run `orders migrate` first" in empty_terminal.fails(
            "migrate", "--check"
        )

    def test_says_what_it_found_on_a_server(
        self, postgresql_databases: PostgreSQLDatabases, tmp_path: Path
    ) -> None:
        with postgresql_databases.for_folder(tmp_path, migrated=False) as home:
            place = home.url.rpartition("@")[2]
            assert DatabaseTerminal(tmp_path, home).fails("migrate", "--check") == (
                f"orders: the database at {place} is not up to date: run `orders migrate` first\n"
            )
            assert home.run("SELECT 1 FROM pg_tables WHERE schemaname = 'public'") == []

    def test_commands_ask_for_it(self, empty_terminal: DatabaseTerminal) -> None:
        for command in (["demo"], ["users", "list"], ["keys", "create", "a@b.example"]):
            assert "run `orders migrate` first" in empty_terminal.fails(*command)

    def test_a_file_that_is_no_database(self, terminal: Terminal) -> None:
        (terminal.folder / "data").mkdir()
        (terminal.folder / "data" / "orders.db").write_text("a letter\n" * 500)
        assert "file is not a database" in terminal.fails("migrate")


def test_a_manifest_with_a_wrong_document_stops_the_server(terminal: Terminal) -> None:
    (terminal.folder / "manifest.json").write_text('{"a1": "{ nothing }"}')
    done = terminal.run("serve", "--port", "0", ORDERS_PERSISTED_MANIFEST="manifest.json")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "orders: ORDERS_PERSISTED_MANIFEST: manifest.json: a1: Cannot query field 'nothing' on type"
        " 'Query'.\n"
    )


def test_wrong_settings(terminal: Terminal) -> None:
    assert terminal.fails("migrate", ORDERS_PROT="1") == "orders: unknown setting ORDERS_PROT\n"


class TestDemo:
    def test_is_idempotent_and_keeps_its_keys(self, migrated_terminal: DatabaseTerminal) -> None:
        first = json.loads(migrated_terminal.ok("demo", "--json"))
        assert set(first) == {"customer", "admin"}
        assert json.loads(migrated_terminal.ok("demo", "--json")) == first
        shown = migrated_terminal.ok("demo").split()
        assert shown == ["customer", first["customer"], "administrator", first["admin"]]
        kept = migrated_terminal.keys_file
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert len(migrated_terminal.ok("users", "list").splitlines()) == 4
        assert len(migrated_terminal.ok("products", "list").splitlines()) == 41

    def test_is_not_added_to_other_peoples_data_unasked(
        self, migrated_terminal: DatabaseTerminal
    ) -> None:
        run = migrated_terminal
        run.ok("users", "add", "ann@shop.example")
        # Of an older version, which nobody asked to migrate.
        run.home.run("UPDATE alembic_version SET version_num = '0003'")
        before = self._content(run.home)
        message = "orders: database holds users that are not the demo's: "
        assert run.fails("serve", "--demo", "--port", "0").startswith(message)
        assert self._content(run.home) == before
        run.home.run(f"UPDATE alembic_version SET version_num = '{migrations.NEWEST}'")
        assert run.fails("demo").startswith(message)
        assert len(run.ok("users", "list").splitlines()) == 2
        run.ok("demo", "--force")
        assert len(run.ok("users", "list").splitlines()) == 5

    def _content(self, home: Home) -> list[object]:
        names = ("alembic_version", "users", "api_keys", "products", "orders", "order_events")
        return [home.run(f"SELECT * FROM {name}") for name in names]

    def test_may_have_other_users_added_to_it(self, migrated_terminal: DatabaseTerminal) -> None:
        first = migrated_terminal.ok("demo", "--json")
        migrated_terminal.ok("users", "add", "ann@shop.example")
        assert migrated_terminal.ok("demo", "--json") == first

    def test_survives_what_people_do(self, migrated_terminal: DatabaseTerminal) -> None:
        first = json.loads(migrated_terminal.ok("demo", "--json"))
        # A revoked key is replaced; the other one stays.
        migrated_terminal.ok("keys", "revoke", first["customer"][:12])
        second = json.loads(migrated_terminal.ok("demo", "--json"))
        assert second["admin"] == first["admin"]
        assert second["customer"] != first["customer"]
        # A new database beside the old file takes the same keys.
        migrated_terminal.home.databases.empty_again(migrated_terminal.home.url)
        migrated_terminal.ok("migrate")
        assert json.loads(migrated_terminal.ok("demo", "--json")) == second
        # A damaged file is replaced.
        kept = migrated_terminal.keys_file
        kept.write_text("{")
        third = json.loads(migrated_terminal.ok("demo", "--json"))
        assert json.loads(kept.read_text()) == third


class TestUsersAndKeys:
    def test_a_users_life(self, migrated_terminal: DatabaseTerminal) -> None:
        run = migrated_terminal
        id_ = run.ok("users", "add", "Ann@Shop.example", "--name", "Ann Lee").strip()
        boss = run.ok("users", "add", "boss@shop.example", "--admin", "--id", UNKNOWN).strip()
        assert boss == UNKNOWN
        header, ann, last = run.ok("users", "list").splitlines()
        assert header.split() == ["ID", "E-MAIL", "NAME", "ADMIN", "SINCE"]
        assert ann.split()[:5] == [id_, "ann@shop.example", "Ann", "Lee", "no"]
        assert last.split()[:4] == [boss, "boss@shop.example", "boss", "yes"]
        key = run.ok("keys", "create", "ann@shop.example", "--name", "till").strip()
        assert len(key) == 47
        limited = run.ok("keys", "create", id_, "--scope", "orders:read", "--expires-in", "90d")
        lines = run.ok("keys", "list").splitlines()
        assert key not in "\n".join(lines)
        assert lines[1].split()[:5] == [
            key[:12],
            "ann@shop.example",
            "till",
            "orders:read,orders:write",
            "works",
        ]
        assert lines[2].split()[:5] == [
            limited[:12],
            "ann@shop.example",
            "-",
            "orders:read",
            "until",
        ]
        assert run.ok("keys", "revoke", key[:12]) == ""
        assert "revoked" in run.ok("keys", "list").splitlines()[1]

    def test_a_name_can_not_steer_the_terminal(self, sqlite_terminal: DatabaseTerminal) -> None:
        name = "A\x1b[31mnn\n\tLee\u202e\u2028\x9b\x7f é\u3000李"
        sqlite_terminal.ok("users", "add", "ann@shop.example", "--name", name)
        _, ann = sqlite_terminal.ok("users", "list").split("\n")[:-1]
        assert r"  A\x1b[31mnn\n\tLee\u202e\u2028\x9b\x7f é\u3000李  no " in ann.replace(
            "\u3000", r"\u3000"
        )

    @pytest.mark.parametrize(
        ("command", "message"),
        [
            ("users add nonsense", "email must be an e-mail address."),
            ("users add A@b.example", "email is taken by another user."),
            ("users add c@b.example --id 12", "id must be an id of 24 hex digits."),
            ("keys create nobody@b.example", "user names no user: nobody@b.example."),
            (
                "keys create a@b.example --scope admin",
                "scope may hold admin only for a user who is an administrator.",
            ),
            ("keys revoke ofk_nothing", "prefix begins no working key: ofk_nothing."),
        ],
    )
    def test_refusals(
        self, migrated_terminal: DatabaseTerminal, command: str, message: str
    ) -> None:
        migrated_terminal.ok("users", "add", "a@b.example")
        assert migrated_terminal.fails(*command.split()) == f"orders: {message}\n"

    def test_a_prefix_of_several_keys_revokes_none(
        self, migrated_terminal: DatabaseTerminal
    ) -> None:
        migrated_terminal.ok("users", "add", "a@b.example")
        for _ in range(2):
            migrated_terminal.ok("keys", "create", "a@b.example")
        assert "prefix begins more than one key: ofk_" in migrated_terminal.fails(
            "keys", "revoke", "ofk_"
        )
        assert "revoked" not in migrated_terminal.ok("keys", "list")

    def test_wrong_usage_is_2(self, sqlite_terminal: DatabaseTerminal) -> None:
        for command in ("keys create a --scope all", "keys create a --expires-in soon"):
            done = sqlite_terminal.run(*command.split())
            assert (done.returncode, done.stdout) == (2, "")


class TestProducts:
    CSV = "id,name,image,price,description\n"

    def _import(self, terminal: Terminal, name: str, text: str | bytes) -> str:
        path = terminal.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = terminal.run("products", "import", name)
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        return done.stderr if done.returncode else "ok"

    def test_csv_and_json_lines_are_upserted(self, migrated_terminal: DatabaseTerminal) -> None:
        run = migrated_terminal
        rows = f'{TABLE},"table, brown",t.webp,19.99,\n{UNKNOWN},stool,,5,"two\nlines"\n'
        assert self._import(run, "p.csv", "\ufeff" + self.CSV + rows) == "ok"
        line = json.dumps({"id": TABLE.upper(), "name": "é", "price": 0.1, "extra": 1})
        assert self._import(run, "p.jsonl", f"{line}\n\n") == "ok"
        lines = [line.split() for line in run.ok("products", "list").splitlines()]
        assert lines[1:] == [
            [UNKNOWN, "stool", "5.00", "USD", "-"],
            [TABLE, "é", "0.10", "USD", "-"],
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            (f"{TABLE},x,,1.005,", "line 3: price: must have at most two decimals"),
            (f"{TABLE},x,,,", "line 3: price: must be a number such as 19.99"),
            (f"{TABLE},x,,-1,", "line 3: price: must not be negative"),
            (f"{TABLE},x,,1_0,", "line 3: price: must be a number such as 19.99"),
            (f"{TABLE},x,,1e999999,", "line 3: price: is too large"),
            (f"{TABLE},x", "line 3: price: is missing"),
            (f"{TABLE},,,1,", "line 3: name: must not be blank"),
            ("12,x,,1,", "line 3: id: must be an id of 24 hex digits"),
            (f"{TABLE},x,,1,d,e", "line 3: more columns than the header has"),
            (f"{UNKNOWN},x,,1,", "line 3: id: stands on line 2 already"),
        ],
    )
    def test_a_bad_line_imports_nothing(
        self, sqlite_terminal: DatabaseTerminal, line: str, message: str
    ) -> None:
        text = f"{self.CSV}{UNKNOWN},good,,1,\n{line}\n"
        said = self._import(sqlite_terminal, "p.csv", text)
        assert said == f"orders: p.csv: nothing was imported\n{message}\n"
        assert len(sqlite_terminal.ok("products", "list").splitlines()) == 1

    @pytest.mark.parametrize(
        ("content", "lacking"),
        [
            ("id;name;price\n", "id, name, price"),
            (f"id;name;price\n{TABLE};x;1\n", "id, name, price"),
            (f"id,Name,image\n{TABLE},x,\n", "name, price"),
            ("", "id, name, price"),
        ],
    )
    def test_a_header_without_a_needed_column(
        self, sqlite_terminal: DatabaseTerminal, content: str, lacking: str
    ) -> None:
        assert self._import(sqlite_terminal, "p.csv", content) == (
            "orders: p.csv: nothing was imported\n"
            f"line 1: the header lacks {lacking} (columns are separated by commas)\n"
        )

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{", "line 1: not valid JSON"),
            (b"[]", "line 1: not a JSON object"),
            (b"5\n", "line 1: not a JSON object"),
            (b'{"id": 5, "name": null, "price": true}', "line 1: price: must be a number"),
            (b"\xff\xfe", "is not in UTF-8"),
        ],
    )
    def test_files_of_another_kind(
        self, sqlite_terminal: DatabaseTerminal, content: bytes, message: str
    ) -> None:
        assert message in self._import(sqlite_terminal, "p.jsonl", content)


@pytest.mark.parametrize("command", ["users list", "keys list", "products list", "usage"])
def test_reading_does_not_wait_for_who_writes(
    migrated_terminal: DatabaseTerminal, command: str
) -> None:
    home = migrated_terminal.home
    tables = ("users", "api_keys", "products", "rest_usage", "alembic_version")
    let_in = home.databases.keep_changes_out(home.url, *tables)
    try:
        assert len(migrated_terminal.ok(*command.split()).splitlines()) == 1
    finally:
        let_in()


class TestUsage:
    HEADER = ("CALLER", "KEY", "PATH", "CALLS", "LAST", "SEEN", "IN", "GRAPHQL")

    def _shop(self, terminal: DatabaseTerminal) -> tuple[str, str, str]:
        """Two users and a key; their calls are put in as a server writes them."""
        ann = terminal.ok("users", "add", "ann@b.example").strip()
        boss = terminal.ok("users", "add", "boss@b.example", "--admin").strip()
        key = terminal.ok("keys", "create", ann, "--name", "till 2").strip()
        [(key_id,)] = terminal.home.run("SELECT id FROM api_keys")
        today = clock.now().date()
        for days_ago, user, used, path, calls in (
            (0, ann, key_id, "/orders/get_all", 2),
            (6, ann, key_id, "/orders/get_all", 3),
            (7, ann, key_id, "/orders/get_all", 5),
            (29, boss, "legacy-jwt", "/orders/change-status", 4),
            (30, boss, "legacy-jwt", "/orders/delete", 9),
            (8, UNKNOWN, "a" * 24, "/orders/add", 1),
        ):
            day = str(today - timedelta(days=days_ago))
            terminal.home.run(
                "INSERT INTO rest_usage VALUES"
                f" ('{day}', '{user}', '{used}', '{path}', {calls}, '{day}T00:00:01.000000Z')"
            )
        return ann, boss, key[:12]

    def test_a_row_for_each_caller_and_path(self, migrated_terminal: DatabaseTerminal) -> None:
        _, _, prefix = self._shop(migrated_terminal)
        today = clock.now().date()
        seen = [f"{today - timedelta(days=ago)}T00:00:01.000Z" for ago in (0, 29, 8)]
        lines = migrated_terminal.ok("usage").splitlines()
        assert [tuple(re.split(" {2,}", line)) for line in lines[1:]] == [
            (
                "ann@b.example",
                f"{prefix} till 2",
                "/orders/get_all",
                "10",
                seen[0],
                "me { orders }",
            ),
            (
                "boss@b.example",
                "legacy JWT",
                "/orders/change-status",
                "4",
                seen[1],
                "changeOrderStatus",
            ),
            (UNKNOWN, "a" * 24, "/orders/add", "1", seen[2], "addOrder"),
        ]
        assert tuple(lines[0].split()) == self.HEADER
        assert "deleteOrders" in migrated_terminal.ok("usage", "--days", "31")

    def test_for_a_program(self, migrated_terminal: DatabaseTerminal) -> None:
        ann, _, prefix = self._shop(migrated_terminal)
        today = clock.now().date()
        [used] = json.loads(migrated_terminal.ok("usage", "--days", "7", "--json"))
        assert used == {
            "caller": "ann@b.example",
            "userId": ann,
            "key": f"{prefix} till 2",
            "path": "/orders/get_all",
            "calls": 5,
            "lastSeen": f"{today}T00:00:01.000Z",
            "replacedBy": "me { orders }",
            "days": {str(today - timedelta(days=6)): 3, str(today): 2},
        }

    def test_nobody(self, migrated_terminal: DatabaseTerminal) -> None:
        assert tuple(migrated_terminal.ok("usage").split()) == self.HEADER
        assert json.loads(migrated_terminal.ok("usage", "--json")) == []
        assert migrated_terminal.run("usage", "--days", "0").returncode == 2


class TestSchema:
    def test_the_committed_one_is_the_code(self, terminal: Terminal) -> None:
        assert terminal.ok("schema", "export") == Path("schema.graphql").read_text()

    def test_changes_since_an_earlier_one(self, terminal: Terminal) -> None:
        text = Path("schema.graphql").read_text()
        earlier = terminal.folder / "earlier.graphql"
        earlier.write_text(text)
        assert terminal.ok("schema", "changes", "earlier.graphql") == ""
        older = text.replace('  """REST: `Next day`."""\n  NEXT_DAY\n', "")
        earlier.write_text(
            older.replace("  version: Int!", "  version: Int!\n  colour: String @deprecated")
        )
        assert terminal.ok("schema", "changes", "earlier.graphql") == (
            "dangerous: Enum value ShippingMethod.NEXT_DAY was added.\n"
        )
        earlier.write_text(text.replace("  version: Int!", "  version: Int!\n  colour: String"))
        done = terminal.run("schema", "changes", "earlier.graphql")
        assert (done.returncode, done.stdout, done.stderr) == (
            1,
            "breaking: Field Order.colour was removed.\n",
            "orders: this breaks callers: what is to go must be deprecated for a release\n",
        )

    @pytest.mark.parametrize(
        ("content", "complaint"),
        [
            (b"a letter", "is not a GraphQL schema: Syntax Error: Unexpected Name 'a'."),
            (b"type Query { a: B }", "is not a GraphQL schema: Unknown type 'B'."),
            (b"\xff", "is not in UTF-8"),
        ],
    )
    def test_a_file_that_is_no_schema(
        self, terminal: Terminal, content: bytes, complaint: str
    ) -> None:
        (terminal.folder / "earlier.graphql").write_bytes(content)
        assert terminal.fails("schema", "changes", "earlier.graphql") == (
            f"orders: earlier.graphql {complaint}\n"
        )


def test_a_text_that_no_index_holds(postgresql_terminal: Terminal) -> None:
    # Not compressible: an index keeps up to 2,704 bytes.
    name = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(120))
    said = postgresql_terminal.fails("users", "add", f"{name}@shop.example")
    assert "a text is too long for the server" in said
    assert len(postgresql_terminal.ok("users", "list").splitlines()) == 1
