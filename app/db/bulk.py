"""Inserting many rows: straight to the driver, past what SQLAlchemy does for each single row.

That is worth a good part of an import's time. Values still go through their columns' types.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Dialect, Table, insert, inspect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import SQLModel


async def insert_rows(
    connection: AsyncConnection, table: type[SQLModel], rows: Iterable[Mapping[str, Any]]
) -> None:
    """Insert any number of rows, each with a value for every column that does not count by itself.

    Raises:
        KeyError: a row lacks a column.
    """
    statement, values_of, conversions = _plan(table, connection.dialect)
    values = []
    for row in rows:
        converted = list(values_of(row))
        for position, convert in conversions:
            converted[position] = convert(converted[position])
        values.append(tuple(converted))
    if values:
        await connection.exec_driver_sql(statement, values)


@cache
def _plan(
    table: type[SQLModel], dialect: Dialect
) -> tuple[
    str, Callable[[Mapping[str, Any]], tuple[Any, ...]], list[tuple[int, Callable[[Any], Any]]]
]:
    """The statement, what takes its values from a row, and what converts those at some places."""
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
    return (
        str(statement.compile(dialect=dialect)),
        itemgetter(*(column.name for column in columns)),
        conversions,
    )
