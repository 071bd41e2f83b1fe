"""Rows in values that are the same on every engine; what can't be on each of them is refused.

SQLite takes any value into any column. PostgreSQL takes no NUL in a text, no number that is too
large for its column, and nothing else that is not of the column's type.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from json import loads
from typing import Any, TypeAlias

from sqlalchemy import JSON, BigInteger, Boolean, Column, Dialect, Integer, Table

from app.db.types import PlainText, UTCDateTime

Row: TypeAlias = tuple[Any, ...]
"""A value for each column: text, numbers, truth, instants in UTC; JSON as the text that it is."""

_INSTANT = "2024-11-30T14:03:20.123456Z"
_LENGTH_OF_INSTANT = len(_INSTANT)
# The first and the last instant there are. Read from PostgreSQL, infinity has no time zone.
_INFINITE = {datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)}


def describe(table: Table, row: Row) -> str:
    """The name of a row for a person: its table and its primary key."""
    columns = list(table.columns)
    key = ", ".join(
        f"{column.name} {row[columns.index(column)]!r}" for column in table.primary_key.columns
    )
    return f"{table.name} with {key}"


def portable(dialect: Dialect, table: Table, found: Sequence[Sequence[Any]]) -> list[Row]:
    """Rows as a driver gives them in values of any engine's.

    They are looked through a column at a time, which is much faster than value by value.

    Raises:
        RuntimeError: a value can't be in its column on every engine; the message names it.
    """
    if not found:
        return []
    columns: list[Sequence[Any]] = list(zip(*found, strict=True))
    on_sqlite = dialect.name == "sqlite"
    for position, column in enumerate(table.columns):
        values = columns[position]
        convert = _kind(column, on_sqlite=on_sqlite)
        try:
            columns[position] = convert(values)
        except ValueError:
            for row in found:
                try:
                    convert([row[position]])
                except ValueError as error:
                    name = f"{column.name} of {describe(table, tuple(row))}"
                    raise RuntimeError(f"{name} can't be moved: it {error}") from error
            raise
    return list(zip(*columns, strict=True))


@cache
def _kind(column: Column[Any], *, on_sqlite: bool) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """What checks values of a column and makes them any engine's; it raises a ValueError."""
    kind: Callable[[Sequence[Any]], Sequence[Any]]
    match column.type:
        case PlainText():
            kind = _texts
        case UTCDateTime():
            kind = _instants_of_sqlite if on_sqlite else _instants
        case JSON():
            kind = _json_texts
        case Boolean():
            kind = _truths
        case BigInteger():
            kind = partial(_numbers, bits=64)
        case Integer():
            kind = partial(_numbers, bits=32)
        case other:
            raise TypeError(f"it is not known how to move {column}, which is {other!r}")
    return partial(_where_there, kind) if column.nullable else kind


def _where_there(
    kind: Callable[[Sequence[Any]], Sequence[Any]], values: Sequence[Any]
) -> Sequence[Any]:
    if None not in values:
        return kind(values)
    converted = iter(kind([value for value in values if value is not None]))
    return [None if value is None else next(converted) for value in values]


def _require(values: Sequence[Any], *types: type) -> None:
    for strange in set(map(type, values)).difference(types):
        raise ValueError(
            "is missing" if strange is type(None) else f"is a {strange.__name__} for Python"
        )


def _texts(values: Sequence[Any]) -> Sequence[Any]:
    _require(values, str)
    if "\0" in "".join(values):
        raise ValueError("has a character NUL in it")
    return values


def _json_texts(values: Sequence[Any]) -> Sequence[Any]:
    for value in _texts(values):
        try:
            document = loads(value, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is no JSON: {error}") from error
        if type(document) in {int, float}:
            raise ValueError("is a number alone, of which SQLite keeps 15 digits")
    return values


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it has {name} in it")


def _truths(values: Sequence[Any]) -> Sequence[Any]:
    _require(values, int, bool)
    if not set(values) <= {0, 1}:
        raise ValueError("is neither 0 nor 1")
    return list(map(bool, values))


def _numbers(values: Sequence[Any], *, bits: int) -> Sequence[Any]:
    _require(values, int)
    limit = 1 << bits - 1
    if values and not -limit <= min(values) <= max(values) < limit:
        raise ValueError(f"does not fit into {bits} bits")
    return values


def _instants(values: Sequence[Any]) -> Sequence[Any]:
    _require(values, datetime)
    if None in {value.tzinfo for value in values} or not _INFINITE.isdisjoint(values):
        raise ValueError("is infinite for PostgreSQL's driver")
    return values


def _instants_of_sqlite(values: Sequence[Any]) -> Sequence[Any]:
    _require(values, str)
    try:
        if {(len(value), value[-1:]) for value in values} <= {(_LENGTH_OF_INSTANT, "Z")}:
            return _instants(list(map(datetime.fromisoformat, values)))
    except ValueError as error:
        raise ValueError(f"is no instant such as {_INSTANT}: {error}") from error
    raise ValueError(f"is no instant such as {_INSTANT}")
