"""Money is a whole number of minor units (cents); this is the only place that writes amounts.

Every currency here has two decimals: prices come in as dollars and cents, and nothing can enter
another currency yet.
"""

import re
from decimal import ROUND_HALF_UP, Decimal

DEFAULT_CURRENCY = "USD"
_MINOR_PER_MAJOR = 100

MAX_MINOR = 10**15 - 1
"""The largest amount: fifteen digits are what a JSON number keeps exactly, and thousands of such
sums still add up in a 64-bit column."""

_MAX_AMOUNT = Decimal(MAX_MINOR) / _MINOR_PER_MAJOR
# Decimal takes more for a number: underscores, the digits of any script, exponents of any length.
_PLAIN_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,9})?\Z", re.ASCII)


def decimal_amount(minor: int) -> str:
    """Minor units as an exact decimal string: `3000` is `30.00`."""
    sign = "-" if minor < 0 else ""
    major, rest = divmod(abs(minor), _MINOR_PER_MAJOR)
    return f"{sign}{major}.{rest:02d}"


def json_number(minor: int) -> int | float:
    """Minor units as the number JavaScript prints: `3000` is `30`, `1999` is `19.99`.

    Correct to the digit up to `MAX_MINOR`: division of two integers rounds to the double nearest
    to the true quotient, and its shortest form is the decimal that was meant.
    """
    major, rest = divmod(minor, _MINOR_PER_MAJOR)
    return minor / _MINOR_PER_MAJOR if rest else major


def minor_from_decimal(text: str) -> int:
    """Minor units from a decimal string such as `19.99`.

    Raises:
        ValueError: not a plain number, negative, more than two decimals, or over `MAX_MINOR`;
            the message is a phrase for the person who wrote the number.
    """
    number = text.strip()
    if not _PLAIN_NUMBER.match(number):
        raise ValueError("must be a number such as 19.99")
    amount = Decimal(number)
    # Compared, which is exact at any length; arithmetic would round to 28 digits, or overflow.
    if amount < 0:
        raise ValueError("must not be negative")
    if amount > _MAX_AMOUNT:
        raise ValueError("is too large")
    minor, changed = rounded_minor(amount)
    if changed:
        raise ValueError("must have at most two decimals")
    return minor


def rounded_minor(amount: Decimal) -> tuple[int, bool]:
    """Minor units from any amount, half a unit up, and whether that changed it.

    Raises:
        ValueError: not finite, negative, or over `MAX_MINOR`.
    """
    # Compared first: rounding an amount of any size would need any number of digits.
    if not amount.is_finite() or not 0 <= amount <= _MAX_AMOUNT:
        raise ValueError(f"must be an amount from 0 to {_MAX_AMOUNT}")
    rounded = amount.quantize(Decimal("0.01"), ROUND_HALF_UP)
    return int(rounded * _MINOR_PER_MAJOR), rounded != amount
