"""The README's tour: each command is run against the demo shop and gives the output shown."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, Server, running

TOUR = re.findall(
    r"```console\n\$ ((?:[^\n]*\\\n)*[^\n]*)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("tour"), "--demo") as server:
        yield server


def test_the_tour_shows_what_happens(demo: Server, tmp_path: Path) -> None:
    customer, admin = demo.key("Customer's key"), demo.key("Administrator's")
    environment = {"URL": demo.url, "KEY": customer, "ADMIN": admin, "PATH": os.defpath}
    assert len(TOUR) == 9
    for command, shown in TOUR:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == shown.strip(), command
