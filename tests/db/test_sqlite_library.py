"""Which SQLite library serves the process, and what a server does to it before it is used."""

import _sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.db.sqlite_library import leave_out_memory_statistics

MAPPED = Path("/proc/self/maps")
PYTHONS_OWN = """
import sys
sys.modules["pysqlite3"] = None
"""
NEWEST = """
"""
STATISTICS = """
from app.db.sqlite_library import leave_out_memory_statistics as leave_out
import _sqlite3, ctypes, sqlite3
used = ctypes.CDLL(_sqlite3.__file__).sqlite3_memory_used
used.restype = ctypes.c_int64
with_figures = sqlite3.connect(":memory:")
assert used() > 0
with_figures.close()
assert leave_out() and leave_out()
connection = sqlite3.connect(":memory:")
found = connection.execute("SELECT group_concat(value) FROM json_each('[1, 2]')").fetchone()
assert found == ("1,2",)
assert used() == 0
"""
LIBRARIES = """
import asyncio
from pathlib import Path
from app.main import create_app
from app.settings import Settings
import aiosqlite, sqlalchemy.dialects.sqlite.aiosqlite as dialect

async def main():
    settings = Settings(database_url="sqlite+aiosqlite:///there.db")
    Path("there.db").touch()
    app = create_app(settings)
    async with app.state.database.read() as connection:
        await connection.exec_driver_sql("SELECT 1")
    app.state.database.at_once([])
    await app.state.database.dispose()

asyncio.run(main())
import sqlite3
assert aiosqlite.core.sqlite3 is sqlite3
assert dialect.dialect.import_dbapi().OperationalError is sqlite3.OperationalError
there = Path("/proc/self/maps")
lines = there.read_text().splitlines() if there.exists() else []
mapped = {line.split()[-1] for line in lines}
print(*sorted(Path(name).name.partition(".")[0] for name in mapped if "sqlite3" in name))
"""
LATE = """
import aiosqlite, sqlite3
import app.db.sqlite
assert app.db.sqlite.sqlite3 is sqlite3 is aiosqlite.core.sqlite3
print(sqlite3.__name__)
"""


def run(program: str, folder: Path | None = None) -> str:
    """What a program prints. It has a process of its own: there must be no connection yet."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("library", [NEWEST, PYTHONS_OWN], ids=["newest", "python's"])
def test_nothing_is_counted_from_then_on(library: str) -> None:
    run(library + STATISTICS)


@pytest.mark.parametrize("place", ["/nowhere/sqlite.so", sys.executable])
def test_a_library_out_of_reach_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(_sqlite3, "__file__", place)
    assert not leave_out_memory_statistics()


def test_one_library_serves_the_process(tmp_path: Path) -> None:
    # Two would not see each other's locks on a file, and let go of them. The program looks at its
    # modules anywhere; what it has mapped, Linux tells.
    elsewhere = [] if MAPPED.exists() else [""]
    assert run(NEWEST + LIBRARIES, tmp_path) in ["_sqlite3", *elsewhere]
    found = run(PYTHONS_OWN + LIBRARIES, tmp_path)
    assert found in ["_sqlite3 libsqlite3", "_sqlite3", *elsewhere]


def test_what_was_there_before_stays() -> None:
    assert run(LATE) == "sqlite3"


def test_an_import_puts_by_on_disk_what_it_has_read() -> None:
    # A library may be built to keep its own temporary databases in memory.
    program = """
import gc, resource
from app.db.staging import Staging
staging = Staging()
held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for number in range(2_000):
    id_ = f"{number:024x}"
    staging.claim("orders", id_)
    staging.put("orders", id_, owner=id_[::-1], at=number, sha256="x", content=b"x" * 50_000)
found = sum(len(batch) for batch in staging.batches("orders", 100))
print(found, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held) // 1024 < 60)
staging.close()
"""
    assert run(program) == "2000 True"
