"""Reading orders, each function one use case; `order_placing`, `order_changes` write them.

Who may see which orders is decided in `order_queries`, for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.domain.ids import OrderId, UserId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services.order_queries import (
    OrderFilter,
    OrderSort,
    Page,
    Position,
    any_beyond,
    count_of,
    meaning_of,
    page_of,
    visible_orders,
)
from app.services.whole_orders import orders_from_rows, select_orders

# A statement has a bounded number of parameters, and SQLite's conditions a bounded depth.
_IDS_PER_STATEMENT = 1_000
_NUMBERS_PER_STATEMENT = 100

OrderNumber: TypeAlias = tuple[UserId, int]
"""Whose order, and which number among them."""


@dataclass(frozen=True, slots=True)
class OrderPage:
    """A page in the list's order, and whether more follow on the side it was cut at."""

    orders: tuple[Order, ...]
    more: bool


async def list_orders(
    connection: AsyncConnection,
    principal: Principal,
    page: Page,
    *,
    conditions: OrderFilter,
    sort: OrderSort,
) -> OrderPage:
    """A page of the orders that the caller may see.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    statement = page_of(select_orders(), meaning_of(principal, conditions), page, sort)
    orders = await orders_from_rows(await connection.execute(statement))
    more = len(orders) > page.size
    orders = orders[: page.size]
    return OrderPage(tuple(reversed(orders) if page.from_end else orders), more)


async def any_order_beyond(
    connection: AsyncConnection,
    principal: Principal,
    position: Position,
    *,
    forward: bool,
    conditions: OrderFilter,
    sort: OrderSort,
) -> bool:
    """Whether the list has an order at the position or past it.

    Args:
        connection: Where to read.
        principal: Who asks.
        position: Where to stand in the list.
        forward: Look towards the end of the list, else towards its beginning.
        conditions: Which orders the list holds.
        sort: How it is sorted.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    statement = any_beyond(meaning_of(principal, conditions), position, sort, forward=forward)
    return bool(await connection.scalar(statement))


async def count_orders(
    connection: AsyncConnection, principal: Principal, conditions: OrderFilter
) -> int:
    """How many orders the caller may see that meet the conditions.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    return (await connection.scalar(count_of(meaning_of(principal, conditions)))) or 0


async def orders_by_id(
    connection: AsyncConnection, principal: Principal, ids: Iterable[OrderId]
) -> dict[OrderId, Order]:
    """Those of the orders that exist and that the caller may see.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    found: dict[OrderId, Order] = {}
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _IDS_PER_STATEMENT):
        some = wanted[start : start + _IDS_PER_STATEMENT]
        for order in await _visible(connection, principal, col(tables.Order.id).in_(some)):
            found[order.id] = order
    return found


async def orders_by_number(
    connection: AsyncConnection, principal: Principal, numbers: Iterable[OrderNumber]
) -> dict[OrderNumber, Order]:
    """Those of the orders that exist and that the caller may see.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    row = tables.Order
    found: dict[OrderNumber, Order] = {}
    wanted = list(dict.fromkeys(numbers))
    for start in range(0, len(wanted), _NUMBERS_PER_STATEMENT):
        numbers_of: dict[UserId, list[int]] = {}
        for user_id, number in wanted[start : start + _NUMBERS_PER_STATEMENT]:
            numbers_of.setdefault(user_id, []).append(number)
        any_of = or_(
            *(
                and_(col(row.user_id) == user_id, col(row.order_number).in_(some))
                for user_id, some in numbers_of.items()
            )
        )
        for order in await _visible(connection, principal, any_of):
            found[order.user_id, order.number] = order
    return found


async def _visible(
    connection: AsyncConnection, principal: Principal, condition: ColumnElement[bool]
) -> list[Order]:
    statement = select_orders(visible_orders(principal), condition)
    return await orders_from_rows(await connection.execute(statement))
