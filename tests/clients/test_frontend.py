"""docs/frontend.md: its files are generated from, type-checked and run against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.server import ROOT, Server, running

TEXT = (ROOT / "docs" / "frontend.md").read_text()
WEB = ROOT / "web"
HERE = Path(__file__).parent
# Its own virtual environment, kept for the next run: it needs another graphql-core than we do.
VENV = HERE / ".venv"
LOCK = HERE / "requirements.lock"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("service"), "--demo") as server:
        yield server


def write_files(section: str, folder: Path, service: Server) -> None:
    """Put the named files of a section of the page into a folder, and the schema beside them."""
    text = TEXT.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    files = re.findall(r"```\w+ (\S+)\n(.*?)```", text, re.DOTALL)
    assert files
    for name, content in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    (folder / "schema.graphql").write_text(httpx.get(f"{service.url}/schema.graphql").text)


def run(
    service: Server, folder: Path, *command: str | Path, fails: bool = False
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command,
        cwd=folder,
        env={
            "PATH": os.defpath,
            "HOME": str(folder),
            "URL": service.url,
            "KEY": service.key("Administrator's"),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done


class TestTypeScript:
    @pytest.fixture
    def node(self) -> str:
        node = shutil.which("node")
        if node is None:
            pytest.skip("Node is not installed, so the TypeScript of the page was not run.")
        if not (WEB / "node_modules" / ".bin" / "graphql-codegen").exists():
            pytest.skip(
                "The TypeScript of the page was not run: `make web` installs what it needs."
            )
        return node

    def test_it_is_typed_and_runs(self, node: str, service: Server, tmp_path: Path) -> None:
        write_files("TypeScript", tmp_path, service)
        (tmp_path / "package.json").write_text('{"type": "module"}')
        (tmp_path / "node_modules").symlink_to(WEB / "node_modules")
        tools = WEB / "node_modules" / ".bin"
        run(service, tmp_path, tools / "graphql-codegen", "--config", "codegen.ts")
        checking = (
            *(tools / "tsc", "--noEmit", "--strict", "--exactOptionalPropertyTypes"),
            *("--target", "es2023", "--module", "esnext", "--moduleResolution", "bundler"),
            *("--types", "node", "src/orders.ts"),
        )
        run(service, tmp_path, *checking)
        run(service, tmp_path, tools / "rolldown", "src/orders.ts", "--file", "out.mjs")
        lines = run(service, tmp_path, node, "out.mjs").stdout.splitlines()
        assert len(lines) == 61
        assert lines[:2] == ["176 DELIVERY 1961.98 Ben Okafor", "369 PENDING 1881.47 Ada Marsh"]

        # A field that is not asked for, and a null that was not thought of, are found.
        source = tmp_path / "src" / "orders.ts"
        right = source.read_text()
        for wrong in ("total.currency", "customer.name"):
            source.write_text(right.replace("total.amount", wrong))
            assert "error TS" in run(service, tmp_path, *checking, fails=True).stdout


class TestPython:
    @pytest.fixture
    def codegen(self) -> Path:
        """The generator's virtual environment, made where there is none for this lock."""
        stamp = VENV / "installed"
        lock = LOCK.read_text()
        if not stamp.exists() or stamp.read_text() != lock:
            subprocess.run([sys.executable, "-m", "venv", "--clear", VENV], check=True)
            subprocess.run(
                [
                    *(VENV / "bin" / "python", "-m", "pip", "install", "--quiet"),
                    *("--disable-pip-version-check", "--require-hashes", "-r", LOCK),
                ],
                check=True,
            )
            stamp.write_text(lock)
        return VENV / "bin"

    def test_it_is_generated_and_runs(self, codegen: Path, service: Server, tmp_path: Path) -> None:
        write_files("Python", tmp_path, service)
        run(service, tmp_path, codegen / "ariadne-codegen")
        lines = run(service, tmp_path, codegen / "python", "report.py").stdout.splitlines()
        assert lines == [
            "230 2026-03-16 8367.20",
            "77 2025-11-21 8136.29",
            "364 2026-10-15 6827.40",
            "changed 364",
            "OrderStatus.DELIVERY",
        ]
