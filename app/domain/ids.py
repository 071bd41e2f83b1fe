"""Ids: MongoDB ObjectIds as 24 lower-case hex digits, the same string everywhere.

Events have a position beside their id: what tells which of two came first.
"""

import re
from dataclasses import dataclass
from typing import NewType

from bson import ObjectId

UserId = NewType("UserId", str)
ProductId = NewType("ProductId", str)
OrderId = NewType("OrderId", str)

OBJECT_ID_PATTERN = "[0-9a-fA-F]{24}"
# \Z and not $: the latter also matches before a newline at the end.
_OBJECT_ID = re.compile(rf"{OBJECT_ID_PATTERN}\Z", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class EventPosition:
    """Where an event stands in the log: a reader that keeps it goes on from there."""

    seq: int


def new_object_id() -> str:
    """A new id, unique without asking the database (time, process, counter).

    Source: the ObjectId specification of the MongoDB drivers.
    """
    return str(ObjectId())


def parse_object_id(text: str) -> str | None:
    """The id in lower case, or None when `text` is not exactly 24 ASCII hex digits."""
    return text.lower() if _OBJECT_ID.match(text) else None
