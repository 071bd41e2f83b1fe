"""Column types whose Python value is the same on every engine."""

from datetime import UTC, datetime
from typing import Any

import orjson
from sqlalchemy import DateTime, Dialect, String, Text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeDecorator, TypeEngine


class PlainText(TypeDecorator[str]):
    """Text that is compared and sorted by its characters' numbers, whatever language is set up.

    SQLite does so by itself, and PostgreSQL has the collation C for it.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text with a collation on PostgreSQL."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(Text(collation="C"))
        return dialect.type_descriptor(Text())


class TextList(TypeDecorator[list[str]]):
    """Any number of texts as one parameter: JSON on SQLite, the engine's own list elsewhere."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """A list of text, where the engine has such."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(ARRAY(Text))
        return dialect.type_descriptor(Text())

    def process_bind_param(
        self, value: list[str] | None, dialect: Dialect
    ) -> list[str] | str | None:
        """The list as the engine takes it."""
        if value is None or dialect.name == "postgresql":
            return value
        return orjson.dumps(value).decode()


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: aware and in UTC in Python.

    SQLite has no type for it and gets text of fixed width, `2024-11-30T14:03:20.123456Z`, which
    sorts as time does.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text on SQLite, the engine's own type elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(27))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | str | None:
        """Refuse a naive value: it would mean another instant on another machine."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must carry its time zone")
        utc = value.astimezone(UTC)
        if dialect.name == "sqlite":
            return utc.isoformat(timespec="microseconds").replace("+00:00", "Z")
        return utc

    def process_result_value(self, value: object, dialect: Dialect) -> datetime | None:
        """An aware instant in UTC."""
        return None if value is None else instant(value)


def instant(value: object) -> datetime:
    """An instant as a driver has it, which is text on SQLite, as an aware one in UTC.

    Raises:
        TypeError: it is something else.
    """
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    if isinstance(value, datetime):
        # PostgreSQL's driver keeps the first and the last moment of Python's as infinitely far
        # away, and gives them back without a zone; taken as one, it would be the machine's.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    raise TypeError(f"{value!r} is no instant")
