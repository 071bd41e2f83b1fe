"""Orders found by what names them, many at a time: their ids, or their numbers."""

from collections.abc import Iterable
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.domain.ids import OrderId, UserId
from app.domain.order import Order
from app.domain.principal import Principal
from app.services.order_queries import orders_from_rows, select_orders, visible_orders

# A statement has a bounded number of parameters, and SQLite's conditions a bounded depth.
_IDS_PER_STATEMENT = 1_000
_NUMBERS_PER_STATEMENT = 100

OrderNumber: TypeAlias = tuple[UserId, int]
"""Whose order, and which number among them."""


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
