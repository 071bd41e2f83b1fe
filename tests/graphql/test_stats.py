"""Figures over orders: what they count, for whom, per what span of time, in how many statements."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.db.bulk import gather_statistics
from app.domain.clock import rfc3339
from tests.shop import CUSTOMER, LAMP, OTHER, STOOL, TABLE, UNKNOWN, Shop, counted_statements

FIGURES = "orderCount total { amount currencyCode } byStatus { status orderCount total { amount } }"
STATS = f"query ($filter: OrderFilter) {{ stats(filter: $filter) {{ {FIGURES} }} }}"
SERIES = """query ($filter: OrderFilter, $interval: StatsInterval! = DAY, $zone: String! = "UTC") {
  stats(filter: $filter) { orderCount total { amount }
    series(interval: $interval, timeZone: $zone) { start orderCount total { amount } } } }"""
TOP = """query ($filter: OrderFilter, $first: Int! = 10) { stats(filter: $filter) {
  topProducts(first: $first) { productId name quantity total { amount } } } }"""

ORDERS = (
    "orders (user_id, id, order_number, status, address, currency, total_minor, version,"
    " created_at, updated_at)"
)
ITEMS = (
    "order_items (user_id, order_id, position, id, product_id, name, unit_price_minor, quantity,"
    " shipping)"
)


def created(since: str | None, until: str | None) -> dict[str, Any]:
    return {"createdAt": {"gte": since, "lt": until}}


async def date_orders(shop: Shop, *instants: str) -> None:
    """Give the customer's orders, from the first one on, these dates of creation."""
    for number, instant in enumerate(instants, start=1):
        await shop.execute(
            f"UPDATE orders SET created_at = :at WHERE user_id = '{CUSTOMER}'"
            f" AND order_number = {number}",
            at=datetime.fromisoformat(instant),
        )


async def counts(shop: Shop, **variables: Any) -> list[tuple[str, int]]:
    """The points of a series: the first instant and the number of orders of each."""
    points = (await shop.data(SERIES, variables))["stats"]["series"]
    return [(point["start"], point["orderCount"]) for point in points]


class TestStats:
    async def test_needs_a_key_and_the_right_to_read(self, shop: Shop) -> None:
        for key, code in ((None, "UNAUTHENTICATED"), ("writer", "FORBIDDEN")):
            answer = await shop.graphql("{ stats { __typename } }", key=key)
            assert answer["data"] is None
            assert [error["extensions"]["code"] for error in answer["errors"]] == [code]

    async def test_no_orders(self, shop: Shop) -> None:
        assert (await shop.data(STATS))["stats"] == {
            "orderCount": 0,
            "total": {"amount": "0.00", "currencyCode": "USD"},
            "byStatus": [
                {"status": status, "orderCount": 0, "total": {"amount": "0.00"}}
                for status in ("PENDING", "DELIVERY", "COMPLETED")
            ],
        }

    async def test_counts_and_sums_of_what_the_caller_may_see(self, shop: Shop) -> None:
        await shop.add(TABLE)  # 60.00
        await shop.add(STOOL, LAMP)  # 40.18
        await shop.add(LAMP)  # 0.20
        await shop.add(STOOL, key="other")  # 39.98
        _, second, _ = await shop.order_ids()
        completed = {"items": [{"orderId": second, "status": "completed"}]}
        await shop.rest("POST", "/orders/change-status", completed, key="admin")
        assert (await shop.data(STATS))["stats"] == {
            "orderCount": 3,
            "total": {"amount": "100.38", "currencyCode": "USD"},
            "byStatus": [
                {"status": "PENDING", "orderCount": 2, "total": {"amount": "60.20"}},
                {"status": "DELIVERY", "orderCount": 0, "total": {"amount": "0.00"}},
                {"status": "COMPLETED", "orderCount": 1, "total": {"amount": "40.18"}},
            ],
        }
        everyone = (await shop.data(STATS, key="admin"))["stats"]
        assert (everyone["orderCount"], everyone["total"]["amount"]) == (4, "140.36")
        none = (await shop.data(STATS, key="reader"))["stats"]
        assert (none["orderCount"], none["total"]["amount"]) == (0, "0.00")

    async def test_the_filter_is_that_of_lists(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add(LAMP)
        await date_orders(shop, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z")
        for conditions, count in (
            ({"status": []}, 0),
            ({"status": ["PENDING"]}, 3),
            ({"status": ["DELIVERY"]}, 0),
            (created("2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"), 1),
            (created("2024-01-02T00:00:00Z", None), 2),
        ):
            found = (await shop.data(STATS, {"filter": conditions}))["stats"]
            assert (found["orderCount"], found["total"]["amount"]) == (count, f"0.{2 * count}0")

    async def test_a_sum_that_no_64_bit_number_holds(self, shop: Shop) -> None:
        await shop.add(LAMP)
        largest = 10**15 - 1
        await shop.execute(
            "WITH RECURSIVE n(n) AS (VALUES (2) UNION ALL SELECT n + 1 FROM n WHERE n < 10000)"
            f" INSERT INTO {ORDERS} SELECT user_id, 'n' || n, n, status, address,"
            f" currency, {largest}, version, created_at, updated_at FROM orders, n",
        )
        await shop.execute(f"UPDATE orders SET total_minor = {largest}")
        await shop.execute(
            f"INSERT INTO {ITEMS} SELECT user_id, id, 1, id, '{UNKNOWN}', 'gold', {largest}, 1,"
            " 'Budget' FROM orders"
        )
        # As an import leaves them, or the engine itself after a while.
        async with shop.database.transaction() as connection:
            await gather_statistics(connection)
        assert largest * 10_000 > 2**63
        span = {"filter": created("2020-01-01T00:00:00Z", "2053-01-01T00:00:00Z")}
        stats = (await shop.data(SERIES, {**span, "interval": "MONTH"}))["stats"]
        exact = "99999999999999900.00"
        assert stats["total"]["amount"] == exact
        assert max(len(p["total"]["amount"]) for p in stats["series"]) == len(exact)
        [gold, lamp] = (await shop.data(TOP))["stats"]["topProducts"]
        assert (gold["quantity"], gold["total"]["amount"]) == (10_000, exact)
        assert (lamp["quantity"], lamp["total"]["amount"]) == (2, "0.20")

    async def test_each_field_costs_a_statement_only_when_asked_for(self, shop: Shop) -> None:
        await shop.add(TABLE, LAMP)
        span = "filter: { createdAt: {"
        span += ' gte: "2024-01-01T00:00:00Z", lt: "2025-02-04T00:00:00Z" } }'
        everything = f"{FIGURES} series {{ orderCount }} topProducts {{ name }}"
        for fields, count in (
            ("__typename", 1),  # the key
            ("orderCount", 2),
            (FIGURES, 2),
            ("series { orderCount }", 2),
            ("topProducts { name }", 2),
            (everything, 4),
        ):
            with counted_statements() as statements:
                await shop.data(f"{{ stats({span}) {{ {fields} }} }}", key="admin")
            assert len(statements) == count, fields


class TestSeries:
    @pytest.mark.parametrize(
        ("variables", "message", "field"),
        [
            (
                {"filter": None},
                "filter.createdAt must have both ends, gte and lt, for a series.",
                ["filter", "createdAt"],
            ),
            (
                {"filter": created("2024-01-01T00:00:00Z", None)},
                "filter.createdAt must have both ends, gte and lt, for a series.",
                ["filter", "createdAt"],
            ),
            (
                {"filter": created(None, "2024-01-01T00:00:00Z")},
                "filter.createdAt must have both ends, gte and lt, for a series.",
                ["filter", "createdAt"],
            ),
            (
                {"filter": created("2023-01-01T00:00:00Z", "2024-02-05T00:00:00.001Z")},
                "filter.createdAt must span at most 400 days for this series.",
                ["filter", "createdAt"],
            ),
            (
                {
                    "filter": created("0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"),
                    "interval": "MONTH",
                },
                "filter.createdAt must span at most 400 months for this series.",
                ["filter", "createdAt"],
            ),
            (
                {
                    "filter": created("0001-01-01T00:00:00Z", "0001-01-03T00:00:00Z"),
                    "zone": "America/New_York",
                },
                "filter.createdAt is too close to the ends of the calendar for a series.",
                ["filter", "createdAt"],
            ),
            (
                {"filter": created("9999-12-30T00:00:00Z", "9999-12-31T01:00:00Z")},
                "filter.createdAt is too close to the ends of the calendar for a series.",
                ["filter", "createdAt"],
            ),
            *(
                (
                    {
                        "filter": created("2024-01-01T00:00:00Z", "2024-01-03T00:00:00Z"),
                        "zone": zone,
                    },
                    "timeZone must be the IANA name of a time zone, such as Europe/Berlin.",
                    ["timeZone"],
                )
                for zone in (
                    "",
                    "Mars/Olympus",
                    "europe/berlin",
                    "Europe",
                    "../etc/passwd",
                    "/etc/localtime",
                    "UTC\0",
                    "+01:00",
                    "Ελλάς/Αθήνα",
                )
            ),
        ],
    )
    async def test_refusals(
        self, shop: Shop, variables: Any, message: str, field: list[str]
    ) -> None:
        answer = await shop.graphql(SERIES, variables)
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == message
        assert error["path"] == ["stats", "series"]
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}

    async def test_days_with_empty_ones_in_between(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add(LAMP)
        await date_orders(
            shop, "2024-01-01T12:00:00Z", "2024-01-03T00:00:00Z", "2024-01-03T23:59:59.999Z"
        )
        span = created("2024-01-01T12:00:00Z", "2024-01-04T00:00:00.001Z")
        points = (await shop.data(SERIES, {"filter": span}))["stats"]["series"]
        assert points == [
            {"start": f"2024-01-0{day}T00:00:00.000Z", "orderCount": n, "total": {"amount": total}}
            for day, n, total in ((1, 1, "0.20"), (2, 0, "0.00"), (3, 2, "0.40"), (4, 0, "0.00"))
        ]
        # The ends are the filter's: what a day has outside of them is not counted.
        span = created("2024-01-01T12:00:00.001Z", "2024-01-03T00:00:00Z")
        assert [count for _, count in await counts(shop, filter=span)] == [0, 0]

    async def test_no_time_is_no_span(self, shop: Shop) -> None:
        for until in ("2024-01-01T12:00:00Z", "2023-01-01T00:00:00Z"):
            assert await counts(shop, filter=created("2024-01-01T12:00:00Z", until)) == []

    async def test_four_hundred_days_are_accepted(self, shop: Shop) -> None:
        span = created("2023-01-01T00:00:00Z", "2024-02-05T00:00:00Z")
        assert len(await counts(shop, filter=span)) == 400

    @pytest.mark.parametrize(
        ("zone", "orders", "span", "expected"),
        [
            (  # 23 hours
                "America/New_York",
                ("2024-03-10T00:00:00-05:00", "2024-03-10T23:59:59-04:00"),
                ("2024-03-10T00:00:00-05:00", "2024-03-12T00:00:00-04:00"),
                [("2024-03-10T05:00:00.000Z", 2), ("2024-03-11T04:00:00.000Z", 0)],
            ),
            (  # 25 hours
                "America/New_York",
                ("2024-11-03T00:00:00-04:00", "2024-11-03T23:59:59-05:00"),
                ("2024-11-03T00:00:00-04:00", "2024-11-05T00:00:00-05:00"),
                [("2024-11-03T04:00:00.000Z", 2), ("2024-11-04T05:00:00.000Z", 0)],
            ),
            (  # half an hour
                "Australia/Lord_Howe",
                ("2024-10-06T00:00:00+10:30", "2024-10-07T00:00:00+11:00"),
                ("2024-10-06T00:00:00+10:30", "2024-10-08T00:00:00+11:00"),
                [("2024-10-05T13:30:00.000Z", 1), ("2024-10-06T13:00:00.000Z", 1)],
            ),
            (
                "Asia/Kathmandu",
                ("2024-01-01T23:59:59+05:45", "2024-01-02T00:00:00+05:45"),
                ("2024-01-01T00:00:00+05:45", "2024-01-03T00:00:00+05:45"),
                [("2023-12-31T18:15:00.000Z", 1), ("2024-01-01T18:15:00.000Z", 1)],
            ),
            (  # midnight is skipped: the day begins at one
                "America/Santiago",
                ("2024-09-08T03:59:59Z", "2024-09-08T04:00:00Z"),
                ("2024-09-07T04:00:00Z", "2024-09-09T03:00:00Z"),
                [("2024-09-07T04:00:00.000Z", 1), ("2024-09-08T04:00:00.000Z", 1)],
            ),
            (  # midnight comes twice: the day begins at the first one
                "America/Havana",
                ("2024-11-03T04:00:00Z", "2024-11-03T05:00:00Z", "2024-11-04T05:00:00Z"),
                ("2024-11-03T04:00:00Z", "2024-11-05T05:00:00Z"),
                [("2024-11-03T04:00:00.000Z", 2), ("2024-11-04T05:00:00.000Z", 1)],
            ),
            (  # the clock went from half past eleven to half past midnight
                "America/Toronto",
                ("1919-03-31T04:29:59Z", "1919-03-31T04:30:00Z"),
                ("1919-03-30T05:00:00Z", "1919-04-01T04:00:00Z"),
                [("1919-03-30T05:00:00.000Z", 1), ("1919-03-31T04:30:00.000Z", 1)],
            ),
            (  # the 30th of December 2011 did not take place
                "Pacific/Apia",
                ("2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z"),
                ("2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z"),
                [("2011-12-29T10:00:00.000Z", 1), ("2011-12-30T10:00:00.000Z", 1)],
            ),
        ],
    )
    async def test_days_are_those_of_the_zone(
        self, shop: Shop, zone: str, orders: Sequence[str], span: tuple[str, str], expected: Any
    ) -> None:
        for _ in orders:
            await shop.add(LAMP)
        await date_orders(shop, *orders)
        assert await counts(shop, filter=created(*span), zone=zone) == expected

    async def test_weeks_start_on_monday(self, shop: Shop) -> None:
        await shop.add(LAMP)
        await shop.add(LAMP)
        await date_orders(shop, "2024-02-25T23:00:00+01:00", "2024-02-26T00:00:00+01:00")
        span = created("2024-02-21T00:00:00Z", "2024-03-04T00:00:00Z")
        assert await counts(shop, filter=span, interval="WEEK", zone="Europe/Berlin") == [
            ("2024-02-18T23:00:00.000Z", 1),
            ("2024-02-25T23:00:00.000Z", 1),
            ("2024-03-03T23:00:00.000Z", 0),
        ]

    async def test_months(self, shop: Shop) -> None:
        await shop.add(LAMP)
        await shop.add(LAMP)
        await date_orders(shop, "2024-02-29T23:59:59Z", "2024-12-31T23:59:59Z")
        span = created("2024-01-31T00:00:00Z", "2025-01-01T00:00:00Z")
        months = await counts(shop, filter=span, interval="MONTH")
        assert [count for _, count in months] == [0, 1, *[0] * 9, 1]
        assert [start for start, _ in months] == [
            f"2024-{month:02d}-01T00:00:00.000Z" for month in range(1, 13)
        ]


# Nights in which clocks were set, in some zones to before the midnight that was over already.
NIGHTS = {
    "UTC": "2024-02-29T00:00:00Z",
    "America/New_York": "2024-11-03T06:00:00Z",
    "America/Havana": "2024-11-03T05:00:00Z",
    "America/Santiago": "2024-09-08T04:00:00Z",
    "America/St_Johns": "2010-11-07T02:31:00Z",
    "Australia/Lord_Howe": "2024-04-06T15:00:00Z",
    "Asia/Kathmandu": "1985-12-31T18:30:00Z",
    "Pacific/Apia": "2011-12-30T10:00:00Z",
    "Africa/Casablanca": "2024-03-10T02:00:00Z",
}
OFFSETS = st.integers(-3_000_000, 3_000_000) | st.integers(-100_000, 100_000)


class TestAnySeries:
    async def test_its_sums_are_the_totals(self, shop: Shop) -> None:
        await shop.add(LAMP)
        instants = sorted(
            datetime.fromisoformat(night) + timedelta(minutes=minutes)
            for night in NIGHTS.values()
            for minutes in (-40_000, -1_440, -60, -31, -1, 0, 1, 29, 30, 60, 1_400, 1_440, 30_000)
        )
        for number, at in enumerate(instants):
            await shop.execute(
                f"INSERT INTO {ORDERS} SELECT user_id, 'n{number}', {number + 2}, status, address,"
                f" currency, {number + 1}, version, :at, :at FROM orders WHERE order_number = 1",
                at=at,
            )
        loop = asyncio.get_running_loop()

        @settings(max_examples=150, deadline=None)
        @given(
            zone=st.sampled_from(list(NIGHTS)),
            ends=st.tuples(OFFSETS, OFFSETS).map(sorted),
            interval=st.sampled_from(["DAY", "WEEK", "MONTH"]),
        )
        def check(zone: str, ends: Sequence[int], interval: str) -> None:
            night = datetime.fromisoformat(NIGHTS[zone])
            since, until = (night + timedelta(seconds=end) for end in ends)
            span = created(rfc3339(since), rfc3339(until))
            variables = {"filter": span, "zone": zone, "interval": interval}
            asking = asyncio.run_coroutine_threadsafe(shop.data(SERIES, variables), loop)
            stats = asking.result()["stats"]
            points = stats["series"]
            counted = [at for at in instants if since <= at < until]
            assert stats["orderCount"] == len(counted)
            assert sum(point["orderCount"] for point in points) == len(counted)
            assert sum(map(cents, points)) == cents(stats)
            starts = [datetime.fromisoformat(point["start"]) for point in points]
            for point, start, end in zip(points, starts, [*starts, until][1:], strict=True):
                inside = [at for at in counted if start <= at < end]
                assert point["orderCount"] == len(inside)
            assert all(since < start < until for start in starts[1:])
            for start, following in pairwise(starts):
                days = [at.astimezone(ZoneInfo(zone)).date() for at in (start, following)]
                assert days[0] < days[1]
                if interval == "WEEK":
                    assert [day.weekday() for day in days] == [0, 0]
                if interval == "MONTH":
                    assert [day.day for day in days] == [1, 1]

        await asyncio.to_thread(check)


def cents(figures: Any) -> int:
    return int(figures["total"]["amount"].replace(".", ""))


class TestTopProducts:
    @pytest.mark.parametrize("first", [-1, 101])
    async def test_a_bad_size_is_named(self, shop: Shop, first: int) -> None:
        answer = await shop.graphql(TOP, {"first": first})
        assert answer["data"] is None
        [error] = answer["errors"]
        assert error["message"] == f"first must be from 0 to 100, not {first}."
        assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": ["first"]}

    async def test_most_units_first_and_ties_by_id(self, shop: Shop) -> None:
        await shop.add(TABLE, LAMP)
        await shop.add(STOOL, TABLE)
        await shop.add(LAMP, key="other")
        expected = [
            {"productId": id_, "name": name, "quantity": units, "total": {"amount": total}}
            for id_, name, units, total in (
                (TABLE, "brown table", 4, "120.00"),
                (STOOL, "stool", 2, "39.98"),
                (LAMP, "lamp", 2, "0.20"),
            )
        ]
        assert (await shop.data(TOP))["stats"]["topProducts"] == expected
        assert (await shop.data(TOP, {"first": 1}))["stats"]["topProducts"] == expected[:1]
        assert (await shop.data(TOP, {"first": 0}))["stats"]["topProducts"] == []
        for field in ("status", "customerIds"):
            nothing = await shop.data(TOP, {"filter": {field: []}})
            assert nothing["stats"]["topProducts"] == []
        everyone = (await shop.data(TOP, key="admin"))["stats"]["topProducts"]
        assert [product["quantity"] for product in everyone] == [4, 4, 2]

    async def test_a_product_is_named_as_when_last_ordered(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add(TABLE)
        await shop.add(TABLE, key="other")
        await date_orders(
            shop, "2024-01-03T00:00:00Z", "2024-01-04T00:00:00Z", "2024-01-01T00:00:00Z"
        )
        await shop.execute(
            f"UPDATE orders SET created_at = :at WHERE user_id = '{OTHER}'",
            at=datetime(2024, 1, 4, tzinfo=UTC),
        )
        await shop.execute(
            "UPDATE order_items SET name = (SELECT substr(user_id, 23) || order_number"
            " FROM orders WHERE id = order_id)",
        )
        [mine] = (await shop.data(TOP))["stats"]["topProducts"]
        assert (mine["name"], mine["quantity"]) == ("c02", 6)
        # At the same instant, the greater id is the later order; the filter's orders alone count.
        [all_] = (await shop.data(TOP, key="admin"))["stats"]["topProducts"]
        assert (all_["name"], all_["quantity"]) == ("b01", 8)
        before = {"filter": created(None, "2024-01-04T00:00:00Z")}
        [earlier] = (await shop.data(TOP, before))["stats"]["topProducts"]
        assert (earlier["name"], earlier["quantity"]) == ("c01", 4)

    async def test_more_units_than_an_int_holds(self, shop: Shop) -> None:
        await shop.add(TABLE)
        await shop.add(TABLE)
        await shop.execute("UPDATE order_items SET quantity = 2147483647, unit_price_minor = 2")
        [product] = (await shop.data(TOP))["stats"]["topProducts"]
        assert product["quantity"] == 2147483647
        assert product["total"]["amount"] == "85899345.88"
