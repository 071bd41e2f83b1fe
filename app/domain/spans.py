"""Spans of the calendar: the days, weeks and months of a time zone as instants.

A span ends where the next one begins, so that every instant is in exactly one, also where clocks
are set: such days have 23 or 25 hours, and a day that a zone skipped is no span.
"""

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


class StatsInterval(Enum):
    """How wide a span is. Weeks start on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


def find_time_zone(name: str) -> ZoneInfo | None:
    """The time zone with an IANA name such as `Europe/Berlin`; None when there is none."""
    # Only listed names: anything else would be looked for as a file.
    return ZoneInfo(name) if name in _zone_names() else None


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def span_starts(
    since: datetime, until: datetime, interval: StatsInterval, zone: ZoneInfo
) -> Iterator[datetime]:
    """The first instants, in UTC, of the spans that share an instant with `since` to `until`.

    They ascend. The first one may lie before `since`; `until` itself is left out.

    Raises:
        OverflowError: the spans lead out of the years 1 to 9999.
    """
    if since >= until:
        return
    day = _first_day(since.astimezone(zone).date(), interval)
    start = _first_instant(day, zone)
    while start < until:
        day = _first_day(day + _MORE_THAN_ONE[interval], interval)
        following = _first_instant(day, zone)
        if following > max(start, since):
            yield start
        start = following


# From the first day of a span, this leads into the next span and not further.
_MORE_THAN_ONE = {
    StatsInterval.DAY: timedelta(days=1),
    StatsInterval.WEEK: timedelta(days=7),
    StatsInterval.MONTH: timedelta(days=31),
}


def _first_day(day: date, interval: StatsInterval) -> date:
    """The first day of the span that a day is in."""
    if interval is StatsInterval.MONTH:
        return day.replace(day=1)
    if interval is StatsInterval.WEEK:
        return day - timedelta(days=day.weekday())
    return day


def _first_instant(day: date, zone: ZoneInfo) -> datetime:
    """The first instant, in UTC, of a day; of one that the zone skipped, that of the next one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    # Where midnight comes twice, fold 0 is the first one. Where it is skipped, fold 0 reads it by
    # the clock of before and fold 1 by that of after: the jump lies in between.
    first, second = (midnight.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    if first <= second:
        return first
    seconds = range((first - second) // timedelta(seconds=1))
    jump = bisect_left(
        seconds,
        day,
        key=lambda second_of: (second + timedelta(seconds=second_of)).astimezone(zone).date(),
    )
    return second + timedelta(seconds=jump)
