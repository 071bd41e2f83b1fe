"""The parts that every read of orders is made of: who may see, which, in what order, from where.

Nothing here does input or output. A read is one statement with one row per order; its items come
along as a JSON array, so that an order and its items are always of the same moment.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

import orjson
from sqlalchemy import ColumnElement, Row, Select, UnaryExpression, and_, literal, select, tuple_
from sqlmodel import col

from app.db import tables
from app.db.dialect import json_rows
from app.db.types import UTCDateTime
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod
from app.domain.principal import Principal, Scope

# The columns of `select_orders`; the last one is the items as JSON.
OrderSelect: TypeAlias = Select[str, str, int, str, str, str, int, int, datetime, datetime, str]
OrderRow: TypeAlias = Row[str, str, int, str, str, str, int, int, datetime, datetime, str]


class OrderSort(Enum):
    """How a list of orders is sorted; ties are broken by id, in the same direction."""

    CREATED_AT_ASC = "created_at_asc"
    CREATED_AT_DESC = "created_at_desc"

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self is OrderSort.CREATED_AT_DESC


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are meant; None is no condition. `created_to` is the first instant left out."""

    owner: UserId | None = None
    statuses: tuple[OrderStatus, ...] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """Where an order stands in a sorted list; it stays meaningful when that order is deleted."""

    created_at: datetime
    id: str


def position_of(order: Order) -> Position:
    """Where the order stands in a list sorted by creation."""
    return Position(order.created_at, order.id)


def accessible_orders(principal: Principal) -> ColumnElement[bool]:
    """The condition that every access starts from: one's own orders, all for administrators."""
    if principal.is_admin:
        return literal(True)
    return col(tables.Order.user_id) == principal.user_id


def visible_orders(principal: Principal) -> ColumnElement[bool]:
    """The condition that every read starts from.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)
    return accessible_orders(principal)


def filter_orders(conditions: OrderFilter) -> ColumnElement[bool]:
    """All conditions of the filter, joined by AND."""
    order = tables.Order
    clauses: list[ColumnElement[bool]] = [literal(True)]
    if conditions.owner is not None:
        clauses.append(col(order.user_id) == conditions.owner)
    if conditions.statuses is not None:
        clauses.append(col(order.status).in_([status.value for status in conditions.statuses]))
    if conditions.created_from is not None:
        clauses.append(col(order.created_at) >= conditions.created_from)
    if conditions.created_to is not None:
        clauses.append(col(order.created_at) < conditions.created_to)
    return and_(*clauses)


def beyond(position: Position, *, ascending: bool, inclusive: bool = False) -> ColumnElement[bool]:
    """The orders past a position, in a direction.

    Args:
        position: Where to stand.
        ascending: Towards the greater ones.
        inclusive: Whether an order at the position itself counts too.
    """
    here = tuple_(col(tables.Order.created_at), col(tables.Order.id))
    there = tuple_(literal(position.created_at, UTCDateTime()), literal(position.id))
    if ascending:
        return here >= there if inclusive else here > there
    return here <= there if inclusive else here < there


def sort_columns(*, ascending: bool) -> Sequence[UnaryExpression[Any]]:
    """What to ORDER BY for a list by creation."""
    columns = (col(tables.Order.created_at), col(tables.Order.id))
    return [column.asc() if ascending else column.desc() for column in columns]


def select_orders(*conditions: ColumnElement[bool]) -> OrderSelect:
    """Whole orders that meet the conditions: a row each, for `order_from_row`."""
    order, item = tables.Order, tables.OrderItem
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
        .where(col(item.user_id) == order.user_id, col(item.order_id) == order.id)
        .scalar_subquery()
    )
    return select(
        col(order.id),
        col(order.user_id),
        col(order.order_number),
        col(order.status),
        col(order.address),
        col(order.currency),
        col(order.total_minor),
        col(order.version),
        col(order.created_at),
        col(order.updated_at),
        items,
    ).where(*conditions)


def order_from_row(row: OrderRow) -> Order:
    """The order in a row of `select_orders`."""
    (id_, user_id, number, status, address, currency, total, version, created, updated, items) = row
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
