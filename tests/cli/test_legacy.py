"""`orders import legacy` and `orders export legacy`, as a person or a script uses them."""

import json
import signal
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import DatabaseTerminal, Terminal
from tests.databases import Databases, Home
from tests.legacy_dump import LegacyShop, order, user, write_file
from tests.services.legacy.test_importing import EVERYTHING


@pytest.fixture
def terminal(migrated_terminal: DatabaseTerminal) -> DatabaseTerminal:
    return migrated_terminal


def everything(home: Home) -> list[list[Any]]:
    return [home.run(statement) for statement in EVERYTHING]


def test_a_dirty_dump_twice(terminal: DatabaseTerminal) -> None:
    shop = LegacyShop(300)
    shop.write(terminal.folder / "dump" / "shop", "bson", gz=True)
    (terminal.folder / "dump" / "shop" / "carts.bson.gz").write_bytes(b"")
    done = terminal.run("import", "legacy", "dump", "--report", "report.json")
    assert done.returncode == 0, done.stderr
    report = json.loads((terminal.folder / "report.json").read_text())
    skipped = 0
    for name, expected in shop.expected.items():
        tally = report[name]
        assert tally["read"] == expected.read
        assert tally["read"] == tally["imported"] + tally["unchanged"] + tally["skipped"]
        assert tally["reasons"] == expected.reasons
        assert tally["warnings"] == expected.warnings
        skipped += tally["skipped"]
    assert report["passed_over"]["collections"] == ["shop/carts"]
    assert report["passed_over"]["fields"] == {}
    assert (report["rejects"], report["dry_run"]) == ("dump.rejects.jsonl", False)
    kept = terminal.folder / "dump.rejects.jsonl"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    rejects = kept.read_text().splitlines()
    assert len(rejects) == skipped
    assert f"{skipped} records were skipped. They are in dump.rejects.jsonl" in done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["READ", "IMPORTED", "UNCHANGED", "SKIPPED"]
    orders = report["orders"]
    assert lines[3] == [
        "orders",
        *(str(orders[k]) for k in ("read", "imported", "unchanged", "skipped")),
    ]
    assert [
        "orders",
        "skipped",
        "status_invalid",
        str(orders["reasons"]["status_invalid"]),
    ] in lines
    assert ["collection", "passed", "over", "shop/carts"] in lines
    before = everything(terminal.home)
    again = terminal.ok("import", "legacy", "dump", "--report", "again.json")
    assert everything(terminal.home) == before
    second = json.loads((terminal.folder / "again.json").read_text())
    for name in shop.expected:
        assert second[name]["imported"] == 0
        assert second[name]["unchanged"] == report[name]["imported"]
        assert second[name]["reasons"] == report[name]["reasons"]
    assert again.splitlines()[3].split()[2] == "0"


def test_a_dry_run_leaves_no_trace(terminal: DatabaseTerminal) -> None:
    LegacyShop(120).write(terminal.folder / "dump")
    before = everything(terminal.home)
    files = set(terminal.folder.iterdir())
    done = terminal.run("import", "legacy", "dump", "--dry-run")
    assert done.stdout.split()[:5] == ["READ", "WOULD", "IMPORT", "UNCHANGED", "SKIPPED"]
    assert done.stderr.endswith("This was a dry run: nothing was imported.\n")
    assert everything(terminal.home) == before
    assert {file for file in terminal.folder.iterdir() if not file.name.startswith(".")} == {
        file for file in files if not file.name.startswith(".")
    }
    # Only what was asked for by name.
    terminal.ok(
        "import", "legacy", "dump", "--dry-run", "--rejects", "r.jsonl", "--report", "r.json"
    )
    assert len((terminal.folder / "r.jsonl").read_text().splitlines()) > 10
    assert json.loads((terminal.folder / "r.json").read_text())["dry_run"] is True
    assert everything(terminal.home) == before


def test_what_is_gone_from_the_dump_is_named(terminal: DatabaseTerminal) -> None:
    LegacyShop(40, dirty=False).write(terminal.folder / "dump")
    arguments = ("import", "legacy", "dump", "--report", "r.json")
    terminal.ok(*arguments)
    report = json.loads((terminal.folder / "r.json").read_text())
    assert report["gone_from_dump"] == {}
    LegacyShop(37, dirty=False).write(terminal.folder / "dump")
    (terminal.folder / "dump" / "products.json").unlink()  # no word on these
    for dry_run in (["--dry-run"], []):
        done = terminal.run(*arguments, *dry_run)
        report = json.loads((terminal.folder / "r.json").read_text())
        gone = [str(order(number)["_id"]) for number in (37, 38, 39)]
        assert report["gone_from_dump"] == {"orders": {"records": 3, "ids": gone}}
        assert "3 records of earlier imports are not in the dump any more" in done.stderr
        lines = [line.split() for line in done.stdout.splitlines()]
        assert ["orders", "gone", "from", "the", "dump", "stays", "here", "3"] in lines
    # What is deleted here as well is not looked for any more, nor for a file of rejects.
    terminal.home.run(f"DELETE FROM orders WHERE id > '{gone[0]}'")
    terminal.ok(*arguments)
    report = json.loads((terminal.folder / "r.json").read_text())
    assert report["gone_from_dump"] == {"orders": {"records": 1, "ids": gone[:1]}}
    (terminal.folder / "some.jsonl").write_text("")
    terminal.ok("import", "legacy", "some.jsonl", "--report", "r.json")
    assert json.loads((terminal.folder / "r.json").read_text())["gone_from_dump"] == {}


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("nowhere", "nowhere is not there"),
            ("empty", "empty has none of the collections users, products, orders"),
            ("bad", "orders.json line 2: this is not valid JSON; nothing was imported"),
            ("dump --report no/r.json", "no/r.json can't be written: no is no folder that can be"),
            ("dump --rejects no/r.jsonl", "no/r.jsonl can't be written"),
            ("bad/orders.json --rejects bad/orders.json", "bad/orders.json is being imported"),
        ],
    )
    def test_each_is_one_sentence(
        self, terminal: DatabaseTerminal, arguments: str, message: str
    ) -> None:
        (terminal.folder / "empty").mkdir()
        LegacyShop(20, dirty=False).write(terminal.folder / "dump")
        shop = LegacyShop(1, dirty=False)
        (terminal.folder / "bad").mkdir()
        bad = write_file(terminal.folder / "bad", "orders", shop.documents("orders"), "canonical")
        bad.write_text(bad.read_text() + '{"_id":\n')
        before = everything(terminal.home)
        said = terminal.fails("import", "legacy", *arguments.split())
        assert said.startswith("orders: ")
        assert message in said
        assert len(said.splitlines()) == 1
        assert everything(terminal.home) == before
        assert not list(terminal.folder.glob("*.jsonl"))

    def test_asks_for_a_migrated_database(self, empty_terminal: DatabaseTerminal) -> None:
        LegacyShop(1, dirty=False).write(empty_terminal.folder / "dump")
        for command in ("import", "export"):
            said = empty_terminal.fails(command, "legacy", "dump")
            assert "run `orders migrate` first" in said


def test_export_and_import_elsewhere(terminal: DatabaseTerminal) -> None:
    LegacyShop(150, dirty=False).write(terminal.folder / "dump")
    terminal.ok("import", "legacy", "dump")
    table = [line.split() for line in terminal.ok("export", "legacy", "out").splitlines()]
    assert sorted(table[1:]) == [
        ["orders.json", "150"],
        ["products.json", "7"],
        ["users.json", "3"],
    ]
    for name in ("users", "products", "orders"):
        read = [
            sorted((terminal.folder / folder / f"{name}.json").read_text().splitlines())
            for folder in ("dump", "out")
        ]
        assert [json.loads(line) for line in read[0]] == [json.loads(line) for line in read[1]]
    said = terminal.fails("export", "legacy", "out")
    assert said == (
        "orders: out/users.json, out/products.json, out/orders.json are there already:"
        " name another folder, or replace them with --force\n"
    )
    terminal.ok("export", "legacy", "out", "--force")


def test_a_broken_off_import_goes_on_where_it_stopped(databases: Databases, tmp_path: Path) -> None:
    LegacyShop(10_000).write(tmp_path / "dump")
    folders = tmp_path / "whole", tmp_path / "broken"
    for folder in folders:
        folder.mkdir()
    with databases.for_folder(folders[0]) as home:
        DatabaseTerminal(folders[0], home).ok("import", "legacy", "../dump")
        whole = everything(home)
    with databases.for_folder(folders[1]) as home:
        status, said, first = _stopped_after_a_batch(folders[1], home, signal.SIGINT)
        assert (status, said) == (
            130,
            "orders: the import was broken off; what was imported by then stays, and running it"
            " again goes on from there\n",
        )
        status, said, second = _stopped_after_a_batch(folders[1], home, signal.SIGKILL)
        assert (status, said) == (-signal.SIGKILL, "")
        report = tmp_path / "report.json"
        DatabaseTerminal(folders[1], home).ok(
            "import", "legacy", "../dump", "--report", str(report)
        )
        tally = json.loads(report.read_text())["orders"]
        assert 0 < first < second == tally["unchanged"]
        assert tally["imported"] > 0
        assert everything(home) == whole
    assert not list(folders[1].glob(".*.tmp"))


def _stopped_after_a_batch(folder: Path, home: Home, by: signal.Signals) -> tuple[int, str, int]:
    """Import, and send a signal once there are more orders: exit status, what was said, orders."""

    def orders() -> int:
        [(count,)] = home.run("SELECT count(*) FROM orders")
        return int(count)

    before = orders()
    terminal = DatabaseTerminal(folder, home)
    process = terminal.start("import", "legacy", "../dump")
    try:
        while orders() == before:
            assert process.poll() is None
            time.sleep(0.005)
    finally:
        process.send_signal(by)
        done = terminal.end(process)
    # A commit that was under way when its client was killed is finished.
    home.databases.wait_until_left(home.url)
    return done.returncode, done.stderr, orders()


def test_names_of_a_dump_can_not_steer_the_terminal(terminal: DatabaseTerminal) -> None:
    folder = terminal.folder / "dump"
    folder.mkdir()
    odd = {"": 1, "a\x1b[2J\nb": 1}
    write_file(folder, "users", iter([user(0) | odd]), "canonical")
    (folder / "x\x1b]0;y\x07.json").write_bytes(b"")
    lines = [line.split() for line in terminal.ok("import", "legacy", "dump").splitlines()]
    assert ["users", "field", "passed", "over", '""', "1"] in lines
    assert ["users", "field", "passed", "over", r"a\x1b[2J\nb", "1"] in lines
    assert ["collection", "passed", "over", r"x\x1b]0;y\x07"] in lines


def test_help_has_whole_sentences(terminal: Terminal) -> None:
    lines = [line.strip() for line in terminal.ok("import", "legacy", "--help").splitlines()]
    assert "Safe to repeat, also after it was broken off. What was changed here since is kept." in (
        lines
    )
