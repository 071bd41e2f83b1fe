"""Relay cursor connections: the four page arguments to a page, positions to opaque cursors.

Source: GraphQL Cursor Connections Specification. Stricter than it in one point: `first` and
`last` together, which it discourages, are refused.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import EventPosition, parse_object_id
from app.domain.money import MAX_MINOR
from app.services.events import START
from app.services.order_queries import OrderSort, Page, Position

DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 100

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


PageArguments: TypeAlias = tuple[int | None, str | None, int | None, str | None]
"""`first`, `after`, `last` and `before` as a caller gave them."""


def encode_cursor(position: Position, sort: OrderSort) -> str:
    """An opaque cursor for a position in a list of that sort."""
    # What is sorted by, not the direction: a cursor is a place between two orders, and both
    # directions of a sort have the same places.
    key = position.key
    number = (key - _EPOCH) // _MICROSECOND if isinstance(key, datetime) else key
    plain = f"{sort.key}:{number}:{position.id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, sort: OrderSort, argument: str) -> Position:
    """The position that a cursor stands for.

    Raises:
        InvalidInput: it is no cursor, or one of a list with another sort.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        name, number, id_ = (
            base64.b64decode(padded, altchars=b"-_", validate=True).decode().split(":")
        )
        position = Position(_KEYS[sort.key](int(number)), id_)
    except (binascii.Error, ValueError, OverflowError):
        raise InvalidInput.single("is not a cursor of this list", argument) from None
    # Only what encode_cursor writes is a cursor: no second spelling of one, no other sort's.
    if name != sort.key or parse_object_id(id_) != id_ or (encode_cursor(position, sort) != cursor):
        raise InvalidInput.single("is not a cursor of this list", argument)
    return position


def _instant(microseconds: int) -> datetime:
    return _EPOCH + microseconds * _MICROSECOND


def _amount(minor: int) -> int:
    if not 0 <= minor <= MAX_MINOR:
        raise OverflowError
    return minor


_KEYS: Mapping[str, Callable[[int], datetime | int]] = {
    "created_at": _instant,
    "updated_at": _instant,
    "total_minor": _amount,
}
"""What the number in a cursor means, by what the list is sorted by."""


def page_size(size: int, argument: str) -> int:
    """The size, if a page may have it.

    Raises:
        InvalidInput: it is negative or over the maximum.
    """
    if not 0 <= size <= MAX_PAGE_SIZE:
        raise InvalidInput.single(
            f"must be from 0 to {MAX_PAGE_SIZE}, not {size}",
            argument,
            code=ProblemCode.OUT_OF_RANGE,
        )
    return size


def check_list(length: int, argument: str) -> None:
    """Let a list among the arguments pass if it is short enough.

    Raises:
        InvalidInput: it is not.
    """
    if length > MAX_PAGE_SIZE:
        raise InvalidInput.single(
            f"must have at most {MAX_PAGE_SIZE} elements, not {length}",
            argument,
            code=ProblemCode.OUT_OF_RANGE,
        )


def page_from_arguments(
    first: int | None, after: str | None, last: int | None, before: str | None, sort: OrderSort
) -> Page:
    """The page that a connection's arguments mean.

    Raises:
        InvalidInput: a size is out of range, both sizes are given, or a cursor is none.
    """
    if first is not None and last is not None:
        raise InvalidInput.single("can't be used together with first", "last")
    if last is not None:
        size, argument = last, "last"
    else:
        size, argument = (DEFAULT_PAGE_SIZE if first is None else first), "first"
    return Page(
        size=page_size(size, argument),
        after=None if after is None else decode_cursor(after, sort, "after"),
        before=None if before is None else decode_cursor(before, sort, "before"),
        from_end=last is not None,
    )


def event_page(first: int | None, after: str | None) -> tuple[EventPosition, int]:
    """Where a page of events begins, and how many it holds; null means the default size.

    Raises:
        InvalidInput: the size is out of range, or the cursor is none of events.
    """
    return (
        START if after is None else decode_event_cursor(after, "after"),
        page_size(DEFAULT_PAGE_SIZE if first is None else first, "first"),
    )


def encode_event_cursor(position: EventPosition) -> str:
    """An opaque cursor for a position in the event log, the same in every list of events."""
    return base64.urlsafe_b64encode(f"event:{position.seq}".encode()).decode().rstrip("=")


def decode_event_cursor(cursor: str, argument: str) -> EventPosition:
    """The position that a cursor stands for.

    Raises:
        InvalidInput: it is no cursor of events.
    """
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        plain = base64.b64decode(padded, altchars=b"-_", validate=True).decode()
        position = EventPosition(int(plain.removeprefix("event:")))
    except (binascii.Error, ValueError):
        raise InvalidInput.single("is not a cursor of events", argument) from None
    # Only what was written by the function above, and within what a database counts to.
    if not 0 <= position.seq < 2**63 or encode_event_cursor(position) != cursor:
        raise InvalidInput.single("is not a cursor of events", argument)
    return position
