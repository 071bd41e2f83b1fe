"""The schema's own scalars: instants, and exact decimal numbers as strings."""

import re
from datetime import UTC, datetime
from typing import NewType

import strawberry
from graphql import GraphQLError
from strawberry.types.scalar import ScalarDefinition

from app.domain.clock import rfc3339

Decimal = NewType("Decimal", str)

_RFC3339 = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})\Z", re.ASCII
)


def parse_instant(value: object) -> datetime:
    """The instant in UTC that an RFC 3339 text with its time zone means.

    Raises:
        GraphQLError: it is none, or outside of the years 1 to 9999.
    """
    if isinstance(value, str) and _RFC3339.match(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass  # the 30th of February, or a zone that leads out of the calendar
    raise GraphQLError(
        "DateTime must be an instant with its time zone, such as 2024-11-30T09:15:00.000Z."
    )


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in UTC, RFC 3339, for example `2024-11-30T09:15:00.000Z`.",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=rfc3339,
        parse_value=parse_instant,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact decimal number as a string, for example `"19.99"`. Never a float.',
        serialize=str,
    ),
}
