"""Two shops that are the same, changed by the same operations: compiled in one, plain in the other.

Both are told the same time and make the same ids, so that all of their rows can be compared.
"""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from app.domain import clock
from app.services import events, order_placing
from tests.databases import Databases
from tests.graphql.compiler.nasty import ORDERS, fill
from tests.graphql.compiler.test_never_different import compare
from tests.shop import Shop, open_shop

# None is at a version that can't go up, and customers have numbers left.
PLACED = [
    replace(order, version=order.version % 5, number=min(order.number, 2**31 - order.number))
    for order in ORDERS
]
_COUNTERS = "INSERT INTO order_counters SELECT user_id, 100 FROM orders GROUP BY user_id"
_ROWS = (
    "SELECT * FROM orders ORDER BY id",
    "SELECT * FROM order_items ORDER BY order_id, position",
    "SELECT user_id, order_id, words FROM order_words ORDER BY order_id",
    "SELECT * FROM order_counters ORDER BY user_id",
    "SELECT * FROM idempotency_keys ORDER BY user_id, key",
    # Numbers of events that were taken back are gaps on one of the engines.
    "SELECT id, user_id, order_id, order_version, type, source, from_status, to_status, actor_id,"
    " occurred_at, CAST(data AS TEXT) FROM order_events ORDER BY seq",
)


@dataclass
class _Moment:
    """What time it is for both, and which ids are made then."""

    now: datetime = datetime(2031, 5, 6, 7, 8, 9, 120_000, tzinfo=UTC)
    operation: int = 0
    ids: Iterator[int] = field(default_factory=count)

    def next_operation(self) -> None:
        self.now += timedelta(milliseconds=1_234)
        self.operation += 1

    def begin(self) -> None:
        self.ids = count()

    def new_id(self) -> str:
        return f"{self.operation:012x}{next(self.ids):012x}"


@dataclass
class Twins:
    """The two shops."""

    compiled: Shop
    plain: Shop
    moment: _Moment

    async def change(
        self, query: str, variables: Mapping[str, Any], caller: str | None, **more: Any
    ) -> tuple[str, Any]:
        """Change both; which way the first one took, and the answer, which is the same."""
        body = {"query": query, "variables": variables, **more}
        self.moment.next_operation()
        return await compare(self.compiled, self.plain, body, caller, begin=self.moment.begin)

    async def rows(self) -> list[Sequence[tuple[Any, ...]]]:
        """All that changes of orders write, which is the same in both."""
        found, others = [await _rows(shop) for shop in (self.compiled, self.plain)]
        for compiled, plain in zip(found, others, strict=True):
            assert compiled == plain
        return found


async def _rows(shop: Shop) -> list[Sequence[tuple[Any, ...]]]:
    async with shop.database.read() as connection:
        return [list(map(tuple, await connection.exec_driver_sql(of))) for of in _ROWS]


@asynccontextmanager
async def open_twins(databases: Databases, **changes: Any) -> AsyncGenerator[Twins]:
    """Two shops with the same awkward orders, and budgets so that prices are compared too."""
    changes = {"cost_budget": 1_000_000_000, **changes}
    with databases.fresh() as url, databases.fresh() as other, _moments() as moment:
        async with (
            open_shop(url, **changes) as compiled,
            open_shop(other, compiled_operations=False, **changes) as plain,
        ):
            for shop in (compiled, plain):
                await fill(shop, PLACED)
                await shop.execute(_COUNTERS)
            yield Twins(compiled, plain, moment)


@contextmanager
def _moments() -> Iterator[_Moment]:
    moment = _Moment()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", lambda: moment.now)
        for module in (events, order_placing):
            patch.setattr(module, "new_object_id", moment.new_id)
        yield moment
