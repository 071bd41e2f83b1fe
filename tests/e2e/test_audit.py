"""The public audits of GraphQL over HTTP, by npm's graphql-http, against the real server."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, running

NODE = ROOT / "tests" / "node"


def test_all_audits_of_graphql_over_http_pass(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (NODE / "node_modules" / "graphql-http").is_dir():
        pytest.skip(
            "the audits need Node 20 or newer and the packages of tests/node: run npm ci there"
        )
    with running(tmp_path, "--demo") as server:
        done = subprocess.run(
            [node, NODE / "audit.mjs", f"{server.url}/graphql"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["failed"] == []
    assert found["total"] == 61
    assert found["levels"] == {
        "MUST": {"passed": 13, "of": 13},
        "SHOULD": {"passed": 23, "of": 23},
        "MAY": {"passed": 25, "of": 25},
    }
