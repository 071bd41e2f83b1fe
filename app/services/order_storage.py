"""The statements that orders are written with. What may be written is decided above.

A change is stored only where its order is still at the version that was read, as a condition of
the statement itself; and an order only where nothing is in its way. So nothing depends on what
another transaction does between a look and a write. Orders are changed in the order of customer
and id, so that of two transactions that want the same ones one waits for the other, and not both.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Text, bindparam, cast, delete, literal_column, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.bulk import insert_rows
from app.db.dialect import is_one_of, upsert
from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.domain.ids import OrderId, UserId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services.search import index_new_orders
from app.services.whole_orders import order_from_driver_row, select_orders

# REST lists have no bound but the size of the body. Others have a turn after each statement, and
# what is read has to be made into orders, too.
_ORDERS_PER_STATEMENT = 1_000
_ORDERS_READ_AT_ONCE = 200

T = TypeVar("T")

_ORDERS = tables.metadata.tables["orders"]
_OF_USER = _ORDERS.c.user_id == bindparam("user_id")
_ARE_ASKED_FOR = is_one_of(_ORDERS.c.id, "ids")
_ANYBODYS_ORDERS = Prepared(select_orders(_ARE_ASKED_FOR))
_OWN_ORDERS = Prepared(select_orders(_OF_USER, _ARE_ASKED_FOR))
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

# Orders that are at the versions that are known of them, by whether all are one customer's. The ids
# alone are not needed, but what the rows are found by: there is no index on the two together.
_AT_VERSION = _ORDERS.c.id.concat(literal_column("' '")).concat(cast(_ORDERS.c.version, Text))
_UNCHANGED: Mapping[bool, Sequence[ColumnElement[Any]]] = {
    of_one: [
        *([_OF_USER] if of_one else []),
        _ARE_ASKED_FOR,
        is_one_of(_AT_VERSION, "at_versions"),
    ]
    for of_one in (True, False)
}
_STORE = {
    (name, of_one): Prepared(
        update(_ORDERS)
        .where(*unchanged)
        .values(
            {
                name: bindparam("value"),
                "version": _ORDERS.c.version + literal_column("1"),
                "updated_at": bindparam("changed_at", type_=_ORDERS.c.updated_at.type),
            }
        )
        .returning(_ORDERS.c.id)
    )
    for name in ("status", "address")
    for of_one, unchanged in _UNCHANGED.items()
}
_DELETE = {
    of_one: Prepared(delete(_ORDERS).where(*unchanged).returning(_ORDERS.c.id))
    for of_one, unchanged in _UNCHANGED.items()
}
# By whether they are locked to be deleted.
_LOCK = {
    for_deletion: Prepared(
        select(_ORDERS.c.id)
        .where(_OF_USER, _ARE_ASKED_FOR)
        .order_by(_ORDERS.c.id)
        .with_for_update(key_share=not for_deletion)
    )
    for for_deletion in (True, False)
}


def accessible_by_id(principal: Principal, ids: Sequence[OrderId]) -> Steps[dict[OrderId, Order]]:
    """Those of the orders that exist and that the caller has to do with."""
    statement = _ANYBODYS_ORDERS if principal.is_admin else _OWN_ORDERS
    found: dict[OrderId, Order] = {}
    for some in _in_parts(ids, _ORDERS_READ_AT_ONCE):
        for row in (yield Statement(statement, {"user_id": principal.user_id, "ids": some})):
            order = order_from_driver_row(row)
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


def storing_changes(orders: Sequence[Order], column: str) -> Steps[set[OrderId]]:
    """Store a column of orders that are one version on, and when they changed.

    Args:
        orders: The orders as they are to be.
        column: Which of their columns; one statement for all orders that get the same value.

    Returns:
        The ids of those stored. The others are not at the version before any more, or gone.
    """
    yield from _locking_several(orders, for_deletion=False)
    alike: dict[tuple[object, datetime], list[Order]] = {}
    for order in orders:
        alike.setdefault((order_row(order)[column], order.updated_at), []).append(order)
    stored: set[OrderId] = set()
    for (value, updated_at), group in alike.items():
        for some in _in_parts(group, _ORDERS_PER_STATEMENT):
            unchanged = _unchanged(some)
            statement = _STORE[column, "user_id" in unchanged]
            values = {"value": value, "changed_at": updated_at, **unchanged}
            stored.update(OrderId(id_) for (id_,) in (yield Statement(statement, values)))
    return stored


def deleting_stored(orders: Sequence[Order]) -> Steps[set[OrderId]]:
    """Delete orders that are one version on, with their items and words.

    Returns:
        The ids of those deleted. The others are not at the version before any more, or gone.
    """
    yield from _locking_several(orders, for_deletion=True)
    deleted: set[OrderId] = set()
    for some in _in_parts(orders, _ORDERS_PER_STATEMENT):
        unchanged = _unchanged(some)
        rows = yield Statement(_DELETE["user_id" in unchanged], unchanged)
        deleted.update(OrderId(id_) for (id_,) in rows)
    return deleted


def locking(orders: Iterable[Order], *, for_deletion: bool) -> Steps[None]:
    """Have the orders for this transaction, those that are still there.

    A statement for each customer: where customers are spread over servers, no other can lock.
    """
    ids_of: dict[UserId, list[OrderId]] = {}
    for order in sorted(orders, key=_place):
        ids_of.setdefault(order.user_id, []).append(order.id)
    for user_id, ids in ids_of.items():
        for some in _in_parts(ids, _ORDERS_PER_STATEMENT):
            values = {"user_id": user_id, "ids": some}
            yield Statement(_LOCK[for_deletion], values, only="postgresql")


def _locking_several(orders: Sequence[Order], *, for_deletion: bool) -> Steps[None]:
    # One alone is locked by the statement that changes it. Several would be in any order.
    if len(orders) > 1:
        yield from locking(orders, for_deletion=for_deletion)


def _place(order: Order) -> tuple[UserId, OrderId]:
    return order.user_id, order.id


def _unchanged(orders: Sequence[Order]) -> dict[str, Any]:
    """What names the orders as long as they are at the version before the one that they have."""
    users = {order.user_id for order in orders}
    return {
        # Where it can be, the customer is named: all rows that are theirs lie together.
        **({"user_id": users.pop()} if len(users) == 1 else {}),
        "ids": [order.id for order in orders],
        "at_versions": [f"{order.id} {order.version - 1}" for order in orders],
    }


def _in_parts(elements: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    for start in range(0, len(elements), size):
        yield elements[start : start + size]
