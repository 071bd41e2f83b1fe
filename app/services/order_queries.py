"""The parts that every read of orders is made of: who may see, which, in what order, from where.

Nothing here does input or output. A read is one statement with one row per order; its items come
along as a JSON array, so that an order and its items are always of the same moment.
"""

import asyncio
import operator
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeAlias

import orjson
from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    UnaryExpression,
    and_,
    exists,
    false,
    literal,
    select,
    tuple_,
)
from sqlmodel import col

from app.db import tables
from app.db.dialect import json_rows, tested_only
from app.db.search import words_begin_with
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod
from app.domain.principal import Principal, Scope

# The columns of `select_orders`; the last one is the items as JSON.
OrderSelect: TypeAlias = Select[
    str, str, int, str, str, str, int, int, datetime, datetime, str | None, str
]
OrderRow: TypeAlias = Row[
    str, str, int, str, str, str, int, int, datetime, datetime, str | None, str
]

_ORDERS = tables.metadata.tables["orders"]
_ITEMS = tables.metadata.tables["order_items"]

# Some 10 ms of work.
_ITEMS_PER_TURN = 2_500


class OrderSort(Enum):
    """How a list of orders is sorted; ties are broken by id, in the same direction.

    Each value is the attribute of `Order`, and column of its table, that is sorted by, and whether
    the greatest comes first.
    """

    CREATED_AT_ASC = ("created_at", False)
    CREATED_AT_DESC = ("created_at", True)
    UPDATED_AT_ASC = ("updated_at", False)
    UPDATED_AT_DESC = ("updated_at", True)
    TOTAL_ASC = ("total_minor", False)
    TOTAL_DESC = ("total_minor", True)

    @property
    def key(self) -> str:
        """What is sorted by."""
        return self.value[0]

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are meant; all conditions must hold, None is no condition.

    The `*_to` are the first instants left out. `words` are those of `domain.words`.
    """

    owner: UserId | None = None
    ids: tuple[OrderId, ...] | None = None
    statuses: tuple[OrderStatus, ...] | None = None
    shipping: tuple[ShippingMethod, ...] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    product_ids: tuple[ProductId, ...] | None = None
    customer_ids: tuple[UserId, ...] | None = None
    external_ids: tuple[str, ...] | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Position:
    """Where an order stands in a sorted list; it stays meaningful when that order is deleted."""

    key: datetime | int
    id: str


def position_of(order: Order, sort: OrderSort) -> Position:
    """Where the order stands in a list of that sort."""
    return Position(getattr(order, sort.key), order.id)


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


def matching_orders(
    principal: Principal, conditions: OrderFilter, *, sort: OrderSort | None = None
) -> ColumnElement[bool]:
    """Those of the visible orders that meet all conditions of the filter.

    Args:
        principal: Who asks.
        conditions: The filter.
        sort: How they are read, if by the page. Then the rows are walked in that order along its
            index, and tested, until the page is full; unless a condition that few orders meet
            leads to them directly: those are looked up, and sorted.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    visible = visible_orders(principal)
    if set(conditions.customer_ids or ()) - {principal.user_id}:
        principal.require(Scope.ADMIN)
    users = _whose(principal, conditions)
    if users is not None and not users:
        return false()
    looked_up = _looked_up(conditions, users)
    indexed = _indexed(conditions, users, sort, walking=not looked_up)

    def column(name: str) -> ColumnElement[Any]:
        plain = _ORDERS.c[name]
        return plain if name in indexed else tested_only(plain)

    clauses = [visible, *looked_up]
    if users is not None:
        user_id = col(tables.Order.user_id)
        clauses.append(user_id == users[0] if len(users) == 1 else user_id.in_(users))
    if conditions.statuses is not None:
        clauses.append(_any_of(column("status"), [status.value for status in conditions.statuses]))
    if conditions.shipping is not None:
        clauses.append(_shipped_by(conditions.shipping))
    clauses += _within(column("created_at"), conditions.created_from, conditions.created_to)
    clauses += _within(column("updated_at"), conditions.updated_from, conditions.updated_to)
    return and_(*clauses)


def _whose(principal: Principal, conditions: OrderFilter) -> tuple[UserId, ...] | None:
    """The users whose orders alone can match; None if those of all."""
    limits = [
        None if principal.is_admin else (principal.user_id,),
        None if conditions.owner is None else (conditions.owner,),
        conditions.customer_ids,
    ]
    given = [set(users) for users in limits if users is not None]
    return tuple(sorted(set.intersection(*given))) if given else None


def _looked_up(
    conditions: OrderFilter, users: tuple[UserId, ...] | None
) -> list[ColumnElement[bool]]:
    """The conditions that few orders meet, each with an index that leads to them."""
    order, item, words = tables.Order, tables.OrderItem, tables.OrderWords
    key = tuple_(col(order.user_id), col(order.id))
    clauses: list[ColumnElement[bool]] = []
    if conditions.ids is not None:
        clauses.append(col(order.id).in_(conditions.ids))
    if conditions.external_ids is not None:
        clauses.append(col(order.external_id).in_(conditions.external_ids))
    if conditions.product_ids is not None:
        bought = select(col(item.user_id), col(item.order_id)).where(
            col(item.product_id).in_(conditions.product_ids)
        )
        if users is not None:
            bought = bought.where(col(item.user_id).in_(users))
        clauses.append(key.in_(bought))
    if conditions.words:
        owner = users[0] if users is not None and len(users) == 1 else None
        found = select(col(words.user_id), col(words.order_id)).where(
            words_begin_with(conditions.words, owner)
        )
        clauses.append(key.in_(found))
    return clauses


def _indexed(
    conditions: OrderFilter,
    users: tuple[UserId, ...] | None,
    sort: OrderSort | None,
    *,
    walking: bool,
) -> set[str]:
    """The columns that the other conditions may use an index of."""
    if not walking:
        return set()
    if sort is None:
        # The index on the status leads to the orders of all users.
        return {"created_at", "updated_at"} | ({"status"} if users is None else set())
    one_status = conditions.statuses is not None and len(conditions.statuses) == 1
    if users is None and one_status and sort.key == "created_at":
        return {"status", "created_at"}
    return {sort.key}


def _within(
    column: ColumnElement[Any], start: datetime | None, end: datetime | None
) -> list[ColumnElement[bool]]:
    bounds = ((start, operator.ge), (end, operator.lt))
    return [compare(column, bound) for bound, compare in bounds if bound is not None]


def _any_of(column: ColumnElement[Any], values: Sequence[str]) -> ColumnElement[bool]:
    # One value and not a list of one: rows of an index are sorted behind a single value only.
    return column == values[0] if len(values) == 1 else column.in_(values)


def _shipped_by(methods: Sequence[ShippingMethod]) -> ColumnElement[bool]:
    order, item = tables.Order, tables.OrderItem
    return exists(literal(1)).where(
        col(item.user_id) == order.user_id,
        col(item.order_id) == order.id,
        col(item.shipping).in_([method.value for method in methods]),
    )


def beyond(
    position: Position, sort: OrderSort, *, ascending: bool, inclusive: bool = False
) -> ColumnElement[bool]:
    """The orders past a position, in a direction.

    Args:
        position: Where to stand.
        sort: What the list is sorted by.
        ascending: Towards the greater ones.
        inclusive: Whether an order at the position itself counts too.
    """
    columns = _sort_columns(sort)
    here = tuple_(*columns)
    there = tuple_(
        *(
            literal(value, column.type)
            for value, column in zip((position.key, position.id), columns, strict=True)
        )
    )
    if ascending:
        return here >= there if inclusive else here > there
    return here <= there if inclusive else here < there


def sorted_by(sort: OrderSort, *, ascending: bool) -> Sequence[UnaryExpression[Any]]:
    """What to ORDER BY for a list of that sort, in either direction."""
    return [column.asc() if ascending else column.desc() for column in _sort_columns(sort)]


def _sort_columns(sort: OrderSort) -> tuple[ColumnElement[Any], ...]:
    return _ORDERS.c[sort.key], _ORDERS.c.id


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
