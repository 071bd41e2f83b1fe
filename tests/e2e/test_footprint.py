"""What a server process loads, what it runs on, and how much memory it takes when idle."""

import shutil
import signal
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.server import ROOT, started

MOST_MB = 120
AT_THE_END = """
import atexit, pathlib, sys
WITHOUT = {without!r}
sys.modules.update(dict.fromkeys(WITHOUT))
def note():
    loaded = [name for name, module in sys.modules.items() if module is not None]
    pathlib.Path("modules").write_text("\\n".join(loaded))
atexit.register(note)
"""
# What tests, other databases or other servers need, and what only some commands or callers do.
UNNEEDED = {
    *("hypothesis", "pytest", "psutil", "sqlglot", "gql", "unittest", "tkinter"),
    *("cryptography", "jinja2", "libcst", "multipart", "ijson", "numpy"),
    *("sqlalchemy.dialects.mysql", "sqlalchemy.dialects.oracle", "sqlalchemy.dialects.mssql"),
    *("strawberry.cli", "strawberry.codegen", "strawberry.fastapi", "strawberry.asgi"),
    *("h11", "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.websockets.wsproto_impl"),
}


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_server_is_small_and_runs_on_what_there_is(
    tmp_path: Path, migrated: Path, loop: str
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(migrated, tmp_path / "data" / "orders.db")
    without = [] if loop == "uvloop" else ["uvloop"]
    (tmp_path / "sitecustomize.py").write_text(AT_THE_END.format(without=without))
    with started(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200
        used_mb = psutil.Process(server.process.pid).memory_info().rss / 1_000_000
        assert server.stop(signal.SIGINT) == 0
    loaded = set((tmp_path / "modules").read_text().split())
    assert "app.main" in loaded
    assert f"uvicorn.loops.{loop}" in loaded
    assert ("uvloop" in loaded) == (loop == "uvloop")
    assert "uvicorn.protocols.http.httptools_impl" in loaded
    assert not loaded & UNNEEDED
    assert used_mb < MOST_MB
