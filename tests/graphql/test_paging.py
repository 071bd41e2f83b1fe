"""Any walk over the pages shows each untouched order exactly once, whatever happens meanwhile."""

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidInput
from app.graphql.pagination import decode_cursor, encode_cursor
from app.services.order_queries import OrderSort, Position
from tests.shop import LAMP, Shop, open_shop

PAGE = """query ($first: Int, $after: String, $last: Int, $before: String,
    $sort: OrderSort! = CREATED_AT_DESC) {
  orders(first: $first, after: $after, last: $last, before: $before, sort: $sort) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id } }
  }
}"""


async def _walk(shop: Shop, size: int, sort: str, forwards: bool, between: Any) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        size_name, cursor_name = ("first", "after") if forwards else ("last", "before")
        page = (await shop.data(PAGE, {size_name: size, cursor_name: cursor, "sort": sort}))[
            "orders"
        ]
        ids = [edge["node"]["id"] for edge in page["edges"]]
        seen += ids if forwards else reversed(ids)
        info = page["pageInfo"]
        if ids:
            assert info["startCursor"] == page["edges"][0]["cursor"]
            assert info["endCursor"] == page["edges"][-1]["cursor"]
        if not info["hasNextPage" if forwards else "hasPreviousPage"]:
            return seen
        cursor = info["endCursor" if forwards else "startCursor"]
        await between()


@dataclass(frozen=True)
class Walk:
    """A way to walk over a list of `count` orders."""

    count: int
    size: int
    sort: str
    forwards: bool
    ties: bool
    changes: Sequence[int | None]


WALKS = st.builds(
    Walk,
    count=st.integers(0, 12),
    size=st.integers(1, 5),
    sort=st.sampled_from(["CREATED_AT_ASC", "CREATED_AT_DESC"]),
    forwards=st.booleans(),
    ties=st.booleans(),
    # Between two pages: an order is added, and one (counted from the first) is deleted.
    changes=st.lists(st.none() | st.integers(0, 11), max_size=6),
)


class TestWalks:
    @settings(max_examples=40, deadline=None)
    @given(walk=WALKS)
    def test_all_pages_together_are_the_whole_list(self, migrated: Path, walk: Walk) -> None:
        async def run() -> None:
            with TemporaryDirectory() as folder:
                path = Path(folder) / "orders.db"
                shutil.copy(migrated, path)
                async with open_shop(path) as shop:
                    await self._check(shop, walk)

        asyncio.run(run())

    async def _check(self, shop: Shop, walk: Walk) -> None:
        for _ in range(walk.count):
            await shop.add(LAMP)
        if walk.ties:
            async with shop.database.transaction() as connection:
                await connection.exec_driver_sql(
                    "UPDATE orders SET created_at = '2024-01-0' || (order_number % 2 + 1)"
                    " || 'T00:00:00.000000Z'"
                )
        whole = (await shop.data(PAGE, {"first": 100, "sort": walk.sort}))["orders"]
        before = [edge["node"]["id"] for edge in whole["edges"]]
        assert len(before) == walk.count
        touched: set[str] = set()
        changes = iter(walk.changes)

        async def between() -> None:
            for victim in islice(changes, 1):
                await shop.add(LAMP)
                if victim is not None and victim < len(before):
                    touched.add(before[victim])
                    await shop.rest("POST", "/orders/delete", {"orderId": [before[victim]]})

        seen = await _walk(shop, walk.size, walk.sort, walk.forwards, between)
        assert len(seen) == len(set(seen))
        untouched = [id_ for id_ in before if id_ not in touched]
        expected = untouched if walk.forwards else list(reversed(untouched))
        assert [id_ for id_ in seen if id_ in set(untouched)] == expected

    async def test_what_the_ends_say_is_true_on_every_page(self, shop: Shop) -> None:
        for _ in range(5):
            await shop.add()
        whole = (await shop.data(PAGE, {"first": 100}))["orders"]["edges"]
        cursors = [edge["cursor"] for edge in whole]
        ids = [edge["node"]["id"] for edge in whole]
        for low in range(-1, 5):
            for high in range(low + 1, 6):
                between = ids[low + 1 : high]
                after = cursors[low] if low >= 0 else None
                before = cursors[high] if high < 5 else None
                for size in (0, 1, 2, 5):
                    for name in ("first", "last"):
                        variables = {name: size, "after": after, "before": before}
                        page = (await shop.data(PAGE, variables))["orders"]
                        got = [edge["node"]["id"] for edge in page["edges"]]
                        start = 0 if name == "first" else max(0, len(between) - size)
                        assert got == between[start : start + size]
                        cut = len(between) > size
                        assert page["pageInfo"]["hasNextPage"] == (
                            (cut and name == "first") or high < 5
                        )
                        assert page["pageInfo"]["hasPreviousPage"] == (
                            (cut and name == "last") or low >= 0
                        )

    async def test_a_cursor_outlives_its_order(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        edges = (await shop.data(PAGE, {"first": 3}))["orders"]["edges"]
        await shop.rest("POST", "/orders/delete", {"orderId": [edges[1]["node"]["id"]]})
        page = (await shop.data(PAGE, {"after": edges[1]["cursor"]}))["orders"]
        assert [edge["node"]["id"] for edge in page["edges"]] == [edges[2]["node"]["id"]]

    async def test_a_cursor_serves_both_directions_of_a_sort(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        edges = (await shop.data(PAGE, {"first": 3}))["orders"]["edges"]
        other_way = {"after": edges[1]["cursor"], "sort": "CREATED_AT_ASC"}
        page = (await shop.data(PAGE, other_way))["orders"]
        assert [edge["node"]["id"] for edge in page["edges"]] == [edges[0]["node"]["id"]]


@given(st.text() | st.binary().map(lambda b: b.decode("latin-1")))
def test_no_text_is_a_cursor_by_accident(text: str) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(text, OrderSort.CREATED_AT_DESC, "after")


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.text("0123456789abcdef", min_size=24, max_size=24),
)
def test_cursors_round_trip(instant: Any, id_: str) -> None:
    position = Position(instant, id_)
    cursor = encode_cursor(position, OrderSort.CREATED_AT_ASC)
    assert decode_cursor(cursor, OrderSort.CREATED_AT_DESC, "after") == position
