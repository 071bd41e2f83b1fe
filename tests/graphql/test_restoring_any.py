"""Any order, deleted and restored, is what it was in all but its version and last change."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod, text_problem
from app.domain.snapshots import order_from_snapshot, order_snapshot
from tests.databases import Databases
from tests.graphql.writing import place, write
from tests.shop import LAMP, STOOL, TABLE, Shop, open_shop

Cycle = Callable[[dict[str, Any], list[dict[str, Any]]], None]

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text_problem(text) is None
)
ITEMS = st.fixed_dictionaries(
    {
        "productId": st.sampled_from([TABLE, STOOL, LAMP]),
        "quantity": st.integers(1, 2**31 - 1),
        "shipping": st.sampled_from(["NEXT_DAY", "REGULAR", "BUDGET"]),
    }
)
NEW = st.fixed_dictionaries(
    {"items": st.lists(ITEMS, min_size=1, max_size=5), "address": TEXTS},
    optional={"externalId": TEXTS},
)
CHANGES = st.lists(
    st.one_of(
        st.fixed_dictionaries({"status": st.sampled_from(["PENDING", "DELIVERY", "COMPLETED"])}),
        st.fixed_dictionaries({"address": TEXTS}),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def cycle(databases: Databases) -> Iterator[Cycle]:
    """Place an order, change it, delete it and bring it back in a shop that lives on.

    Hypothesis calls a test many times, which goes with tests that wait for nothing themselves.
    """
    with (
        databases.fresh() as url,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_shop(url)) as shop,
    ):
        yield lambda new, changes: portal.call(_cycle, shop, new, changes)


async def _cycle(shop: Shop, new: dict[str, Any], changes: list[dict[str, Any]]) -> None:
    id_ = (await place(shop, **new))["id"]
    for change in changes:
        if "status" in change:
            sent = {"changes": [{"orderId": id_, **change}]}
            await write(shop, "changeOrderStatus", sent, key="admin")
        else:  # it may be refused by now
            await write(shop, "changeOrderAddress", {"orderId": id_, **change})
    before, log = await _stored(shop), await shop.rows("SELECT * FROM order_events ORDER BY seq")
    [(version,)] = await shop.rows(f"SELECT version FROM orders WHERE id = '{id_}'")
    deleted = await shop.rest("POST", "/orders/delete", {"orderId": [id_]})
    assert deleted.json()["deletedCount"] == 1
    payload = await write(shop, "restoreOrders", {"ids": [id_]}, key="admin")
    assert payload["userErrors"] == []
    assert [order["version"] for order in payload["orders"]] == [version + 2]
    assert await _stored(shop) == before
    log_after = await shop.rows("SELECT * FROM order_events ORDER BY seq")
    assert log_after[: len(log)] == log
    assert len(log_after) == len(log) + 2
    # The next order may have the same external id.
    await write(shop, "deleteOrders", {"ids": [id_]})


async def _stored(shop: Shop) -> list[Any]:
    return [
        await shop.rows(
            "SELECT user_id, id, order_number, status, address, currency, total_minor, created_at,"
            " external_id FROM orders ORDER BY id"
        ),
        await shop.rows("SELECT * FROM order_items ORDER BY order_id, position"),
        await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY order_id"),
        await shop.rows("SELECT * FROM order_counters ORDER BY user_id"),
    ]


@settings(max_examples=30, deadline=None, derandomize=True, database=None)
@given(new=NEW, changes=CHANGES)
def test_through_the_doors(cycle: Cycle, new: Any, changes: Any) -> None:
    cycle(new, changes)


MILLISECONDS = st.integers(0, 2**42).map(
    lambda passed: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=passed)
)
IDS = st.text("0123456789abcdef", min_size=24, max_size=24)
COUNTS = st.integers(0, 2**53)
ORDERS = st.builds(
    Order,
    id=IDS,
    user_id=IDS,
    number=COUNTS,
    status=st.sampled_from(OrderStatus),
    address=st.text(),
    currency=st.just("USD"),
    total_minor=COUNTS,
    version=COUNTS,
    created_at=MILLISECONDS,
    updated_at=MILLISECONDS,
    items=st.lists(
        st.builds(
            OrderItem,
            id=IDS,
            product_id=IDS,
            name=st.text(),
            image=st.none() | st.text(),
            unit_price_minor=COUNTS,
            quantity=COUNTS,
            shipping=st.sampled_from(ShippingMethod),
        ),
        max_size=3,
    ).map(tuple),
    external_id=st.none() | st.text(),
)


@settings(deadline=None, derandomize=True, database=None)
@given(order=ORDERS)
def test_a_snapshot_loses_nothing(order: Order) -> None:
    """Imported orders are of kinds that no door makes: without items, with an empty address."""
    assert order_from_snapshot(orjson.loads(orjson.dumps(order_snapshot(order)))) == order
