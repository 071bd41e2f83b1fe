"""What an import has read and not yet written: a database of its own on disk, gone when closed.

SQLite makes a file without a name for it, so a killed process leaves nothing behind. However much
is put in, a few megabytes of it are in memory.
"""

import sqlite3
from collections.abc import Iterator

_CACHE_KIB = 16 * 1024

_TABLES = """
    CREATE TABLE records (
        collection TEXT NOT NULL, id TEXT NOT NULL,
        owner TEXT, at INTEGER, sha256 TEXT, content BLOB,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    CREATE TABLE known (
        collection TEXT NOT NULL, id TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    CREATE TABLE emails (email TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rejects (position INTEGER PRIMARY KEY, line BLOB NOT NULL);
"""


class Staging:
    """Records by collection and id, sorted on disk; and what is known beside them."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect("", isolation_level=None)
        self._connection.executescript(_TABLES)
        for pragma in (f"cache_size=-{_CACHE_KIB}", "journal_mode=OFF", "synchronous=OFF"):
            self._connection.execute(f"PRAGMA {pragma}")
        # Never committed: nobody else reads it, and it goes away when it is closed.
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()

    def claim(self, collection: str, id_: str) -> bool:
        """Take an id for the record being read; False when an earlier record has it."""
        done = self._connection.execute(
            "INSERT OR IGNORE INTO records (collection, id) VALUES (?, ?)", (collection, id_)
        )
        return done.rowcount == 1

    def put(
        self, collection: str, id_: str, *, owner: str, at: int, sha256: str, content: bytes
    ) -> None:
        """Keep the record whose id was claimed. `owner`, `at` and the id are what it sorts by."""
        self._connection.execute(
            "UPDATE records SET owner = ?, at = ?, sha256 = ?, content = ?"
            " WHERE collection = ? AND id = ?",
            (owner, at, sha256, content, collection, id_),
        )

    def know(self, collection: str, id_: str, content: bytes) -> None:
        """Note a record that is in the database already."""
        self._connection.execute(
            "INSERT INTO known (collection, id, content) VALUES (?, ?, ?)",
            (collection, id_, content),
        )

    def find(self, collection: str, id_: str) -> bytes | None:
        """The content that was put for an id, else what was known of it, else None."""
        row = self._connection.execute(
            "SELECT content FROM records WHERE collection = :c AND id = :i AND content IS NOT NULL"
            " UNION ALL SELECT content FROM known WHERE collection = :c AND id = :i LIMIT 1",
            {"c": collection, "i": id_},
        ).fetchone()
        return None if row is None else bytes(row[0])

    def claim_email(self, email: str, id_: str) -> bool:
        """Take an e-mail address for a user; False when it is another user's."""
        self._connection.execute("INSERT OR IGNORE INTO emails VALUES (?, ?)", (email, id_))
        owner = self._connection.execute("SELECT id FROM emails WHERE email = ?", (email,))
        return bool(owner.fetchone()[0] == id_)

    def reject(self, line: bytes) -> None:
        """Keep a line for the rejects file."""
        self._connection.execute("INSERT INTO rejects (line) VALUES (?)", (line,))

    def rejects(self) -> Iterator[bytes]:
        """The lines kept for the rejects file, in their order."""
        for (line,) in self._connection.execute("SELECT line FROM rejects ORDER BY position"):
            yield line

    def count(self, collection: str) -> int:
        """How many records were put."""
        statement = "SELECT count(*) FROM records WHERE collection = ? AND content IS NOT NULL"
        return int(self._connection.execute(statement, (collection,)).fetchone()[0])

    def batches(self, collection: str, size: int) -> Iterator[list[tuple[str, str, bytes]]]:
        """The records put, as (id, sha256, content), sorted by owner, time and id, in lists."""
        found = self._connection.execute(
            "SELECT id, sha256, content FROM records"
            " WHERE collection = ? AND content IS NOT NULL ORDER BY owner, at, id",
            (collection,),
        )
        while batch := found.fetchmany(size):
            yield batch
