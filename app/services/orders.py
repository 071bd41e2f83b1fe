"""What can be done with orders. Each function is one use case, run in its caller's transaction.

Rights are decided here and only here; everything of a request is checked before anything is
written; every change writes its event along with it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.bulk import insert_rows
from app.db.dialect import upsert
from app.domain import clock
from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId, ProductId, UserId, new_object_id, parse_object_id
from app.domain.money import DEFAULT_CURRENCY
from app.domain.order import (
    EventSource,
    EventType,
    NewOrder,
    Order,
    OrderItem,
    OrderStatus,
    Product,
    StatusChange,
    check_new_order,
    order_total,
)
from app.domain.principal import Principal, Scope
from app.services import idempotency
from app.services.events import NewEvent, order_snapshot, record_events
from app.services.order_queries import (
    OrderFilter,
    OrderSort,
    Position,
    accessible_orders,
    beyond,
    matching_orders,
    order_from_row,
    select_orders,
    sorted_by,
    visible_orders,
)
from app.services.products import products_by_id
from app.services.search import index_new_orders

# A statement has a bounded number of parameters (32,766 in SQLite); REST lists have no bound but
# the size of the body.
_IDS_PER_STATEMENT = 1_000


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


class ErrorPolicy(Enum):
    """What becomes of the rest when one element of a list can't be changed."""

    REJECT_ALL = "reject_all"
    SKIP_FAILED = "skip_failed"


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The orders now at the status asked for, in the order asked, and what was refused."""

    orders: tuple[Order, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The ids of the orders that are gone now, in the order asked, and what was refused."""

    ids: tuple[OrderId, ...]
    problems: tuple[Problem, ...]


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
    orders = [order_from_row(row) for row in await connection.execute(statement)]
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
    return [order_from_row(row) for row in await connection.execute(statement)]


async def add_order(
    connection: AsyncConnection,
    principal: Principal,
    new: NewOrder,
    *,
    source: EventSource,
    idempotency_key: str | None = None,
) -> Order | None:
    """Place an order for the caller, with the products' names, images and prices of this moment.

    Args:
        connection: A transaction.
        principal: Who asks.
        new: What they ask for.
        source: The door that the call came through.
        idempotency_key: Sent again with the same order in the next 24 hours, through any door, it
            places no second one.

    Returns:
        The order, as it stands now if an earlier call placed it; None when it was deleted since.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: an item, its product, the address or the idempotency key was refused;
            nothing is written.
    """
    principal.require(Scope.ORDERS_WRITE)
    product_ids = check_new_order(new)
    order_id = OrderId(new_object_id())
    if idempotency_key is not None:
        idempotency.check_key(idempotency_key)
        request = idempotency.fingerprint("add_order", *_canonical(new, product_ids))
        # Before the products are read: they may have gone since the first sending.
        first_id = await idempotency.claim(
            connection, principal.user_id, idempotency_key, request, order_id
        )
        if first_id is not None:
            return (await _orders_by_id(connection, principal, [first_id])).get(first_id)
    items = _items(new, product_ids, await products_by_id(connection, product_ids))
    total = order_total(items)
    at = clock.now()
    order = Order(
        id=order_id,
        user_id=principal.user_id,
        number=await _next_number(connection, principal.user_id),
        status=OrderStatus.PENDING,
        address=new.address,
        currency=DEFAULT_CURRENCY,
        total_minor=total,
        version=0,
        created_at=at,
        updated_at=at,
        items=items,
    )
    await store_orders(connection, [order])
    event = NewEvent(EventType.CREATED, order, 0, None, order.status)
    await record_events(connection, [event], actor_id=principal.user_id, source=source)
    return order


def _canonical(new: NewOrder, product_ids: Sequence[ProductId]) -> tuple[object, ...]:
    """All that a new order asks for, the same however it was written."""
    items = [
        (product_id, item.quantity, item.shipping.value)
        for item, product_id in zip(new.items, product_ids, strict=True)
    ]
    return items, new.address


def _items(
    new: NewOrder, product_ids: Sequence[ProductId], products: Mapping[ProductId, Product]
) -> tuple[OrderItem, ...]:
    problems = [
        Problem(ProblemCode.NOT_FOUND, ("items", position, "product_id"), "names no product")
        for position, product_id in enumerate(product_ids)
        if product_id not in products
    ]
    if problems:
        raise InvalidInput(*problems)
    return tuple(
        OrderItem(
            id=new_object_id(),
            product_id=product_id,
            name=products[product_id].name,
            image=products[product_id].image,
            unit_price_minor=products[product_id].price_minor,
            quantity=item.quantity,
            shipping=item.shipping,
        )
        for item, product_id in zip(new.items, product_ids, strict=True)
    )


async def _next_number(connection: AsyncConnection, user_id: UserId) -> int:
    counter = tables.OrderCounter
    statement = (
        upsert(counter)
        .values(user_id=user_id, last_order_number=1)
        .on_conflict_do_update(
            index_elements=[counter.user_id],
            set_={"last_order_number": counter.last_order_number + 1},
        )
        .returning(col(counter.last_order_number))
    )
    return (await connection.execute(statement)).scalar_one()


async def store_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Insert orders, their items and words as they are; the rest is the caller's concern.

    That is numbers, events and rights.
    """
    await insert_rows(
        connection,
        tables.Order,
        [
            {
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
            for order in orders
        ],
    )
    items: list[dict[str, Any]] = [
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
        for order in orders
        for position, item in enumerate(order.items)
    ]
    await insert_rows(connection, tables.OrderItem, items)
    await index_new_orders(connection, orders)


def authorize_status_change(principal: Principal) -> None:
    """Let pass who may change the status of orders, before their input is looked at.

    Raises:
        Forbidden: the key lacks `admin`.
    """
    principal.require(Scope.ADMIN)


async def change_order_status(
    connection: AsyncConnection,
    principal: Principal,
    changes: Sequence[StatusChange],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
) -> StatusResult:
    """Set the status of anyone's orders. An order already at the status asked for is not changed.

    Args:
        connection: A transaction.
        principal: Who asks.
        changes: The new statuses, each order once.
        on_error: Whether one unknown or stale order refuses all, or is reported and passed over.
            A malformed or repeated id refuses all either way.
        source: The door that the call came through.

    Raises:
        Forbidden: the key lacks `admin`.
        InvalidInput: nothing was changed; see `on_error`.
    """
    authorize_status_change(principal)
    ids = _distinct_ids(
        (("changes", position, "order_id"), change.order_id)
        for position, change in enumerate(changes)
    )
    found = await _orders_by_id(connection, principal, ids)
    problems: list[Problem] = []
    accepted: list[tuple[Order, OrderStatus]] = []
    for position, (order_id, change) in enumerate(zip(ids, changes, strict=True)):
        order = found.get(order_id)
        if order is None:
            path = ("changes", position, "order_id")
            problems.append(Problem(ProblemCode.NOT_FOUND, path, "names no order"))
        elif change.expected_version not in {None, order.version}:
            path = ("changes", position, "expected_version")
            message = f"is not the order's version, which is {order.version}"
            problems.append(Problem(ProblemCode.CONFLICT, path, message))
        else:
            accepted.append((order, change.status))
    if problems and on_error is ErrorPolicy.REJECT_ALL:
        raise InvalidInput(*problems)
    now = clock.now()
    result = {
        order.id: order
        if order.status is status
        # The clock may have been set back since the last change.
        else replace(
            order,
            status=status,
            version=order.version + 1,
            updated_at=max(now, order.updated_at),
        )
        for order, status in accepted
    }
    changed = [(old, result[old.id]) for old, _ in accepted if result[old.id] is not old]
    await _write_status(connection, [new for _, new in changed])
    events = [
        NewEvent(EventType.STATUS_CHANGED, new, new.version, old.status, new.status)
        for old, new in changed
    ]
    await record_events(connection, events, actor_id=principal.user_id, source=source)
    return StatusResult(tuple(result.values()), tuple(problems))


async def _write_status(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    row = tables.Order
    if not orders:
        return
    await connection.execute(
        update(row)
        .where(
            col(row.user_id) == bindparam("of_user"),
            col(row.id) == bindparam("of_id"),
            col(row.version) == bindparam("of_version"),
        )
        .values(
            status=bindparam("new_status"),
            version=bindparam("new_version"),
            updated_at=bindparam("new_updated_at"),
        ),
        [
            {
                "of_user": order.user_id,
                "of_id": order.id,
                "of_version": order.version - 1,
                "new_status": order.status.value,
                "new_version": order.version,
                "new_updated_at": order.updated_at,
            }
            for order in orders
        ],
    )


async def delete_orders(
    connection: AsyncConnection,
    principal: Principal,
    order_ids: Sequence[str],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
) -> DeleteResult:
    """Delete one's own orders, or as an administrator anyone's. Their last event holds them whole.

    Args:
        connection: A transaction.
        principal: Who asks.
        order_ids: The orders, each once. Another user's order counts as unknown.
        on_error: Whether one unknown order refuses all, or is reported and passed over. A
            malformed or repeated id refuses all either way.
        source: The door that the call came through.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: nothing was deleted; see `on_error`.
    """
    principal.require(Scope.ORDERS_WRITE)
    ids = _distinct_ids(
        (("ids", position), order_id) for position, order_id in enumerate(order_ids)
    )
    found = await _orders_by_id(connection, principal, ids)
    problems = [
        Problem(ProblemCode.NOT_FOUND, ("ids", position), "names no order")
        for position, order_id in enumerate(ids)
        if order_id not in found
    ]
    if problems and on_error is ErrorPolicy.REJECT_ALL:
        raise InvalidInput(*problems)
    order = tables.Order
    for some in _in_parts(list(found)):
        await connection.execute(delete(order).where(col(order.id).in_(some)))
    events = [
        NewEvent(
            EventType.DELETED,
            found[order_id],
            found[order_id].version + 1,
            found[order_id].status,
            None,
            {"order": order_snapshot(found[order_id])},
        )
        for order_id in ids
        if order_id in found
    ]
    await record_events(
        connection, events, actor_id=principal.user_id, source=source, occurred_at=clock.now()
    )
    return DeleteResult(tuple(order_id for order_id in ids if order_id in found), tuple(problems))


def _distinct_ids(given: Iterable[tuple[tuple[str | int, ...], str]]) -> list[OrderId]:
    """The ids in canonical form; each comes with the path to it.

    Raises:
        InvalidInput: one is malformed or stands there twice.
    """
    ids: dict[str, None] = {}
    problems: list[Problem] = []
    for path, text in given:
        order_id = parse_object_id(text)
        if order_id is None:
            problems.append(Problem(ProblemCode.INVALID, path, "must be an id of 24 hex digits"))
        elif order_id in ids:
            problems.append(Problem(ProblemCode.INVALID, path, "names an order a second time"))
        else:
            ids[order_id] = None
    if problems:
        raise InvalidInput(*problems)
    return [OrderId(order_id) for order_id in ids]


async def _orders_by_id(
    connection: AsyncConnection, principal: Principal, ids: Sequence[OrderId]
) -> dict[OrderId, Order]:
    """Those of the orders that exist and that the caller has to do with."""
    found: dict[OrderId, Order] = {}
    for some in _in_parts(ids):
        statement = select_orders(accessible_orders(principal), col(tables.Order.id).in_(some))
        for row in await connection.execute(statement):
            order = order_from_row(row)
            found[order.id] = order
    return found


def _in_parts(ids: Sequence[OrderId]) -> Iterable[Sequence[OrderId]]:
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        yield ids[start : start + _IDS_PER_STATEMENT]
