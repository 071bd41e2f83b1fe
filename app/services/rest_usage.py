"""Who still calls the REST paths: calls by day, user, key and path."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.database import Database
from app.db.dialect import json_rows, upsert
from app.domain import clock
from app.domain.ids import UserId
from app.domain.principal import Principal

_Place = tuple[str, UserId, str, str]  # day, user, key, path


@dataclass(frozen=True, slots=True)
class _Calls:
    number: int
    last_at: datetime

    def __add__(self, other: "_Calls") -> "_Calls":
        return _Calls(self.number + other.number, max(self.last_at, other.last_at))


@dataclass(frozen=True, slots=True)
class Usage:
    """One caller's calls of one path with one key.

    `user_email` is None when the user has none or is gone, the key's facts when it is a legacy
    token or gone. `days` are the UTC days with calls, oldest first.
    """

    user_id: UserId
    user_email: str | None
    key_id: str
    key_prefix: str | None
    key_name: str | None
    path: str
    calls: int
    last_called_at: datetime
    days: Sequence[tuple[str, int]]


class UsageCounter:
    """Counts calls in memory until `write`, so that no request waits for it.

    It holds at most a count for each path of each key that was used since.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counted: dict[_Place, _Calls] = {}

    def count(self, principal: Principal, path: str) -> None:
        """Count one call."""
        now = clock.now()
        self._add((_day(now), principal.user_id, principal.key_id, path), _Calls(1, now))

    async def write(self) -> None:
        """Add what was counted to what is written already, by this process or another one.

        Raises:
            Unavailable: the database can't be written; the counts are kept for the next time.
        """
        counted, self._counted = self._counted, {}
        if not counted:
            return
        row = tables.RestUsage
        insertion = upsert(row)
        new = insertion.excluded
        adding = insertion.on_conflict_do_update(
            index_elements=[col(row.day), col(row.user_id), col(row.key_id), col(row.path)],
            set_={
                "calls": col(row.calls) + new.calls,
                "last_called_at": case(
                    (col(row.last_called_at) < new.last_called_at, new.last_called_at),
                    else_=col(row.last_called_at),
                ),
            },
        )
        rows = [
            {
                "day": day,
                "user_id": user_id,
                "key_id": key_id,
                "path": path,
                "calls": calls.number,
                "last_called_at": calls.last_at,
            }
            for (day, user_id, key_id, path), calls in sorted(counted.items())
        ]
        try:
            await self._database.write(lambda connection: connection.execute(adding, rows))
        except BaseException:
            for place, calls in counted.items():
                self._add(place, calls)
            raise

    def _add(self, place: _Place, calls: _Calls) -> None:
        before = self._counted.get(place)
        self._counted[place] = calls if before is None else before + calls


async def usage_of_last_days(connection: AsyncConnection, days: int) -> list[Usage]:
    """The calls of the last `days` UTC days, today's among them; most calls first.

    For whoever runs the shop.
    """
    row, user, key = tables.RestUsage, tables.User, tables.ApiKey
    calls = func.sum(col(row.calls))
    statement = (
        select(
            col(row.user_id),
            col(user.email),
            col(row.key_id),
            col(key.prefix),
            col(key.name),
            col(row.path),
            calls,
            func.max(col(row.last_called_at)),
            json_rows(col(row.day), col(row.calls)),
        )
        .outerjoin(user, col(user.id) == col(row.user_id))
        .outerjoin(key, col(key.id) == col(row.key_id))
        .where(col(row.day) >= _day(clock.now() - timedelta(days=days - 1)))
        .group_by(
            col(row.user_id),
            col(user.email),
            col(row.key_id),
            col(key.prefix),
            col(key.name),
            col(row.path),
        )
        .order_by(calls.desc(), col(row.user_id), col(row.key_id), col(row.path))
    )
    return [
        Usage(
            UserId(user_id),
            email,
            key_id,
            prefix,
            name,
            path,
            number,
            last_called_at,
            sorted((day, of_day) for day, of_day in orjson.loads(by_day)),
        )
        for (
            user_id,
            email,
            key_id,
            prefix,
            name,
            path,
            number,
            last_called_at,
            by_day,
        ) in await connection.execute(statement)
    ]


def _day(instant: datetime) -> str:
    return instant.date().isoformat()
