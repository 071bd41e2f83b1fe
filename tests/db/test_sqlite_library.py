"""What a server does to SQLite's library before it is used."""

import _sqlite3
import subprocess
import sys

import pytest

from app.db.sqlite_library import leave_out_memory_statistics

PROGRAM = """
import _sqlite3, ctypes, sqlite3
from app.db.sqlite_library import leave_out_memory_statistics as leave_out
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


def test_nothing_is_counted_from_then_on() -> None:
    # In a process of its own: there must be no connection yet.
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)


@pytest.mark.parametrize("place", ["/nowhere/sqlite.so", sys.executable])
def test_a_library_out_of_reach_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setattr(_sqlite3, "__file__", place)
    assert not leave_out_memory_statistics()
