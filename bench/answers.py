"""What the right answers are to the requests of `bench.requests`, read from the database itself.

They are made from plain rows by plain Python, apart from any contender's code.
"""

import asyncio
import base64
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg

from app.db.sqlite import URL_PREFIX
from app.domain.clock import rfc3339
from app.domain.money import decimal_amount
from bench.shop import BenchShop

PAGE_SIZE = 50

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)


def read(shop: BenchShop, statement: str, *parameters: object) -> list[dict[str, Any]]:
    """Rows of a shop. The statement has its parameters as SQLite does, one at the most."""
    if not shop.url.startswith(URL_PREFIX):
        return asyncio.run(_fetch(shop, statement.replace("?", "$1"), *parameters))
    path = shop.url.removeprefix(URL_PREFIX)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement, parameters)]


async def _fetch(shop: BenchShop, statement: str, *parameters: object) -> list[dict[str, Any]]:
    connection = await asyncpg.connect(shop.url.replace("+asyncpg", ""))
    try:
        return [dict(row) for row in await connection.fetch(statement, *parameters)]
    finally:
        await connection.close()


def one_order(shop: BenchShop) -> object:
    """The order, with its items."""
    (order,) = read(shop, "SELECT * FROM orders WHERE id = ?", shop.order_id)
    return {"data": {"order": _order(shop, order)}}


def page(shop: BenchShop) -> object:
    """The reader's newest orders, with their items."""
    orders = read(
        shop,
        "SELECT * FROM orders WHERE user_id = ? ORDER BY created_at DESC, id DESC",
        shop.user_id_of(1),
    )
    first = orders[:PAGE_SIZE]
    info = {
        "hasNextPage": len(orders) > PAGE_SIZE,
        "endCursor": cursor(_instant(first[-1]), first[-1]["id"]),
    }
    nodes = [_order(shop, order) for order in first]
    return {"data": {"orders": {"totalCount": len(orders), "pageInfo": info, "nodes": nodes}}}


def rows_of_all(shop: BenchShop) -> object:
    """A row for each item of the reader's orders."""
    rows = read(
        shop,
        "SELECT o.id, o.status, o.created_at, o.order_number, i.* FROM orders o"
        " JOIN order_items i ON i.user_id = o.user_id AND i.order_id = o.id"
        " WHERE o.user_id = ? ORDER BY o.order_number DESC, i.position",
        shop.user_id_of(1),
    )
    return [
        {
            "orderId": row["order_id"],
            "productId": row["product_id"],
            "image": row["image"],
            "name": row["name"],
            "price": row["unit_price_minor"] / 100,
            "quantity": row["quantity"],
            "shipping": row["shipping"],
            "status": row["status"],
            "createdAt": long_date(_instant(row)),
            "orderNum": row["order_number"],
        }
        for row in rows
    ]


def count_orders(shop: BenchShop) -> int:
    """How many orders there are."""
    return int(read(shop, "SELECT count(*) AS orders FROM orders")[0]["orders"])


def check_added(shop: BenchShop, answer: Any, customer: int, before: int) -> None:
    """Check the answer to `bench.requests.add_order`, and all that it has to have written.

    Args:
        shop: Where it was placed.
        answer: What was answered.
        customer: Whose order it is.
        before: How many orders there were.
    """
    payload = answer["data"]["addOrder"]
    added = payload["order"]
    (order,) = read(shop, "SELECT * FROM orders WHERE id = ?", added["id"])
    items = read(
        shop, "SELECT * FROM order_items WHERE order_id = ? ORDER BY position", added["id"]
    )
    prices = {row["id"]: row for row in read(shop, "SELECT * FROM products")}
    wanted = list(shop.product_ids[:3])
    total = sum(2 * prices[product_id]["price_minor"] for product_id in wanted)
    assert payload["userErrors"] == []
    assert re.fullmatch("[0-9a-f]{24}", added["id"])
    assert added["number"] == order["order_number"]
    assert added["total"] == {"amount": decimal_amount(total)}
    assert (order["user_id"], order["status"], order["total_minor"], order["version"]) == (
        *(shop.user_id_of(customer), "pending", total, 0),
    )
    assert [
        (item["product_id"], item["name"], item["unit_price_minor"], item["quantity"])
        for item in items
    ] == [(one, prices[one]["name"], prices[one]["price_minor"], 2) for one in wanted]
    (counter,) = read(shop, "SELECT * FROM order_counters WHERE user_id = ?", order["user_id"])
    assert counter["last_order_number"] == added["number"]
    (event,) = read(shop, "SELECT * FROM order_events WHERE order_id = ?", added["id"])
    assert (event["type"], event["to_status"], event["actor_id"], event["order_version"]) == (
        *("created", "pending", order["user_id"], 0),
    )
    (words,) = read(shop, "SELECT * FROM order_words WHERE order_id = ?", added["id"])
    assert words["words"] == f"user{customer} bench example product 0 1 2 main st carlton"
    if shop.url.startswith(URL_PREFIX):
        (found,) = read(
            shop,
            "SELECT rowid AS seq FROM order_search WHERE order_search MATCH 'carlton'"
            " ORDER BY rowid DESC LIMIT 1",
        )
        assert found["seq"] == words["seq"]
    assert count_orders(shop) == before + 1


def cursor(at: datetime, id_: str) -> str:
    """The cursor of an order in a list by creation, as all of them write it."""
    plain = f"created_at:{(at - _EPOCH) // timedelta(microseconds=1)}:{id_}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _order(shop: BenchShop, row: dict[str, Any]) -> dict[str, object]:
    currency = row["currency"]
    items: Sequence[dict[str, Any]] = read(
        shop, "SELECT * FROM order_items WHERE order_id = ? ORDER BY position", row["id"]
    )
    return {
        "id": row["id"],
        "number": row["order_number"],
        "status": _enum(row["status"]),
        "address": row["address"],
        "createdAt": rfc3339(_instant(row)),
        "version": row["version"],
        "total": _money(row["total_minor"], currency),
        "items": [
            {
                "id": item["id"],
                "name": item["name"],
                "quantity": item["quantity"],
                "shipping": _enum(item["shipping"]),
                "unitPrice": _money(item["unit_price_minor"], currency),
            }
            for item in items
        ],
    }


def _money(minor: int, currency: str) -> dict[str, str]:
    return {"amount": decimal_amount(minor), "currencyCode": currency}


def _enum(text: str) -> str:
    return text.upper().replace(" ", "_")


def _instant(row: dict[str, Any]) -> datetime:
    at = row["created_at"]
    return at if isinstance(at, datetime) else datetime.fromisoformat(at)


def long_date(instant: datetime) -> str:
    """The UTC day of an instant in long English form, `November 30, 2024`."""
    utc = instant.astimezone(UTC)
    return f"{_MONTHS[utc.month - 1]} {utc.day}, {utc.year}"
