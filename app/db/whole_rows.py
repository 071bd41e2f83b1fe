"""Whole tables, row by row, in values that are the same on every engine: for moving a database.

What is read is checked, so that what one engine holds and another can't is found before anything
is written. Tables, their columns and which of them belong together come from the metadata: a table
that is added later is among them without being named here.
"""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from typing import Any, TypeAlias

import orjson
from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Select,
    Table,
    Text,
    cast,
    exists,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import NullType

from app.db import tables
from app.db.portable import Row, describe, portable

Key: TypeAlias = tuple[Any, ...]
"""What a row of a family's first table is known by, and named by in the others."""

Rows: TypeAlias = Mapping[Table, list[Row]]

_ROWS_AT_ONCE = 500
_json_line = partial(orjson.dumps, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE)


@dataclass(frozen=True, slots=True)
class Family:
    """A table and those whose rows belong to its rows, such as an order's items and words."""

    tables: tuple[Table, ...]

    @property
    def root(self) -> Table:
        """The table that the others refer to."""
        return self.tables[0]

    def key_columns(self, table: Table) -> tuple[Column[Any], ...]:
        """The columns by which a row names its family: its primary key, or a foreign key."""
        own = tuple(self.root.primary_key.columns)
        if table is self.root:
            return own
        referring = {key.column: key.parent for key in table.foreign_keys}
        return tuple(referring[column] for column in own)

    def order(self, table: Table) -> tuple[Column[Any], ...]:
        """The columns that a table's rows are sorted by: families together, no two rows alike."""
        key = self.key_columns(table)
        return (*key, *(column for column in table.primary_key.columns if column not in set(key)))


@cache
def families() -> tuple[Family, ...]:
    """All tables, in an order in which they can be filled.

    Raises:
        TypeError: a table refers to two others, or to one that refers to a third itself.
    """
    found: dict[Table, list[Table]] = {}
    for table in tables.metadata.sorted_tables:
        referred = {key.column.table for key in table.foreign_keys}
        if not referred:
            found[table] = [table]
        elif len(referred) == 1 and (root := referred.pop()) in found:
            found[root].append(table)
        else:
            raise TypeError(f"{table.name} belongs to no single other table")
    return tuple(Family(tuple(members)) for members in found.values())


class Checksum:
    """The number of rows and the SHA-256 of them, each a JSON array on a line of its own."""

    def __init__(self) -> None:
        self.rows = 0
        self._hash = sha256()

    def add(self, rows: Sequence[Row]) -> None:
        """Take the next rows."""
        self.rows += len(rows)
        self._hash.update(b"".join(map(_json_line, rows)))

    @property
    def sha256(self) -> str:
        """The checksum of all rows so far."""
        return self._hash.hexdigest()


async def stream_rows(
    connection: AsyncConnection, family: Family, table: Table
) -> AsyncGenerator[list[Row]]:
    """All rows of a table in the family's order, a few in memory at a time.

    Raises:
        RuntimeError: a value can't be in its column on every engine; the message names it.
    """
    statement = _select(table, connection.dialect.name).order_by(*family.order(table))
    options = {"yield_per": _ROWS_AT_ONCE}
    async with connection.stream(statement, execution_options=options) as found:
        async for some in found.partitions():
            yield portable(connection.dialect, table, some)


async def rows_between(
    connection: AsyncConnection,
    family: Family,
    table: Table,
    *,
    after: Key | None,
    until: Key | None,
    limit: int,
) -> list[Row]:
    """The rows of families past one and up to another, both of them by key.

    Args:
        connection: Where to read.
        family: What belongs together.
        table: One of its tables.
        after: The last family not to read; None to begin at the first.
        until: The last family to read; None for all that follow.
        limit: How many rows at the most.

    Raises:
        RuntimeError: as for `stream_rows`.
    """
    columns = family.key_columns(table)
    statement = _select(table, connection.dialect.name).order_by(*family.order(table)).limit(limit)
    key = tuple_(*columns)
    if after is not None:
        statement = statement.where(key > _tuple_of(columns, after))
    if until is not None:
        statement = statement.where(key <= _tuple_of(columns, until))
    return portable(connection.dialect, table, (await connection.execute(statement)).all())


def key_of(table: Table, columns: Sequence[Column[Any]]) -> Callable[[Row], Key]:
    """What takes the values of some columns from a row of a table."""
    positions = [list(table.columns).index(column) for column in columns]
    if positions == list(range(len(positions))):
        return lambda row: row[: len(positions)]
    return lambda row: tuple(row[position] for position in positions)


async def stream_families(
    connection: AsyncConnection, family: Family, *, rows_at_once: int, bytes_at_once: int
) -> AsyncGenerator[Rows]:
    """All rows of a family's tables, whole families at a time, as many as are allowed at once.

    Args:
        connection: Where to read.
        family: What belongs together.
        rows_at_once: After how many rows to stop at the end of a family.
        bytes_at_once: The same for the size of what is in them.

    Raises:
        RuntimeError: as for `stream_rows`.
    """
    root_key = key_of(family.root, family.key_columns(family.root))
    part: dict[Table, list[Row]] = {table: [] for table in family.tables}
    count = size = 0
    async with AsyncExitStack() as stack:
        roots, *others = [
            await stack.enter_async_context(aclosing(stream_rows(connection, family, table)))
            for table in family.tables
        ]
        members = [
            _Member(family, table, rows)
            for table, rows in zip(family.tables[1:], others, strict=True)
        ]
        async for some in roots:
            for root in some:
                part[family.root].append(root)
                count += 1
                size += len(_json_line(root))
                for member in members:
                    rows = await member.take(root_key(root))
                    part[member.table].extend(rows)
                    count += len(rows)
                    size += sum(map(len, map(_json_line, rows)))
                if count >= rows_at_once or size >= bytes_at_once:
                    yield part
                    part = {table: [] for table in family.tables}
                    count = size = 0
        if count:
            yield part


async def require_families(connection: AsyncConnection) -> None:
    """Make sure that every row belongs to one that is there. SQLite does not always see to it.

    Raises:
        RuntimeError: one does not; the message names it.
    """
    for family in families():
        own = family.key_columns(family.root)
        for table in family.tables[1:]:
            pairs = zip(own, family.key_columns(table), strict=True)
            belongs = exists().where(*(column == referring for column, referring in pairs))
            statement = (
                _select(table, connection.dialect.name)
                .where(~belongs)
                .order_by(*family.order(table))
                .limit(1)
            )
            for row in await connection.execute(statement):
                raise RuntimeError(
                    f"{describe(table, tuple(row))} belongs to no row of {family.root.name}"
                )


async def count_rows(connection: AsyncConnection) -> dict[Table, int]:
    """The number of rows of each table."""
    return {
        table: (await connection.execute(select(func.count()).select_from(table))).scalar_one()
        for table in tables.metadata.sorted_tables
    }


class _Member:
    """The rows of a table that belong to the rows of another, handed out family by family."""

    def __init__(self, family: Family, table: Table, parts: AsyncGenerator[list[Row]]) -> None:
        self.table = table
        self._parts = parts
        self._key = key_of(table, family.key_columns(table))
        self._rows: list[Row] = []
        self._next = 0

    async def take(self, key: Key) -> list[Row]:
        """The rows of the family whose turn it is."""
        taken: list[Row] = []
        while True:
            rows, first = self._rows, self._next
            while self._next < len(rows) and self._key(rows[self._next]) == key:
                self._next += 1
            taken += rows[first : self._next]
            if self._next < len(rows):
                return taken
            self._rows, self._next = await anext(self._parts, []), 0
            if not self._rows:
                return taken


def _tuple_of(columns: Sequence[Column[Any]], key: Key) -> ColumnElement[Any]:
    values = zip(key, columns, strict=True)
    return tuple_(*(literal(value, column.type) for value, column in values))


@cache
def _select(table: Table, engine: str) -> Select[*tuple[Any, ...]]:
    """Rows as the driver gives them, but JSON as the text that it is: drivers make floats of it."""
    return select(
        *(
            cast(column, Text)
            if isinstance(column.type, JSON) and engine != "sqlite"
            else type_coerce(column, NullType())
            for column in table.columns
        )
    )
