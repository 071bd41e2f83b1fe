"""What documents show: each command is run against the demo shop and gives the output shown."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, Server, running

SHOWN = re.compile(r"```console\n *\$ ((?:[^\n]*\\\n)*[^\n]*)\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("tour"), "--demo") as server:
        yield server


@pytest.mark.parametrize(
    ("document", "commands"),
    [("README.md", 11), ("docs/live.md", 1), ("docs/rest.md", 2), ("docs/writing.md", 1)],
)
def test_documents_show_what_happens(
    demo: Server, tmp_path: Path, document: str, commands: int
) -> None:
    shows = SHOWN.findall((ROOT / document).read_text())
    customer, admin = demo.key("Customer's key"), demo.key("Administrator's")
    environment = {"URL": demo.url, "KEY": customer, "ADMIN": admin, "PATH": os.defpath}
    assert len(shows) == commands
    for command, shown in shows:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == shown.strip(), command


def test_the_way_to_production_works(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## Moving on to production")[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block
    script = block[1].replace("/srv/orders/", f"{tmp_path}/srv/")
    assert "orders serve --host 0.0.0.0" in script
    # A server would not end, and 0.0.0.0 is for others to reach.
    script = script.replace("orders serve --host 0.0.0.0", "orders serve --help >/dev/null")
    (tmp_path / "products.csv").write_text(
        "id,name,price,image,description\n6555a1f49feeac7dccd9b1ee,table,19.99,,\n"
    )
    run = (
        f'orders() {{ "{sys.executable}" -m app "$@"; }}\nset -e\n{script}\norders products list\n'
    )
    done = subprocess.run(
        ["/bin/sh", "-c", run],
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    user_id, key, _, product = done.stdout.splitlines()
    assert re.fullmatch(r"[0-9a-f]{24}", user_id)
    assert re.fullmatch(r"ofk_\w{43}", key)
    assert "19.99 USD" in product
    assert (tmp_path / "srv" / "orders.db").exists()
