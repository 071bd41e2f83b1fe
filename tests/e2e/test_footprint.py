"""What a server process loads, what it runs on, and how much memory it takes when idle."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.server import ROOT, started

MOST_MB = 120
# Of more than twice as many that it consists of. To look through all takes a tenth of a second.
MOST_OBJECTS_TO_LOOK_THROUGH = 60_000
# A process notes it when it looks through all objects, as it does when it is about to serve, and
# once more at its end, unless a signal ends it.
NOTING = """
import atexit, gc, json, os, pathlib, sys
WITHOUT = {without!r}
sys.modules.update(dict.fromkeys(WITHOUT))
looked_through = []
def note():
    loaded = [name for name, module in sys.modules.items() if module is not None]
    pathlib.Path(f"noted.{{os.getpid()}}").write_text(
        json.dumps({{"loaded": loaded, "looked_through": looked_through}})
    )
def look(phase, about):
    if phase == "start" and about["generation"] == 2:
        looked_through.append(len(gc.get_objects()))
        note()
def end():
    gc.callbacks.remove(look)
    note()
gc.callbacks.append(look)
atexit.register(end)
"""
# What tests, other databases or other servers need, and what only some commands or callers do.
UNNEEDED = {
    *("hypothesis", "pytest", "psutil", "sqlglot", "gql", "unittest", "tkinter"),
    *("cryptography", "jinja2", "libcst", "multipart", "ijson", "numpy"),
    *("alembic", "mako", "app.db.migrating", "httpx", "httpcore", "rich.progress"),
    *("asyncpg", "app.db.postgresql", "app.db.replica", "app.db.filling", "app.services.copying"),
    *("app.cli.copy", "app.cli.legacy", "app.cli.parity", "app.services.legacy"),
    *("sqlalchemy.dialects.mysql", "sqlalchemy.dialects.oracle", "sqlalchemy.dialects.mssql"),
    *("strawberry.cli", "strawberry.codegen", "strawberry.fastapi", "strawberry.asgi"),
    *("h11", "uvicorn.protocols.http.h11_impl", "uvicorn.protocols.websockets.wsproto_impl"),
}


def noted(folder: Path, process_id: int) -> tuple[set[str], list[int]]:
    """The modules that a process had loaded, and how many objects each full search took in."""
    content: dict[str, Any] = json.loads((folder / f"noted.{process_id}").read_text())
    return set(content["loaded"]), content["looked_through"]


def used_mb(process: psutil.Process) -> float:
    used: float = process.memory_info().rss / 1_000_000
    return used


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_server_is_small_and_runs_on_what_there_is(
    tmp_path: Path, migrated: Path, loop: str
) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(migrated, tmp_path / "data" / "orders.db")
    without = [] if loop == "uvloop" else ["uvloop"]
    (tmp_path / "sitecustomize.py").write_text(NOTING.format(without=without))
    with started(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200
        used = used_mb(psutil.Process(server.process.pid))
        assert server.stop(signal.SIGINT) == 0
    loaded, looked_through = noted(tmp_path, server.process.pid)
    assert "app.main" in loaded
    assert f"uvicorn.loops.{loop}" in loaded
    assert ("uvloop" in loaded) == (loop == "uvloop")
    assert "uvicorn.protocols.http.httptools_impl" in loaded
    assert not loaded & UNNEEDED
    assert used < MOST_MB
    # When it is about to serve it looks through what came since the imports.
    assert looked_through
    assert max(looked_through) < MOST_OBJECTS_TO_LOOK_THROUGH


def test_so_is_each_of_several(tmp_path: Path, migrated: Path) -> None:
    (tmp_path / "data").mkdir()
    shutil.copy(migrated, tmp_path / "data" / "orders.db")
    (tmp_path / "sitecustomize.py").write_text(NOTING.format(without=[]))
    with started(tmp_path, "--workers", "2", PYTHONPATH=f"{tmp_path}:{ROOT}") as server:
        assert httpx.get(f"{server.url}/readyz", timeout=60).status_code == 200
        parent = psutil.Process(server.process.pid)
        # The other child keeps the books of what the processes share, and nothing of ours.
        servers = [one for one in parent.children() if "spawn_main" in " ".join(one.cmdline())]
        assert len(servers) == 2
        used = {process.pid: used_mb(process) for process in (parent, *servers)}
        assert server.stop(signal.SIGTERM) == 0
    for process_id, used_by_it in used.items():
        assert used_by_it < MOST_MB
        loaded, looked_through = noted(tmp_path, process_id)
        assert "app.main" in loaded
        assert not loaded & UNNEEDED
        assert looked_through or process_id == parent.pid
        assert max(looked_through, default=0) < MOST_OBJECTS_TO_LOOK_THROUGH
