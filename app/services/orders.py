"""Reading orders, each function one use case; `order_placing`, `order_changes` write them.

Who may see which orders is decided in `order_queries`, for all of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, exists, func, literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.domain.ids import OrderId, UserId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services.order_queries import (
    OrderFilter,
    OrderSort,
    Position,
    beyond,
    matching_orders,
    orders_from_rows,
    select_orders,
    sorted_by,
    visible_orders,
)

# A statement has a bounded number of parameters, and SQLite's conditions a bounded depth.
_IDS_PER_STATEMENT = 1_000
_NUMBERS_PER_STATEMENT = 100

OrderNumber: TypeAlias = tuple[UserId, int]
"""Whose order, and which number among them."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a sorted list is meant: `size` orders between two positions.

    They are the first ones after `after`, or with `from_end` the last ones before `before`.
    """

    size: int
    after: Position | None = None
    before: Position | None = None
    from_end: bool = False


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
    ascending = sort.descending is page.from_end
    statement = select_orders(matching_orders(principal, conditions, sort=sort))
    if page.after is not None:
        statement = statement.where(beyond(page.after, sort, ascending=not sort.descending))
    if page.before is not None:
        statement = statement.where(beyond(page.before, sort, ascending=sort.descending))
    # One more than asked tells whether the list goes on.
    statement = statement.order_by(*sorted_by(sort, ascending=ascending)).limit(page.size + 1)
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
    statement = select(
        exists(literal(1))
        .where(matching_orders(principal, conditions, sort=sort))
        .where(beyond(position, sort, ascending=forward is not sort.descending, inclusive=True))
    )
    return bool(await connection.scalar(statement))


async def count_orders(
    connection: AsyncConnection, principal: Principal, conditions: OrderFilter
) -> int:
    """How many orders the caller may see that meet the conditions.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    statement = (
        select(func.count()).select_from(tables.Order).where(matching_orders(principal, conditions))
    )
    return (await connection.scalar(statement)) or 0


async def all_own_orders(connection: AsyncConnection, principal: Principal) -> list[Order]:
    """Every order of the caller's own, highest number first; also for an administrator.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    statement = select_orders(
        visible_orders(principal), col(tables.Order.user_id) == principal.user_id
    ).order_by(col(tables.Order.order_number).desc())
    return await orders_from_rows(await connection.execute(statement))


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
