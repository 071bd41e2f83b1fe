"""Filling a database with whole rows of another one, as fast as each engine takes them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from typing import Any

import asyncpg
from sqlalchemy import Column, ColumnElement, Dialect, Table, cast, func, insert, select
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables
from app.db.bulk import gather_statistics
from app.db.portable import Row, describe
from app.db.types import UTCDateTime

# As for `app.db.bulk`.
_ROWS_AT_ONCE = 200

# Source: PostgreSQL's documentation, appendix A, "PostgreSQL Error Codes".
_ROW_REFUSED = {"22", "23", "54"}  # a value, a constraint, a limit of the program
_LINE = re.compile(r"\bline (\d+)")


async def insert_whole_rows(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    """Insert rows of a value for each column, also for the one that counts by itself.

    Args:
        connection: A transaction.
        table: Where to.
        rows: What `app.db.portable` makes.

    Raises:
        RuntimeError: the database refuses a row; the message names it, and says why.
    """
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        await _copy(connection, table, rows)
    else:
        await _insert(connection, table, rows)


async def _copy(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    driver: Any = (await connection.get_raw_connection()).driver_connection
    if not driver.is_in_transaction():
        # SQLAlchemy begins a transaction with its first statement, which COPY is not. Without one,
        # each COPY would be committed by itself.
        await connection.exec_driver_sql("SELECT 1")
    columns = [column.name for column in table.columns]
    try:
        await driver.copy_records_to_table(table.name, records=rows, columns=columns)
    except asyncpg.PostgresError as error:
        if not (error.sqlstate or "").startswith(tuple(_ROW_REFUSED)):
            await _give_up(connection, driver)
            raise
        line = _LINE.search(_said(error, "context"))
        what = describe(table, rows[int(line[1]) - 1]) if line else f"rows of {table.name}"
        reason = f"{error.args[0]}. {_said(error, 'detail')}".rstrip(". ")
        raise RuntimeError(f"the target refuses {what}: {reason}") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError):
        await _give_up(connection, driver)
        raise


async def _give_up(connection: AsyncConnection, driver: Any) -> None:
    """Have no connection that the driver may have left in the middle of COPY rolled back."""
    driver.terminate()
    await connection.invalidate()


def _said(error: asyncpg.PostgresError, part: str) -> str:
    return str(getattr(error, part, None) or "")


async def _insert(connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
    one, more, instants = _plan(table, connection.dialect)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        values = [list(row) for row in some]
        for position, convert in instants:
            for row in values:
                row[position] = convert(row[position])
        statement = one + more * (len(values) - 1)
        try:
            await connection.exec_driver_sql(statement, tuple(chain.from_iterable(values)))
        except IntegrityError as error:
            # Nothing of the statement stays, and the transaction goes on: which row was it?
            for row, was in zip(values, some, strict=True):
                try:
                    await connection.exec_driver_sql(one, tuple(row))
                except IntegrityError as own:
                    what = describe(table, was)
                    raise RuntimeError(f"the target refuses {what}: {own.orig}") from own
            raise RuntimeError(f"the target refuses rows of {table.name}: {error.orig}") from error


@cache
def _plan(
    table: Table, dialect: Dialect
) -> tuple[str, str, list[tuple[int, Callable[[Any], Any]]]]:
    """The statement for one row, what each further row adds to it, and what instants need."""
    columns = list(table.columns)
    statement = insert(table).values({column.name: None for column in columns})
    return (
        str(statement.compile(dialect=dialect)),
        f", ({', '.join('?' * len(columns))})",
        [
            (position, convert)
            for position, column in enumerate(columns)
            if isinstance(column.type, UTCDateTime)
            and (convert := column.type.dialect_impl(dialect).bind_processor(dialect))
        ],
    )


async def given_numbers(connection: AsyncConnection) -> dict[Table, int]:
    """The last number that each table which counts by itself has given to a row.

    It may be higher than any that is there: PostgreSQL does not take a number back, and somebody
    may have been told of it.
    """
    given = {}
    for table, column in _counting():
        last = await connection.scalar(select(func.max(column)))
        if connection.dialect.name == "postgresql":
            counted = select(func.pg_sequence_last_value(_sequence(table, column)))
            last = max(last or 0, await connection.scalar(counted) or 0)
        given[table] = last or 0
    return given


async def finish(connection: AsyncConnection, given: Mapping[Table, int]) -> None:
    """Make a database that was filled ready for others.

    Args:
        connection: A transaction.
        given: The last number of each table that counts by itself. It goes on from there, or from
            where it is already if that is higher; SQLite goes on from the highest that is there.
    """
    if connection.dialect.name != "postgresql":
        return
    own = await given_numbers(connection)
    for table, column in _counting():
        if last := max(given[table], own[table]):
            await connection.execute(select(func.setval(_sequence(table, column), last)))
    await gather_statistics(connection)


def _counting() -> Iterator[tuple[Table, Column[Any]]]:
    for table in tables.metadata.sorted_tables:
        if table.autoincrement_column is not None:
            yield table, table.autoincrement_column


def _sequence(table: Table, column: Column[Any]) -> ColumnElement[Any]:
    return cast(func.pg_get_serial_sequence(table.name, column.name), REGCLASS)
