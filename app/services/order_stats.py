"""Figures over orders: how many and how much, per status, per span of time and per product.

Each is one statement over the orders that the caller may see. Amounts are added up in two parts,
because the sum of many amounts that fit a 64-bit number need not fit one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    TextClause,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased
from sqlmodel import col

from app.db import tables
from app.db.types import UTCDateTime
from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import ProductId
from app.domain.order import OrderStatus
from app.domain.principal import Principal, Scope
from app.domain.spans import StatsInterval, find_time_zone, span_starts
from app.services.order_queries import OrderFilter, matching_orders, meaning_of

MAX_SPANS = 400
"""The most points that a series may have."""

_PART = 10**9


@dataclass(frozen=True, slots=True)
class Figures:
    """How many orders, and the sum of their totals in minor units."""

    order_count: int = 0
    total_minor: int = 0


@dataclass(frozen=True, slots=True)
class ProductFigures:
    """How often a product was ordered, and for how much. `name` is that of its latest order."""

    product_id: ProductId
    name: str
    quantity: int
    total_minor: int


def authorize_stats(principal: Principal) -> None:
    """Let pass who may see figures: those who may see orders.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)


async def figures_by_status(
    connection: AsyncConnection, principal: Principal, conditions: OrderFilter
) -> dict[OrderStatus, Figures]:
    """The figures of the orders of each status; every status is there, in its usual order.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    order = tables.Order
    # Grouped by an expression: in the order of the index on the status each order would be fetched
    # by itself, which takes four times as long as reading them all in their own.
    status = (col(order.status) + "").label("stands_at")
    statement = (
        select(status, func.count(), *_sum_parts(col(order.total_minor)))
        .where(matching_orders(meaning_of(principal, conditions)))
        .group_by(status.name)
    )
    found = {
        OrderStatus(stands_at): Figures(count, _sum(high, low))
        for stands_at, count, high, low in await connection.execute(statement)
    }
    return {status: found.get(status, Figures()) for status in OrderStatus}


async def figures_by_span(
    connection: AsyncConnection,
    principal: Principal,
    conditions: OrderFilter,
    *,
    interval: StatsInterval,
    time_zone: str,
) -> list[tuple[datetime, Figures]]:
    """The figures of each span of time, with its first instant; empty spans are there too.

    Args:
        connection: Where to read.
        principal: Who asks.
        conditions: Which orders; both ends of their creation must be given.
        interval: How wide a span is.
        time_zone: The IANA name of the zone whose days, weeks and months are meant.

    Raises:
        Forbidden: the key lacks `orders:read`.
        InvalidInput: an end is missing, the zone is unknown, or there are too many spans.
    """
    order = tables.Order
    matching = matching_orders(meaning_of(principal, conditions))
    starts = _starts(conditions, interval, time_zone)
    if not starts:
        return []
    statement = (
        select(
            _span_position(starts),
            func.count(),
            *_sum_parts(col(order.total_minor)),
        )
        .select_from(order)
        .where(matching)
        .group_by(text("span"))
    )
    found = {
        span: Figures(count, _sum(high, low))
        for span, count, high, low in await connection.execute(statement)
    }
    return [(start, found.get(span, Figures())) for span, start in enumerate(starts)]


async def top_products(
    connection: AsyncConnection, principal: Principal, conditions: OrderFilter, *, size: int
) -> list[ProductFigures]:
    """The products with the most units in the orders, most first; ties go by id.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    # Under a name of its own, so that the filter's conditions on items are not taken for it.
    order, item = tables.Order, aliased(tables.OrderItem)
    matching = matching_orders(meaning_of(principal, conditions))
    # Joined, and not by a condition beside the filter's: where that is false from the start, the
    # other would be left out.
    its_items = (col(order.user_id) == item.user_id) & (col(order.id) == item.order_id)
    total = col(item.unit_price_minor) * col(item.quantity)
    units = func.sum(col(item.quantity))
    top = (
        select(
            col(item.product_id),
            units.label("units"),
            func.max(col(order.created_at)).label("latest"),
            *(
                part.label(name)
                for part, name in zip(_sum_parts(total), ("high", "low"), strict=True)
            ),
        )
        .join_from(order, item, its_items)
        .where(matching)
        .group_by(col(item.product_id))
        .order_by(units.desc(), col(item.product_id))
        .limit(size)
        .cte("top")
    )
    # Looked up for the few products that are left, among the same orders: what others call a
    # product in orders that the caller may not see is not told.
    name = (
        select(col(item.name))
        .join_from(order, item, its_items)
        .where(
            matching,
            col(order.created_at) == top.c.latest,
            col(item.product_id) == top.c.product_id,
        )
        .order_by(col(order.id).desc(), col(item.position).desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = select(top.c.product_id, name, top.c.units, top.c.high, top.c.low).order_by(
        top.c.units.desc(), top.c.product_id
    )
    return [
        ProductFigures(ProductId(product_id), name, int(units), _sum(high, low))
        for product_id, name, units, high, low in await connection.execute(statement)
    ]


def _starts(conditions: OrderFilter, interval: StatsInterval, time_zone: str) -> Sequence[datetime]:
    zone = find_time_zone(time_zone)
    if zone is None:
        raise InvalidInput.single(
            "must be the IANA name of a time zone, such as Europe/Berlin", "time_zone"
        )
    created = ("filter", "created_at")
    since, until = conditions.created_from, conditions.created_to
    if since is None or until is None:
        raise InvalidInput.single("must have both ends, gte and lt, for a series", *created)
    try:
        starts = list(islice(span_starts(since, until, interval, zone), MAX_SPANS + 1))
    except OverflowError:
        raise InvalidInput.single(
            "is too close to the ends of the calendar for a series",
            *created,
            code=ProblemCode.OUT_OF_RANGE,
        ) from None
    if len(starts) > MAX_SPANS:
        raise InvalidInput.single(
            f"must span at most {MAX_SPANS} {interval.value}s for this series",
            *created,
            code=ProblemCode.OUT_OF_RANGE,
        )
    return starts


def _span_position(starts: Sequence[datetime]) -> TextClause:
    """Which of the spans an order is in, counted from 0, as the column `span`.

    A tree of CASEs and not a join with the spans: each order is read once and compared nine times
    at the most, whatever plan the database makes. It is written as text because hundreds of
    expression objects would cost more than the statement itself.
    """

    def between(low: int, high: int) -> str:
        if high - low == 1:
            return str(low)
        middle = (low + high) // 2
        earlier, later = between(low, middle), between(middle, high)
        return f"CASE WHEN orders.created_at < :start_{middle} THEN {earlier} ELSE {later} END"

    bounds = (
        bindparam(f"start_{position}", start, UTCDateTime())
        for position, start in enumerate(starts)
        if position  # everything before the second span is in the first
    )
    return text(f"{between(0, len(starts))} AS span").bindparams(*bounds)


def _sum_parts(amount: SQLColumnExpression[int]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    return func.sum(amount // _PART), func.sum(amount % _PART)


def _sum(high: Any, low: Any) -> int:
    # An engine may give its widest number, which need not be Python's int.
    return int(high) * _PART + int(low)
