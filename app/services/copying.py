"""A whole database copied into another one, whichever engines they are on.

All of the source is read at one moment, checked and summed up; then it is written in parts, each a
transaction of whole orders with their items and words; then the target is read, and must sum up to
the same. What is there already when a copy goes on is compared row by row and never changed, so it
may be broken off at any moment.
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables
from app.db.database import Database
from app.db.filling import finish, given_numbers, insert_whole_rows
from app.db.portable import Row, describe
from app.db.whole_rows import (
    Checksum,
    Family,
    Key,
    Rows,
    count_rows,
    families,
    key_of,
    require_families,
    rows_between,
    stream_families,
    stream_rows,
)
from app.domain.errors import AppError, Unavailable
from app.services.progress import Progress

# Some hundreds of orders: waiting for the disk at each commit does not count then.
ROWS_AT_ONCE = 4_000
_BYTES_AT_ONCE = 8_000_000


class DatabaseFailed(AppError):
    """One of the two databases can't be used."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two databases; `role` says which: source or target."""

    role: str
    database: Database

    def __str__(self) -> str:
        """The database for a person, without a password."""
        return f"the {self.role} at {self.database.place}"

    @contextmanager
    def named(self) -> Iterator[None]:
        """Say which of the two it was that failed."""
        try:
            yield
        except Unavailable as error:
            # What is advised is for who has named the one database in the settings.
            reason = error.reason.replace("ORDERS_DATABASE_URL", "its URL")
            raise DatabaseFailed(f"as the {self.role}, {reason}") from error

    @asynccontextmanager
    async def snapshot(self) -> AsyncGenerator[AsyncConnection]:
        """A connection on which everything is of one moment.

        Raises:
            DatabaseFailed: it can't be used.
        """
        with self.named():
            async with self.database.snapshot() as connection:
                yield connection


@dataclass(frozen=True, slots=True)
class TableComparison:
    """The rows of a table on both sides, counted and summed up."""

    name: str
    source: Checksum
    target: Checksum

    @property
    def is_same(self) -> bool:
        """Whether both sides hold the same rows."""
        return (self.source.rows, self.source.sha256) == (self.target.rows, self.target.sha256)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the two databases compare, table by table.

    `last_event` is the last of the source's event log at the moment that was read, `written_since`
    whether the source is known to have been written to after it; `added` counts the rows copied.
    """

    tables: tuple[TableComparison, ...]
    last_event: int
    written_since: bool
    added: int = 0

    @property
    def different(self) -> tuple[str, ...]:
        """The names of the tables that are not the same."""
        return tuple(table.name for table in self.tables if not table.is_same)


async def copy_database(
    source: Side, target: Side, *, resume: bool, progress: Progress
) -> Comparison:
    """Copy all rows into a database that is empty, or has a part of them already.

    Both must be at the newest migration, and nobody else should write to either.

    Args:
        source: What to read.
        target: Where to write.
        resume: Whether rows may be there already; each must be the same as in the source.
        progress: Is told how far it is.

    Raises:
        RuntimeError: the source holds what can't be moved, and nothing was written; the target is
            not empty, has a row that is not the same, or refuses one. The message says which.
        DatabaseFailed: one of them can't be used; what was committed before stays.
    """
    if not resume:
        await _require_empty(target)
    before = await _log_version(source)
    added = 0
    async with source.snapshot() as connection:
        total = sum((await count_rows(connection)).values())
        sums = await _sums(connection, progress.counter("Reading the source", total))
        await require_families(connection)
        last_event = await _last_event(connection)
        given = await given_numbers(connection)
        step = progress.counter("Copying", total)
        with target.named():
            await target.database.expect_bulk()
        for family in families():
            filling = _Filling(target, family, resume=resume)
            parts = stream_families(
                connection, family, rows_at_once=ROWS_AT_ONCE, bytes_at_once=_BYTES_AT_ONCE
            )
            async with aclosing(parts):
                async for part in parts:
                    added += await filling.add(part)
                    step(_size(part))
            await filling.end()
        with target.named():
            await target.database.write(partial(finish, given=given))
    written_since = await _log_version(source) != before
    return Comparison(await _compared(sums, target, progress), last_event, written_since, added)


async def compare_databases(source: Side, target: Side, *, progress: Progress) -> Comparison:
    """Count and sum up the rows on both sides; nothing is written.

    Raises:
        RuntimeError: a value can't be what its column is for; the message names it.
        DatabaseFailed: one of them can't be used.
    """
    before = await _log_version(source)
    async with source.snapshot() as connection:
        total = sum((await count_rows(connection)).values())
        sums = await _sums(connection, progress.counter("Reading the source", total))
        last_event = await _last_event(connection)
    written_since = await _log_version(source) != before
    return Comparison(await _compared(sums, target, progress), last_event, written_since)


class _Filling:
    """The tables of a family in the target, filled in the order of its keys."""

    def __init__(self, target: Side, family: Family, *, resume: bool) -> None:
        self._target = target
        self._family = family
        self._resume = resume
        self._root_key = key_of(family.root, family.key_columns(family.root))
        self._last: Key | None = None

    async def add(self, part: Rows) -> int:
        """Have the next rows in the target, and return how many were not there yet."""
        if self._resume:
            part = await self._missing(part)
        if count := _size(part):
            with self._target.named():
                await self._target.database.write(partial(_insert, part=part))
        return count

    async def end(self) -> None:
        """Make sure that nothing follows in the target."""
        if self._resume:
            await self._missing({table: [] for table in self._family.tables})

    async def _missing(self, part: Rows) -> Rows:
        """The rows that the target lacks of the keys that the part spans.

        Raises:
            RuntimeError: the target has a row that is not the source's.
        """
        roots = part[self._family.root]
        until = self._root_key(roots[-1]) if roots else None
        missing = {}
        with self._target.named():
            async with self._target.database.read() as connection:
                for table, rows in part.items():
                    there = await rows_between(
                        connection,
                        self._family,
                        table,
                        after=self._last,
                        until=until,
                        limit=len(rows) + 1,  # with one more, one must be a stranger
                    )
                    missing[table] = self._lacking(table, rows, there)
        self._last = until
        return missing

    def _lacking(self, table: Table, rows: list[Row], there: list[Row]) -> list[Row]:
        key = key_of(table, self._family.order(table))
        found = {key(row): row for row in there}
        lacking = []
        for row in rows:
            other = found.pop(key(row), None)
            if other is None:
                lacking.append(row)
            elif other != row:
                names = [
                    column.name
                    for column, mine, theirs in zip(table.columns, row, other, strict=True)
                    if mine != theirs
                ]
                raise RuntimeError(
                    f"{self._target} has other content in {describe(table, row)}"
                    f" ({', '.join(names)}): nothing is overwritten"
                )
        for row in found.values():
            what = describe(table, row)
            raise RuntimeError(f"{self._target} has what the source does not have: {what}")
        return lacking


async def _insert(connection: AsyncConnection, part: Rows) -> None:
    for table, rows in part.items():
        await insert_whole_rows(connection, table, rows)


async def _require_empty(target: Side) -> None:
    with target.named():
        async with target.database.read() as connection:
            there = {table.name: n for table, n in (await count_rows(connection)).items() if n}
    if there:
        found = ", ".join(f"{count} {name}" for name, count in there.items())
        raise RuntimeError(
            f"{target} is not empty ({found}): name one that is, or --resume a copy that was"
            " broken off"
        )


async def _compared(
    sums: Mapping[Table, Checksum], target: Side, progress: Progress
) -> tuple[TableComparison, ...]:
    async with target.snapshot() as connection:
        total = sum((await count_rows(connection)).values())
        theirs = await _sums(connection, progress.counter("Reading the target", total))
    return tuple(
        TableComparison(table.name, sums[table], theirs[table])
        for table in tables.metadata.sorted_tables
    )


async def _sums(connection: AsyncConnection, step: Callable[[int], None]) -> dict[Table, Checksum]:
    sums = {}
    for family in families():
        for table in family.tables:
            sums[table] = Checksum()
            async with aclosing(stream_rows(connection, family, table)) as parts:
                async for some in parts:
                    sums[table].add(some)
                    step(len(some))
    return sums


async def _log_version(side: Side) -> int:
    with side.named():
        return await side.database.log_version()


async def _last_event(connection: AsyncConnection) -> int:
    return await connection.scalar(select(func.max(tables.OrderEvent.seq))) or 0


def _size(part: Rows) -> int:
    return sum(map(len, part.values()))
