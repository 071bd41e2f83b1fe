"""What an import has read and not yet written: a database of its own on disk, gone when closed.

Its file loses its name as soon as it is open, where the system allows that, so a killed process
leaves nothing behind. However much is put in, a few megabytes of it are in memory.
"""

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

_CACHE_KIB = 16 * 1024

_TABLES = """
    CREATE TABLE records (
        collection TEXT NOT NULL, id TEXT NOT NULL,
        owner TEXT, at INTEGER, sha256 TEXT, content BLOB,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    -- What is read in order is read by an index: SQLite might sort all of it in memory.
    CREATE INDEX records_in_order ON records (collection, owner, at, id) WHERE content IS NOT NULL;
    CREATE TABLE known (
        collection TEXT NOT NULL, id TEXT NOT NULL, content BLOB NOT NULL,
        PRIMARY KEY (collection, id)
    ) WITHOUT ROWID;
    CREATE TABLE users_here (
        id TEXT PRIMARY KEY, email TEXT, sha256 TEXT, imported_sha256 TEXT
    ) WITHOUT ROWID;
    CREATE TABLE wishes (id TEXT PRIMARY KEY, email TEXT NOT NULL, at INTEGER NOT NULL)
        WITHOUT ROWID;
    CREATE INDEX wishes_in_order ON wishes (at);
    CREATE VIEW wishing AS
        SELECT wishes.id, wishes.email, at, users_here.email AS email_here,
            users_here.id IS NULL OR imported_sha256 IS sha256 AS is_changeable
        FROM wishes LEFT JOIN users_here ON users_here.id = wishes.id;
    CREATE TABLE emails (email TEXT PRIMARY KEY, id TEXT NOT NULL) WITHOUT ROWID;
    CREATE TABLE rejects (position INTEGER PRIMARY KEY, line BLOB NOT NULL);
"""


# Who gets which e-mail address: first those here keep theirs whom the dump can't change, then those
# who have what they wish for, then the others get theirs as they come.
_GIVE = (
    """INSERT INTO emails SELECT email, id FROM users_here
    WHERE email IS NOT NULL AND NOT (imported_sha256 IS sha256 AND EXISTS (
        SELECT 1 FROM records WHERE collection = 'users' AND records.id = users_here.id
        AND content IS NOT NULL))""",
    """INSERT OR IGNORE INTO emails SELECT email, id FROM wishing
    WHERE is_changeable AND email IS email_here ORDER BY at""",
    """INSERT OR IGNORE INTO emails SELECT email, id FROM wishing
    WHERE is_changeable AND email IS NOT email_here ORDER BY at""",
)
# Whoever gets the address of somebody here, and that somebody.
_MARK_AT_ONCE = """
    UPDATE records SET owner = NULL WHERE collection = 'users' AND id IN (
        SELECT value FROM users_here JOIN emails ON emails.email = users_here.email,
            json_each(json_array(emails.id, users_here.id))
        WHERE emails.id <> users_here.id)"""


class Staging:
    """Records by collection and id, sorted on disk; and what is known beside them."""

    def __init__(self) -> None:
        # Not SQLite's own temporary database: a library may be built to keep that in memory.
        self._folder = tempfile.TemporaryDirectory(prefix="orders-import-")
        self._connection = sqlite3.connect(
            Path(self._folder.name, "staging.db"), isolation_level=None
        )
        for pragma in (
            f"cache_size=-{_CACHE_KIB}",
            "journal_mode=OFF",
            "synchronous=OFF",
            "locking_mode=EXCLUSIVE",
        ):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_TABLES)
        with suppress(OSError):
            self._folder.cleanup()
        # Never committed: nobody else reads it, and it goes away when it is closed.
        self._connection.execute("BEGIN")

    def close(self) -> None:
        """Let go of everything."""
        self._connection.close()
        self._folder.cleanup()

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

    def know_imported_user(self, id_: str, sha256: str) -> None:
        """Note the hash of a user as last imported, who may be changed or gone by now."""
        self._connection.execute(
            "INSERT INTO users_here (id, imported_sha256) VALUES (?, ?)", (id_, sha256)
        )

    def know_user(self, id_: str, email: str | None, sha256: str) -> None:
        """Note the address and the hash of a user who is in the database."""
        self._connection.execute(
            "INSERT INTO users_here (id, email, sha256) VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET email = excluded.email, sha256 = excluded.sha256",
            (id_, email, sha256),
        )

    def wish(self, id_: str, email: str, *, at: int) -> None:
        """Note the address that the dump has for the user whose record was put."""
        self._connection.execute("INSERT INTO wishes VALUES (?, ?, ?)", (id_, email, at))

    def give_emails(self) -> Iterator[tuple[int, bytes, bool]]:
        """Give each e-mail address to one user, once all are known.

        Returns:
            Of those whose wish another user got, in their order: what they sort by, content, and
            whether they can be changed.
        """
        for statement in _GIVE:
            self._connection.execute(statement)
        yield from self._connection.execute(
            "SELECT wishing.at, content, is_changeable FROM wishing CROSS JOIN emails USING (email)"
            " CROSS JOIN records ON records.collection = 'users' AND records.id = wishing.id"
            " WHERE emails.id <> wishing.id ORDER BY wishing.at"
        )

    def reject(self, line: bytes) -> None:
        """Keep a line for the rejects file."""
        self._connection.execute("INSERT INTO rejects (line) VALUES (?)", (line,))

    def rejects(self) -> Iterator[bytes]:
        """The lines kept for the rejects file, in their order."""
        for (line,) in self._connection.execute("SELECT line FROM rejects ORDER BY position"):
            yield line

    def lacking(self, collection: str, ids: Sequence[str]) -> list[str]:
        """Those of the ids that no record of the dump has, not even one that was refused."""
        found = self._connection.execute(
            "SELECT value FROM json_each(?) WHERE NOT EXISTS"
            " (SELECT 1 FROM records WHERE collection = ? AND id = value)",
            (json.dumps(ids), collection),
        )
        return [id_ for (id_,) in found]

    def count(self, collection: str) -> int:
        """How many records were put."""
        statement = "SELECT count(*) FROM records WHERE collection = ? AND content IS NOT NULL"
        return int(self._connection.execute(statement, (collection,)).fetchone()[0])

    def batches(self, collection: str, size: int) -> Iterator[list[tuple[str, str, bytes]]]:
        """The records put, as (id, sha256, content), sorted by owner, time and id, in lists.

        Users who get the e-mail address of another here come first, with that other, in a list of
        any size: they are to be written at once.
        """
        statement = (
            "SELECT id, sha256, content FROM records WHERE collection = ? AND content IS NOT NULL"
            " AND owner IS {} NULL ORDER BY owner, at, id"
        )
        if collection == "users":
            self._connection.execute(_MARK_AT_ONCE)
            if at_once := self._connection.execute(statement.format(""), (collection,)).fetchall():
                yield at_once
        found = self._connection.execute(statement.format("NOT"), (collection,))
        while batch := found.fetchmany(size):
            yield batch
