"""Rows that the database makes, beside the same rows made here, to the byte."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.ids import UserId
from app.domain.money import MAX_MINOR, json_number
from app.domain.principal import Principal, Scope
from app.rest import legacy, order_rows
from tests.databases import Databases, SQLiteDatabases
from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, InsideShop, open_shop

NAMES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
) | st.sampled_from(['"', "\\", "\x01\x1f\x7f\b\f\n\r\t", "\u2028", "🏠", "}{][", "é", "'"])
PRICES = st.integers(0, 10_000) | st.integers(0, MAX_MINOR)
INSTANTS = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001
ITEMS = st.tuples(NAMES, NAMES | st.none(), PRICES)
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


def long_date(at: datetime) -> str:
    return f"{MONTHS[at.month - 1]} {at.day}, {at.year}"


@settings(max_examples=5, deadline=None)
@given(orders=st.lists(st.tuples(INSTANTS, ITEMS, ITEMS), min_size=10, max_size=20))
def test_any_value(databases: Databases, orders: list[tuple[datetime, Any, Any]]) -> None:
    async def run(url: str) -> None:
        async with open_shop(url) as shop:
            await shop.add(TABLE, LAMP)
            for at, *items in orders:
                await check(shop, at - timedelta(microseconds=at.microsecond % 1_000), items)

    with databases.fresh() as url:
        asyncio.run(run(url))


async def check(shop: InsideShop, at: datetime, items: list[tuple[str, str | None, int]]) -> None:
    await shop.execute("UPDATE orders SET created_at = :at", at=at)
    for position, (name, image, price) in enumerate(items):
        await shop.execute(
            "UPDATE order_items SET name = :name, image = :image, unit_price_minor = :price"
            " WHERE position = :position",
            name=name,
            image=image,
            price=price,
            position=position,
        )
    found = await shop.rows(
        "SELECT o.id, i.product_id, i.image, i.name, i.unit_price_minor, i.quantity, i.shipping,"
        " o.status, o.order_number FROM orders o JOIN order_items i ON i.order_id = o.id"
        " ORDER BY i.position"
    )
    expected: list[dict[str, Any]] = [
        {
            "orderId": id_,
            "productId": product,
            "image": image,
            "name": name,
            "price": json_number(price),
            "quantity": quantity,
            "shipping": shipping,
            "status": status,
            "createdAt": long_date(at),
            "orderNum": number,
        }
        for id_, product, image, name, price, quantity, shipping, status, number in found
    ]
    answer = await shop.rest("GET", "/orders/get_all")
    assert answer.content == orjson.dumps(expected)
    with patch.object(legacy, "ORDERS_AT_ONCE", 1), patch.object(order_rows, "ORDERS_AT_ONCE", 1):
        streamed = await shop.rest("GET", "/orders/get_all")
    assert "content-length" not in streamed.headers
    assert streamed.content == answer.content


@pytest.mark.parametrize("number", [3, 5, 6, 7])
async def test_in_parts_they_are_the_same(
    shop: InsideShop, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    for position in range(number):
        await shop.add(*(TABLE, LAMP, STOOL)[: position % 3 + 1])
        await shop.add(key="other")
    # An order without items has no row, and one may end a part.
    await shop.execute(
        "DELETE FROM order_items WHERE order_id = :id", id=(await shop.order_ids())[1]
    )
    whole = await shop.rest("GET", "/orders/get_all")
    assert "content-length" in whole.headers
    for module in (legacy, order_rows):
        monkeypatch.setattr(module, "ORDERS_AT_ONCE", 3)
    parts = await shop.rest("GET", "/orders/get_all")
    # What is streamed has no length before its end.
    assert "content-length" not in parts.headers
    assert parts.headers["content-type"] == whole.headers["content-type"]
    assert parts.content == whole.content
    assert len(whole.json()) >= number


async def test_no_orders_with_items(shop: InsideShop, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(4):
        await shop.add()
    await shop.execute("DELETE FROM order_items WHERE 1 = 1")
    assert (await shop.rest("GET", "/orders/get_all")).content == b"[]"
    for module in (legacy, order_rows):
        monkeypatch.setattr(module, "ORDERS_AT_ONCE", 2)
    assert (await shop.rest("GET", "/orders/get_all")).content == b"[]"


async def test_they_come_in_the_order_of_their_keys(sqlite_databases: SQLiteDatabases) -> None:
    principal = Principal(UserId(CUSTOMER), frozenset({Scope.ORDERS_READ}), "")
    read = order_rows.OwnRows("sqlite").whole(principal)
    assert read is not None
    with sqlite_databases.fresh() as url:
        async with open_shop(url) as shop, shop.database.read() as connection:
            explained = await connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {read.text}", read.parameters
            )
            steps = [str(step[-1]) for step in explained]
    # Nothing else says in which order a whole list is put together.
    items = steps.index("SEARCH i USING PRIMARY KEY (user_id=? AND order_id=?)")
    assert steps.index("SCAN o") < items
    assert not any("TEMP B-TREE" in step for step in steps)
