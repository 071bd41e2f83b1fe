"""Any walk over the pages shows each untouched order exactly once, whatever happens meanwhile."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.errors import InvalidInput
from app.domain.money import MAX_MINOR
from app.graphql.pagination import decode_cursor, encode_cursor
from app.services.order_queries import OrderSort, Position
from tests.databases import Databases
from tests.shop import LAMP, STOOL, TABLE, UNKNOWN, Shop, open_shop

SORTS = [sort.name for sort in OrderSort]
PAGE = """query ($first: Int, $after: String, $last: Int, $before: String,
    $sort: OrderSort! = CREATED_AT_DESC, $filter: OrderFilter) {
  orders(first: $first, after: $after, last: $last, before: $before, sort: $sort, filter: $filter) {
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    edges { cursor node { id } }
  }
}"""


async def _walk(
    shop: Shop, size: int, *, forwards: bool, between: Callable[[], Awaitable[None]], **more: Any
) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        size_name, cursor_name = ("first", "after") if forwards else ("last", "before")
        variables = {size_name: size, cursor_name: cursor, **more}
        page = (await shop.data(PAGE, variables))["orders"]
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
    """A way to walk over a list of `count` orders.

    Each of `changes` happens between two pages: an order is added, and one is deleted (`victim`,
    counted from the first) and one gets another status (`moved`), which also changes `updatedAt`.
    """

    count: int
    size: int
    sort: str
    forwards: bool
    ties: bool
    filtered: bool
    changes: Sequence[tuple[int | None, int | None]]


WALKS = st.builds(
    Walk,
    count=st.integers(0, 12),
    size=st.integers(1, 5),
    sort=st.sampled_from(SORTS),
    forwards=st.booleans(),
    ties=st.booleans(),
    filtered=st.booleans(),
    changes=st.lists(
        st.tuples(st.none() | st.integers(0, 11), st.none() | st.integers(0, 11)), max_size=6
    ),
)


class TestWalks:
    @settings(max_examples=40, deadline=None)
    @given(walk=WALKS)
    def test_all_pages_together_are_the_whole_list(self, databases: Databases, walk: Walk) -> None:
        async def run(url: str) -> None:
            async with open_shop(url) as shop:
                await self._check(shop, walk)

        with databases.fresh() as url:
            asyncio.run(run(url))

    async def _check(self, shop: Shop, walk: Walk) -> None:
        for number in range(walk.count):
            await shop.add(*((LAMP, STOOL, TABLE)[: number % 3 + 1]))
        if walk.ties:
            await self._tie(shop)
        which: dict[str, Any] = {"sort": walk.sort}
        if walk.filtered:  # orders of these statuses, found by words: none that was deleted
            which["filter"] = {"search": "main lamp", "status": ["PENDING", "COMPLETED"]}
        whole = (await shop.data(PAGE, {"first": 100, **which}))["orders"]
        before = [edge["node"]["id"] for edge in whole["edges"]]
        assert len(before) == walk.count
        touched: set[str] = set()
        changes = iter(walk.changes)

        async def between() -> None:
            for victim, moved in islice(changes, 1):
                await shop.add(LAMP)
                for number in {victim, moved} - {None}:
                    touched.update(before[number : number + 1] if number is not None else ())
                if moved is not None and moved < len(before):
                    item = {"orderId": before[moved], "status": "completed"}
                    await shop.rest("POST", "/orders/change-status", {"items": [item]}, key="admin")
                if victim is not None and victim < len(before):
                    await shop.rest("POST", "/orders/delete", {"orderId": [before[victim]]})

        seen = await _walk(shop, walk.size, forwards=walk.forwards, between=between, **which)
        untouched = [id_ for id_ in before if id_ not in touched]
        expected = untouched if walk.forwards else list(reversed(untouched))
        assert [id_ for id_ in seen if id_ in set(untouched)] == expected
        # What was touched may be seen anew where it went, what is sorted by stays for good else.
        if not walk.sort.startswith("UPDATED"):
            assert len(seen) == len(set(seen))

    async def _tie(self, shop: Shop) -> None:
        """Give the orders two moments and two totals among them all."""
        for day in (1, 2):
            await shop.execute(
                "UPDATE orders SET total_minor = order_number % 2, created_at = :at,"
                f" updated_at = :at WHERE order_number % 2 = {day - 1}",
                at=datetime(2024, 1, day, tzinfo=UTC),
            )

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


@given(
    st.text() | st.binary().map(lambda b: b.decode("latin-1")),
    st.sampled_from(OrderSort),
)
def test_no_text_is_a_cursor_by_accident(text: str, sort: OrderSort) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(text, sort, "after")


@pytest.mark.parametrize(
    "plain",
    [
        f"total_minor:{10**15}:{UNKNOWN}",
        f"total_minor:-1:{UNKNOWN}",
        f"total_minor:01:{UNKNOWN}",
        f"total_minor:1:{UNKNOWN[1:]}",
        f"created_at:{10**30}:{UNKNOWN}",
        f"version:1:{UNKNOWN}",
        f"total_minor:1:{UNKNOWN}:",
    ],
)
@pytest.mark.parametrize("sort", [OrderSort.TOTAL_ASC, OrderSort.CREATED_AT_DESC])
def test_a_forged_cursor_is_none(plain: str, sort: OrderSort) -> None:
    cursor = base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")
    with pytest.raises(InvalidInput):
        decode_cursor(cursor, sort, "after")


@given(
    st.datetimes(timezones=st.just(UTC)),
    st.integers(0, MAX_MINOR),
    st.text("0123456789abcdef", min_size=24, max_size=24),
    st.sampled_from(OrderSort),
    st.sampled_from(OrderSort),
)
def test_cursors_round_trip(
    instant: datetime, minor: int, id_: str, sort: OrderSort, other: OrderSort
) -> None:
    position = Position(minor if sort.key == "total_minor" else instant, id_)
    cursor = encode_cursor(position, sort)
    if sort.key == other.key:
        assert decode_cursor(cursor, other, "after") == position
    else:
        with pytest.raises(InvalidInput):
            decode_cursor(cursor, other, "after")
