"""Values of legacy documents: BSON's own types, and Extended JSON, canonical or relaxed.

Each function takes whatever stands in a field and returns what it means. None, which is also what
an absent field gives, means that there is no value; what can't be valid is refused.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from bson import Decimal128, ObjectId
from bson.datetime_ms import DatetimeMS

from app.domain.clock import from_milliseconds, to_milliseconds
from app.domain.ids import parse_object_id
from app.domain.order import text_problem

# What numbers are made of in JSON and BSON. Python's own int and float take more for one:
# underscores, spaces around it, the digits of any script.
_INTEGER = re.compile(r"[+-]?\d{1,40}\Z", re.ASCII)
_DECIMAL = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?\Z", re.ASCII)
# Far beyond every date and number that is taken; a Decimal's exponent can make an int of gigabytes.
_LARGEST = 10**18


class Impossible(Exception):
    """A record can't be imported; the message is the reason's name in the report."""


def object_id(value: object, name: str) -> str | None:
    """An ObjectId as 24 lower-case hex digits.

    Raises:
        Impossible: `<name>_invalid`.
    """
    if value is None:
        return None
    if type(value) is ObjectId:
        return str(value)
    if isinstance(value, dict) and len(value) == 1:
        value = value.get("$oid")
    id_ = parse_object_id(value) if isinstance(value, str) else None
    if id_ is None:
        raise Impossible(f"{name}_invalid")
    return id_


def text(value: object, name: str) -> str | None:
    """Text as it stands, also when it is blank.

    Raises:
        Impossible: `<name>_invalid`: no text, or with NUL or half a surrogate pair in it.
    """
    if value is None or value == "":
        return value
    if not isinstance(value, str) or (text_problem(value) and not value.isspace()):
        raise Impossible(f"{name}_invalid")
    return value


def whole_number(value: object, name: str, *, least: int, most: int) -> int | None:
    """A whole number between two bounds; 2.0 is 2.

    Raises:
        Impossible: `<name>_invalid`.
    """
    if value is None:
        return None
    try:
        number = value if type(value) is int else _number(value)
        if type(number) is int:
            if least <= number <= most:
                return number
        # In this order: what is out of range may be too large to become an int.
        elif least <= number <= most and number == int(number):
            return int(number)
    except (ValueError, InvalidOperation):
        pass
    raise Impossible(f"{name}_invalid")


def amount(value: object, name: str) -> Decimal | None:
    """A number of any kind, or text that is one.

    Raises:
        Impossible: `<name>_invalid`.
    """
    if value is None:
        return None
    try:
        if not isinstance(value, str):
            return Decimal(_number(value))
        if _DECIMAL.match(value.strip()):
            return Decimal(value.strip())
    except (ValueError, InvalidOperation):
        pass
    raise Impossible(f"{name}_invalid")


def instant(value: object, name: str) -> datetime | None:
    """A date: BSON's, `$date` in any form, ISO 8601 text (UTC if it has no zone), milliseconds.

    Raises:
        Impossible: `<name>_invalid`: no date, or one outside the years 1 to 9999.
    """
    if value is None:
        return None
    try:
        return from_milliseconds(_milliseconds(value))
    except (ValueError, OverflowError, InvalidOperation):
        raise Impossible(f"{name}_invalid") from None


def _milliseconds(value: object) -> int:
    if isinstance(value, DatetimeMS):
        return int(value)
    if isinstance(value, dict) and len(value) == 1 and "$date" in value:
        value = value["$date"]
    if isinstance(value, str):
        written = datetime.fromisoformat(value.strip())
        return to_milliseconds(written if written.tzinfo else written.replace(tzinfo=UTC))
    number = _number(value)
    if not -_LARGEST < number < _LARGEST or number != int(number):
        raise ValueError
    return int(number)


def _number(value: object) -> int | Decimal:
    """A number; a double as the shortest decimal that stands for it.

    Raises:
        ValueError: it is none.
        InvalidOperation: its text is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return Decimal(repr(value))
    if isinstance(value, Decimal128):
        return value.to_decimal()
    if isinstance(value, dict) and len(value) == 1:
        [(kind, written)] = value.items()
        if isinstance(written, str):
            return _typed_number(kind, written)
    raise ValueError


# Quantities and versions are the same few numbers again and again.
@lru_cache(maxsize=1_024)
def _typed_number(kind: str, written: str) -> int | Decimal:
    if kind in {"$numberInt", "$numberLong"} and _INTEGER.match(written):
        return int(written)
    if kind == "$numberDouble" and _DECIMAL.match(written):
        return Decimal(repr(float(written)))
    if kind == "$numberDecimal" and _DECIMAL.match(written):
        return Decimal(written)
    raise ValueError
