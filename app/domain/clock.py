"""The only source of now, and the two ways in which instants are written.

Instants are aware and in UTC. They are cut to milliseconds when they are made, so that what a
caller reads back (milliseconds) is exactly what is stored and can be used as a filter bound.
"""

import time
from datetime import UTC, datetime, timedelta


def now() -> datetime:
    """The current instant in UTC, cut to milliseconds."""
    return cut_to_milliseconds(datetime.now(UTC))  # noqa: TID251 (this is the one source of time)


def monotonic_s() -> float:
    """Seconds on a clock that is never set: only the difference of two readings means anything."""
    return time.monotonic()


def busy_s() -> float:
    """Seconds that the processor has spent on this thread."""
    return time.thread_time()


def cut_to_milliseconds(instant: datetime) -> datetime:
    """The same instant without the microseconds below a millisecond."""
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def to_milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, as MongoDB keeps an instant; what is below one is cut off."""
    return (instant - _EPOCH) // _MILLISECOND


def from_milliseconds(milliseconds: int) -> datetime:
    """The instant so many milliseconds after 1970.

    Raises:
        OverflowError: it is not in the years 1 to 9999.
    """
    return _EPOCH + timedelta(milliseconds=milliseconds)


def rfc3339(instant: datetime) -> str:
    """An instant as `2024-11-30T14:03:20.123Z`: UTC, always three decimals.

    Source: RFC 3339, section 5.6; JavaScript's `Date.prototype.toISOString`.
    """
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
