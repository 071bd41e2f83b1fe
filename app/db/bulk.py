"""Inserting many rows: straight to the driver, past what SQLAlchemy does for each single row.

That is worth a good part of an import's time, and so is one statement for many rows: what an engine
does once for each statement costs as much as a row. Values still go through their columns' types.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table, insert, inspect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel

from app.db import tables

# Far from the number of parameters that a statement may have (32,766 in SQLite). More rows at once
# are no faster: SQLite keeps what a statement changes, to undo all of it if one row is refused.
_ROWS_AT_ONCE = 200


async def insert_rows(
    connection: AsyncConnection, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Insert any number of rows, each with a value for every column that does not count by itself.

    Raises:
        KeyError: a row lacks a column.
    """
    one, many, values_of, conversions = _plan(table, connection.dialect)
    values = []
    for row in rows:
        converted = list(values_of(row))
        for position, convert in conversions:
            converted[position] = convert(converted[position])
        values.append(tuple(converted))
    done = 0
    while many and len(values) - done >= _ROWS_AT_ONCE:
        some = chain.from_iterable(values[done : done + _ROWS_AT_ONCE])
        await connection.exec_driver_sql(many, tuple(some))
        done += _ROWS_AT_ONCE
    if rest := values[done:]:
        await connection.exec_driver_sql(one, rest)


async def gather_statistics(connection: AsyncConnection) -> None:
    """Have the engine look at its tables after many rows came.

    PostgreSQL would plan by what it knew before until it has looked by itself, in some minutes, and
    read all of a table for each row of another one. SQLite plans by the indexes that there are.
    """
    if connection.dialect.name == "postgresql":
        names = ", ".join(table.name for table in tables.metadata.sorted_tables)
        await connection.exec_driver_sql(f"ANALYZE {names}")


@cache
def _plan(
    table: type[SQLModel], dialect: Dialect
) -> tuple[
    str,
    str | None,
    Callable[[Mapping[str, Any]], tuple[Any, ...]],
    list[tuple[int, Callable[[Any], Any]]],
]:
    """How to insert.

    Returns:
        The statement for one row, the one for many (None where parameters have numbers), what
        takes the values from a row, and what converts those at some places.
    """
    target = inspect(table).local_table
    if not isinstance(target, Table):
        raise TypeError(f"{table.__name__} is not a table")
    columns = [column for column in target.columns if column is not target.autoincrement_column]
    statement = insert(target).values({column.name: None for column in columns})
    conversions = [
        (position, convert)
        for position, column in enumerate(columns)
        if (convert := column.type.dialect_impl(dialect).bind_processor(dialect))
    ]
    one = str(statement.compile(dialect=dialect))
    row = f"({', '.join('?' * len(columns))})"
    is_plain = one.endswith(f" VALUES {row}")
    return (
        one,
        one + f", {row}" * (_ROWS_AT_ONCE - 1) if is_plain else None,
        itemgetter(*(column.name for column in columns)),
        conversions,
    )
