"""SQLite: short reads in the event loop, with a bound, past the connections that have threads."""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from app.db.prepared import Bound
from app.domain import clock

# Of the processor, as what it does for others meanwhile says nothing of the read; and in all, for
# a slow disk.
_LONGEST_S = 0.01
_LONGEST_WAIT_S = 0.1
_STEPS = 50_000  # of SQLite's machine; some two milliseconds
_STATEMENTS = 512
_CACHE_KIB = 16_384  # taken as it is needed; of a large shop, the upper levels of all indexes
# Whether the file is still there; looking takes a good part of the time of a short read.
_LOOK_EVERY_S = 0.05


class InlineReader:
    """Reads in the thread that asks, for as long as nobody else has to wait for that.

    Whatever goes wrong here, the database's own way to read has the word for it.
    """

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._connection: sqlite3.Connection | None = None
        self._look_again_s = 0.0
        # Of the current read: when it is late, in time of the processor and in all.
        self._late_s: tuple[float, float] | None = None

    def read(self, reads: Sequence[Bound]) -> list[Sequence[Sequence[Any]]] | None:
        """The rows of each statement; None if they can't be had at once."""
        now_s = clock.monotonic_s()
        if now_s >= self._look_again_s:
            # Whoever has taken the file away is told so by the other way.
            if not os.path.exists(self._path):
                self.close()
                return None
            self._look_again_s = now_s + _LOOK_EVERY_S
        self._late_s = None
        try:
            if self._connection is None:
                self._connection = self._connect()
            execute = self._connection.execute
            return [execute(read.text, read.parameters).fetchall() for read in reads]
        except sqlite3.Error:
            return None

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        connection = connect_driver(self._path, "query_only=ON", f"cache_size=-{_CACHE_KIB}")
        connection.set_progress_handler(self._is_late, _STEPS)
        return connection

    def _is_late(self) -> bool:
        now_s, busy_s = clock.monotonic_s(), clock.busy_s()
        if self._late_s is None:
            self._late_s = (busy_s + _LONGEST_S, now_s + _LONGEST_WAIT_S)
            return False
        return busy_s > self._late_s[0] or now_s > self._late_s[1]


def connect_driver(path: Path | str, *pragmas: str) -> sqlite3.Connection:
    """A connection for any thread; it waits for nobody else's lock."""
    connection = sqlite3.connect(
        path,
        timeout=0,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=_STATEMENTS,
    )
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    return connection
