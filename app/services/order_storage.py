"""The statements that orders are written with. What may be written is decided above.

A change is stored only where its order is still at the version that was read, as a condition of
the statement itself; and an order only where nothing is in its way. So nothing depends on what
another transaction does between a look and a write. Orders are changed in the order of customer
and id, so that of two transactions that want the same ones one waits for the other, and not both.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, bindparam, delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.bulk import insert_rows
from app.db.dialect import locks_rows, upsert
from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.domain.ids import OrderId, UserId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services.order_queries import (
    accessible_orders,
    order_from_driver_row,
    orders_from_rows,
    select_orders,
)
from app.services.search import index_new_orders

# A statement has a bounded number of parameters (32,766 in SQLite); REST lists have no bound but
# the size of the body.
_ORDERS_PER_STATEMENT = 1_000

T = TypeVar("T")

_OWN_ORDER = Prepared(
    select_orders(
        col(tables.Order.user_id) == bindparam("user_id"),
        col(tables.Order.id) == bindparam("order_id"),
    )
)
_WHERE_FREE = upsert(tables.Order).on_conflict_do_nothing().returning(col(tables.Order.id))
_COUNTER = tables.OrderCounter
_NUMBERS = upsert(_COUNTER)
_GIVE_NUMBERS = _NUMBERS.on_conflict_do_update(
    index_elements=[_COUNTER.user_id],
    set_={"last_order_number": _COUNTER.last_order_number + _NUMBERS.excluded.last_order_number},
).returning(col(_COUNTER.user_id), col(_COUNTER.last_order_number))


async def accessible_by_id(
    connection: AsyncConnection, principal: Principal, ids: Sequence[OrderId]
) -> dict[OrderId, Order]:
    """Those of the orders that exist and that the caller has to do with."""
    found: dict[OrderId, Order] = {}
    for some in _in_parts(ids):
        statement = select_orders(accessible_orders(principal), col(tables.Order.id).in_(some))
        for order in await orders_from_rows(await connection.execute(statement)):
            found[order.id] = order
    return found


def own_order(user_id: UserId, order_id: OrderId) -> Steps[Order | None]:
    """A customer's order, if it is there."""
    rows = yield Statement(_OWN_ORDER, {"user_id": user_id, "order_id": order_id})
    return order_from_driver_row(rows[0]) if rows else None


async def give_numbers(
    connection: AsyncConnection, counts: Mapping[UserId, int]
) -> dict[UserId, int]:
    """The last of as many numbers as each user's next orders need, which are given with it."""
    rows = [
        {"user_id": user_id, "last_order_number": count}
        # Each by its place, so that of two that need the same counters one waits for the other.
        for user_id, count in sorted(counts.items())
    ]
    return {
        UserId(user_id): last for user_id, last in await connection.execute(_GIVE_NUMBERS, rows)
    }


async def store_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Insert orders, their items and words as they are; the rest is the caller's concern.

    That is numbers, events and rights.
    """
    await insert_rows(connection, tables.Order, [order_row(order) for order in orders])
    await _store_parts(connection, orders)


async def store_where_free(
    connection: AsyncConnection, orders: Sequence[Order]
) -> dict[OrderId, Order]:
    """The same for those orders alone whose id, number and external id no other order has.

    Returns:
        The orders that are stored now.
    """
    if not orders:
        return {}
    rows = [order_row(order) for order in orders]
    free = set(await connection.scalars(_WHERE_FREE, rows))
    stored = [order for order in orders if order.id in free]
    await _store_parts(connection, stored)
    return {order.id: order for order in stored}


async def _store_parts(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    items = [row for order in orders for row in item_rows(order)]
    await insert_rows(connection, tables.OrderItem, items)
    await index_new_orders(connection, orders)


def item_rows(order: Order) -> list[dict[str, Any]]:
    """The rows of an order's items."""
    return [
        {
            "user_id": order.user_id,
            "order_id": order.id,
            "position": position,
            "id": item.id,
            "product_id": item.product_id,
            "name": item.name,
            "image": item.image,
            "unit_price_minor": item.unit_price_minor,
            "quantity": item.quantity,
            "shipping": item.shipping.value,
        }
        for position, item in enumerate(order.items)
    ]


def order_row(order: Order) -> dict[str, Any]:
    """The row of an order itself."""
    return {
        "user_id": order.user_id,
        "id": order.id,
        "order_number": order.number,
        "status": order.status.value,
        "address": order.address,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "version": order.version,
        "created_at": order.created_at,
        "updated_at": order.updated_at,
        "external_id": order.external_id,
    }


async def store_changes(
    connection: AsyncConnection, orders: Sequence[Order], column: str
) -> set[OrderId]:
    """Store a column of orders that are one version on, and when they changed.

    Args:
        connection: A transaction.
        orders: The orders as they are to be.
        column: Which of their columns; one statement for all orders that get the same value.

    Returns:
        The ids of those stored. The others are not at the version before any more, or gone.
    """
    await lock_orders(connection, orders, for_deletion=False)
    alike: dict[tuple[object, datetime], list[Order]] = {}
    for order in orders:
        alike.setdefault((getattr(order, column), order.updated_at), []).append(order)
    row = tables.Order
    stored: set[OrderId] = set()
    for (value, updated_at), group in alike.items():
        values = {column: value, "version": row.version + 1, "updated_at": updated_at}
        for some in _in_parts(group):
            statement = update(row).where(_unchanged(some)).values(values).returning(col(row.id))
            stored.update(OrderId(id_) for id_ in await connection.scalars(statement))
    return stored


async def delete_stored(connection: AsyncConnection, orders: Sequence[Order]) -> set[OrderId]:
    """Delete orders that are one version on, with their items and words.

    Returns:
        The ids of those deleted. The others are not at the version before any more, or gone.
    """
    await lock_orders(connection, orders, for_deletion=True)
    row = tables.Order
    deleted: set[OrderId] = set()
    for some in _in_parts(orders):
        statement = delete(row).where(_unchanged(some)).returning(col(row.id))
        deleted.update(OrderId(id_) for id_ in await connection.scalars(statement))
    return deleted


async def lock_orders(
    connection: AsyncConnection, orders: Iterable[Order], *, for_deletion: bool
) -> None:
    """Have the orders for this transaction, those that are still there.

    A statement for each customer: where customers are spread over servers, no other can lock.
    """
    if not locks_rows(connection):
        return
    row = tables.Order
    ids_of: dict[UserId, list[OrderId]] = {}
    for order in sorted(orders, key=_place):
        ids_of.setdefault(order.user_id, []).append(order.id)
    for user_id, ids in ids_of.items():
        for some in _in_parts(ids):
            await connection.execute(
                select(col(row.id))
                .where(col(row.user_id) == user_id, col(row.id).in_(some))
                .order_by(col(row.id))
                .with_for_update(key_share=not for_deletion)
            )


def _place(order: Order) -> tuple[UserId, OrderId]:
    return order.user_id, order.id


def _unchanged(orders: Sequence[Order]) -> ColumnElement[bool]:
    """Those of the orders that are stored at the version before the one that they have."""
    row = tables.Order
    users = {order.user_id for order in orders}
    return and_(
        # Where it can be, the customer is named: all rows that are theirs lie together.
        *([col(row.user_id) == users.pop()] if len(users) == 1 else []),
        # Not needed, but what the rows are found by: no engine looks pairs up in an index on one.
        col(row.id).in_([order.id for order in orders]),
        tuple_(col(row.id), col(row.version)).in_(
            [(order.id, order.version - 1) for order in orders]
        ),
    )


def _in_parts(elements: Sequence[T]) -> Iterable[Sequence[T]]:
    for start in range(0, len(elements), _ORDERS_PER_STATEMENT):
        yield elements[start : start + _ORDERS_PER_STATEMENT]
