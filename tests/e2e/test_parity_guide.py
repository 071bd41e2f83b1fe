"""docs/parity.md: each command is run between two demo shops and gives the output shown."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.cli.parity.known import RULES
from app.db.engine import open_database
from tests.databases import sqlite_url
from tests.e2e.server import ROOT, Server, running

GUIDE = (ROOT / "docs" / "parity.md").read_text()
COMMANDS = re.findall(r"```console\n\$ (.*<<END\n(?:.*\n)*?END|.*)\n([^`]*)```", GUIDE)


async def _raise_a_quantity(path: Path) -> None:
    database = open_database(sqlite_url(path))
    async with database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE order_items SET quantity = 5"
            " WHERE order_id = '0000000d0300000000000257' AND position = 0"
        )
    await database.dispose()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Two demo shops with the same keys; the second one has the fault that the guide shows."""
    legacy, ours = tmp_path_factory.mktemp("legacy"), tmp_path_factory.mktemp("ours")
    with running(legacy, "--demo") as server:
        server.stop(signal.SIGTERM)
    shutil.copytree(legacy / "data", ours / "data")
    asyncio.run(_raise_a_quantity(ours / "data" / "orders.db"))
    with ExitStack() as stack:
        yield (
            stack.enter_context(running(legacy, "--demo")),
            stack.enter_context(running(ours, "--demo")),
        )


def test_the_commands_show_what_happens(servers: tuple[Server, Server], tmp_path: Path) -> None:
    legacy, ours = servers
    key = legacy.key("Customer's key")
    environment = {
        "LEGACY": legacy.url,
        "OURS": ours.url,
        "KEY": key,
        "ADMIN": legacy.key("Administrator's"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}",
        "PYTHONPATH": str(ROOT),
    }
    assert len(COMMANDS) == 6
    for command, shown in COMMANDS:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == "", command
        assert done.stdout.strip() == shown.replace("KEY", key[:8]).strip(), command


def test_every_deliberate_difference_is_in_the_guide() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", GUIDE.split("## Deliberate")[1], re.MULTILINE)
    assert {name: text.replace("`", "") for name, text in rows} == {
        name: text for name, (text, _) in RULES.items()
    }
