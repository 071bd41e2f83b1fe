"""docs/moving.md: its commands, one after another, move a shop over, prove it, and go back.

MongoDB's tools are stood in for by scripts that leave a dump and take files: there is no MongoDB
here. The legacy shop is stood in for by a server of our own over what the first dump holds.
"""

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import bson
import httpx
import jwt
import pytest
from bson.json_util import loads

from tests import legacy_dump
from tests.e2e.server import ROOT, running

SECRET = "the secret, as the legacy shop has it"
GUIDE = (ROOT / "docs" / "moving.md").read_text()
STEPS = [
    re.sub(r"^ +", "", block, flags=re.MULTILINE)
    for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL)
]
SERVE = "orders serve --port 8001"
USERS, ORDERS, LATER = 3, 12, 2


def _token(number: int) -> str:
    user = {"id": str(legacy_dump.user(number)["_id"]), "admin": number == 0}
    return jwt.encode({"user": user, "exp": 2**40}, SECRET)


def _dump(folder: Path, orders: range) -> None:
    spoilt = legacy_dump.order(100, USERS) | {"status": "lost"}
    documents = {
        "users": [legacy_dump.user(number) for number in range(USERS)],
        "products": [legacy_dump.product(number) for number in range(3)],
        "orders": [*(legacy_dump.order(number, USERS) for number in orders), spoilt],
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in documents.items():
        content = b"".join(bson.encode(document) for document in found)
        (folder / f"{name}.bson.gz").write_bytes(gzip.compress(content))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to work in, with stand-ins for MongoDB's tools on the path."""
    tools, work = tmp_path / "tools", tmp_path / "work"
    tools.mkdir()
    work.mkdir()
    _dump(tmp_path / "first", range(ORDERS))
    # In between some came in, and the first was deleted.
    _dump(tmp_path / "later", range(1, ORDERS + LATER))
    scripts = {
        # The first dump the first time, a later one from then on.
        "mongodump": f'[ -e dump ] && from="{tmp_path}/later" || from="{tmp_path}/first"\n'
        'mkdir -p dump/shop && cp "$from"/* dump/shop/',
        "mongoimport": f'for last; do :; done; cp "${{last#--file=}}" "{tmp_path}/"'
        ' && echo "$@" >> mongoimport.log',
        "orders": f'exec "{sys.executable}" -m app "$@"',
    }
    if shutil.which("jq", path=os.defpath) is None:
        # Understands the one thing that the guide asks of it.
        scripts["jq"] = (
            f'exec "{sys.executable}" -c \'import json, sys; print(json.dumps('
            '{"orderId": json.load(open(sys.argv[2]))["gone_from_dump"]["orders"]["ids"]}))\' "$@"'
        )
    for name, script in scripts.items():
        (tools / name).write_text(f"#!/bin/sh\nset -e\n{script}\n")
        (tools / name).chmod(0o755)
    return work


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _run(script: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["/bin/sh", "-ec", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, (script, done.stdout, done.stderr)
    return done.stdout


def _report(folder: Path, name: str) -> tuple[int, ...]:
    orders = json.loads((folder / name).read_text())["orders"]
    return tuple(orders[count] for count in ("read", "imported", "unchanged", "skipped"))


def _step(words: str) -> str:
    [step] = [step for step in STEPS if words in step]
    return step


def test_the_hour(folder: Path, tmp_path: Path) -> None:
    assert len(STEPS) == 13
    port = _free_port()
    environment = {
        "PATH": f"{tmp_path / 'tools'}{os.pathsep}{os.defpath}",
        "PYTHONPATH": str(ROOT),
        "ORDERS_DATABASE_URL": "sqlite+aiosqlite:///orders.db",
        "ORDERS_LEGACY_JWT_SECRET": SECRET,
        "ORDERS_DRAIN_S": "0",
        "OURS": f"http://127.0.0.1:{port}",
        "TOKEN": _token(1),
        "ADMIN_EMAIL": "user0@shop.example",
        "ADMIN_KEY": _token(0),
    }
    (folder / "tokens.txt").write_text("".join(f"{_token(n)}\n" for n in range(USERS)))

    _run(STEPS[0], folder, environment)
    _run(STEPS[1], folder, environment)
    assert _report(folder, "rehearsal.json") == (ORDERS + 1, ORDERS, 0, 1)
    _run(STEPS[2], folder, environment)
    assert _report(folder, "import.json") == (ORDERS + 1, ORDERS, 0, 1)
    _mend(folder / "dump.rejects.jsonl")
    _run(_step("dump.rejects.jsonl"), folder, environment)

    # What the legacy shop holds before the switch is what came over so far.
    shutil.copy(folder / "orders.db", tmp_path / "legacy.db")
    serve = _step(SERVE)
    assert f"ORDERS_LEGACY_JWT_SECRET='{SECRET}'" in serve
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            ["/bin/sh", "-ec", serve.replace(SERVE, f"exec orders serve --port {port}")],
            cwd=folder,
            env={**environment, "ORDERS_LEGACY_JWT_SECRET": "replaced by the step"},
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(port)
        with running(
            tmp_path,
            ORDERS_DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/legacy.db",
            ORDERS_LEGACY_JWT_SECRET=SECRET,
        ) as legacy:
            environment["LEGACY"] = legacy.url
            asked = _step("readyz").replace("http://127.0.0.1:8001", environment["OURS"])
            assert '"orderNum":' in _run(asked, folder, environment)
            key = _run(_step("keys create"), folder, environment).splitlines()[-1]
            assert key.startswith("ofk_")
            first, second = (step for step in STEPS if "orders parity" in step)
            assert "3 calls, 3 the same" in _run(first, folder, environment)
            _run(_step("--report switch.json"), folder, environment)
            # The order that was mended is known by then; in the dump it is still spoilt.
            assert _report(folder, "switch.json") == (ORDERS + LATER, LATER, ORDERS - 1, 1)
            deleted = _run(_step("gone.json"), folder, environment)
            assert deleted == '{"acknowledged":true,"deletedCount":1}'
            # What the dump brought was made there, so the stand-in gets it too.
            legacy_url = f"sqlite+aiosqlite:///{tmp_path}/legacy.db"
            made_there = {**environment, "ORDERS_DATABASE_URL": legacy_url}
            _run("orders import legacy dump", folder, made_there)
            there = {**environment, "OURS": legacy.url}
            _run(_step("gone.json"), folder, there)
            assert "3 calls, 3 the same" in _run(second, folder, environment)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    used = _run(_step("orders usage"), folder, environment)
    assert "user1@shop.example" in used
    assert "legacy JWT" in used

    _run(_step("export legacy"), folder, environment)
    assert len((folder / "mongoimport.log").read_text().splitlines()) == 3
    back = (tmp_path / "orders.json").read_text().splitlines()
    assert len(back) == ORDERS + LATER
    sent = {loads(line)["_id"] for line in back}
    assert {legacy_dump.order(number, USERS)["_id"] for number in range(1, ORDERS + LATER)} < sent


def _mend(rejects: Path) -> None:
    text = rejects.read_text()
    assert text.count('"lost"') == 1
    rejects.write_text(text.replace('"lost"', '"pending"'))


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            httpx.get(f"http://127.0.0.1:{port}/healthz")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not come up")
