"""Orders read whole: a row for each, and the orders that are made of the rows.

The items come along as a JSON array, so that an order and its items are always of the same moment.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeAlias

import orjson
from sqlalchemy import ColumnElement, Row, Select, select

from app.db import tables
from app.db.dialect import json_rows
from app.db.types import instant
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod

# The columns of `select_orders`; the last one is the items as JSON.
OrderSelect: TypeAlias = Select[
    str, str, int, str, str, str, int, int, datetime, datetime, str | None, str
]
OrderRow: TypeAlias = Row[
    str, str, int, str, str, str, int, int, datetime, datetime, str | None, str
]

_INSTANTS = slice(8, 10)  # of these columns

_ORDERS = tables.metadata.tables["orders"]
_ITEMS = tables.metadata.tables["order_items"]

# Some 10 ms of work.
_ITEMS_PER_TURN = 2_500


def _whole_orders() -> OrderSelect:
    order, item = _ORDERS.c, _ITEMS.c
    items = (
        select(
            json_rows(
                item.position,
                item.id,
                item.product_id,
                item.name,
                item.image,
                item.unit_price_minor,
                item.quantity,
                item.shipping,
            )
        )
        .where(item.user_id == order.user_id, item.order_id == order.id)
        .scalar_subquery()
    )
    return select(
        order.id,
        order.user_id,
        order.order_number,
        order.status,
        order.address,
        order.currency,
        order.total_minor,
        order.version,
        order.created_at,
        order.updated_at,
        order.external_id,
        items,
    )


# Made once, of the tables' own columns: with the mapped classes' columns, made for each read, the
# engine spends more time on recognising them in the result than the database on finding an order.
_WHOLE_ORDERS = _whole_orders()


def select_orders(*conditions: ColumnElement[bool]) -> OrderSelect:
    """Whole orders that meet the conditions: a row each, for `order_from_row`."""
    return _WHOLE_ORDERS.where(*conditions)


async def orders_from_rows(rows: Iterable[OrderRow]) -> list[Order]:
    """The orders in rows of `select_orders`. Where they are many, others have a turn in between."""
    orders: list[Order] = []
    fresh = 0
    for row in rows:
        order = order_from_row(row)
        orders.append(order)
        fresh += 1 + len(order.items)
        if fresh > _ITEMS_PER_TURN:
            await asyncio.sleep(0)
            fresh = 0
    return orders


def order_from_row(row: OrderRow) -> Order:
    """The order in a row of `select_orders`."""
    (
        id_,
        user_id,
        number,
        status,
        address,
        currency,
        total,
        version,
        created,
        updated,
        external_id,
        items,
    ) = row
    # An aggregate promises no order of its elements; each carries its position.
    lines = sorted(orjson.loads(items), key=lambda line: line[0])
    return Order(
        id=OrderId(id_),
        user_id=UserId(user_id),
        number=number,
        status=OrderStatus(status),
        address=address,
        currency=currency,
        total_minor=total,
        version=version,
        created_at=created,
        updated_at=updated,
        external_id=external_id,
        items=tuple(
            OrderItem(
                id=line[1],
                product_id=ProductId(line[2]),
                name=line[3],
                image=line[4],
                unit_price_minor=line[5],
                quantity=line[6],
                shipping=ShippingMethod(line[7]),
            )
            for line in lines
        ),
    )


def order_from_driver_row(row: Sequence[Any]) -> Order:
    """The same for a row as the driver has it."""
    values: Any = list(row)
    values[_INSTANTS] = map(instant, values[_INSTANTS])
    return order_from_row(values)
