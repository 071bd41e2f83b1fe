"""Placing an order: the busiest write."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import Integer, Text, bindparam, select
from sqlmodel import col

from app.db import tables
from app.db.dialect import is_one_of, listed
from app.db.prepared import Prepared
from app.db.steps import Row, Shared, Statement, Steps
from app.domain import clock
from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId, ProductId, UserId, new_object_id
from app.domain.money import DEFAULT_CURRENCY
from app.domain.order import (
    EventSource,
    EventType,
    NewOrder,
    Order,
    OrderItem,
    OrderStatus,
    check_new_order,
    order_total,
)
from app.domain.principal import Principal, Scope
from app.services import idempotency
from app.services.events import NewEvent, event_rows
from app.services.order_insertion import NewRows, ReadBack, insert_order
from app.services.order_storage import own_order
from app.services.search import texts_of_customer, words_of_order

_NOTHING = ReadBack([])
# Of a product, and of whom an order is for.
_COLUMNS: tuple[Any, ...] = (
    col(tables.Product.id),
    col(tables.Product.name),
    col(tables.Product.image),
    col(tables.Product.price_minor),
    col(tables.User.id),
    col(tables.User.name),
    col(tables.User.email),
)
_CUSTOMER = slice(4, 7)

# The products that are there, each along with whom the order is for: both are needed, and one
# statement is one round trip.
_PRODUCTS_AND_CUSTOMER = Prepared(
    select(*_COLUMNS)
    .join_from(
        tables.Product,
        tables.User,
        col(tables.User.id) == bindparam("user_id"),
        isouter=True,
    )
    .where(is_one_of(col(tables.Product.id), "ids"), col(tables.Product.deleted_at).is_(None))
)

_ASKED = listed({"order": Integer(), "user_id": Text(), "id": Text()}, "asked_{}")
# The same for several orders, whose place among the others comes last.
_PRODUCTS_AND_CUSTOMERS = Prepared(
    select(*_COLUMNS, _ASKED.c.order)
    .select_from(_ASKED)
    .join(tables.Product, col(tables.Product.id) == _ASKED.c.id)
    .outerjoin(tables.User, col(tables.User.id) == _ASKED.c.user_id)
    .where(col(tables.Product.deleted_at).is_(None))
)

_Wanted: TypeAlias = tuple[UserId, list[ProductId]]
"""A customer, and products."""


def authorize_placing(principal: Principal) -> None:
    """Let pass who may place orders, before their input is looked at.

    Raises:
        Forbidden: the key lacks `orders:write`.
    """
    principal.require(Scope.ORDERS_WRITE)


def placing(
    principal: Principal,
    new: NewOrder,
    *,
    source: EventSource,
    idempotency_key: str | None = None,
) -> Steps[Order | None]:
    """Place an order for the caller, with the products' names, images and prices of this moment.

    Args:
        principal: Who asks.
        new: What they ask for.
        source: The door that the call came through.
        idempotency_key: Sent again with the same order in the next 24 hours, through any door, it
            places no second one.

    Returns:
        The order, as it stands now if an earlier call placed it; None when it was deleted since.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: an item, its product, the address, the external id or the idempotency key was
            refused; nothing is written.
    """
    authorize_placing(principal)
    product_ids = check_new_order(new)
    order_id = OrderId(new_object_id())
    if idempotency_key is not None:
        idempotency.check_key(idempotency_key)
        request = idempotency.fingerprint("add_order", *_canonical(new, product_ids))
        # Before the products are read: they may have gone since the first sending.
        first_id = yield from idempotency.claim(
            principal.user_id, idempotency_key, request, order_id
        )
        if first_id is not None:
            return (yield from own_order(principal.user_id, first_id))
    found = yield from _products_and_customer((principal.user_id, list(dict.fromkeys(product_ids))))
    rows = _new_rows(principal, new, product_ids, order_id, found, source=source)
    return (yield from _inserted(rows))


class Placed(NamedTuple):
    """An order that was placed, its number, and what was read back of it."""

    stored: Order
    number: int
    read_back: Row

    @property
    def order(self) -> Order:
        """The order with its number."""
        return replace(self.stored, number=self.number)


def placing_only(
    principal: Principal,
    new: NewOrder,
    *,
    source: EventSource,
    idempotency_key: str | None = None,
    reading: ReadBack = _NOTHING,
) -> Steps[Placed | None]:
    """The same as a change that does nothing else: it may share its statements with others.

    Args:
        principal: As for `placing`.
        new: As for `placing`.
        source: As for `placing`.
        idempotency_key: As for `placing`.
        reading: What is to be read of the order in the same transaction.

    Returns:
        The order, and what was read of it; None as for `placing`.

    Raises:
        Forbidden: as for `placing`.
        InvalidInput: as for `placing`.
    """
    user_id = principal.user_id
    if idempotency_key is not None or new.external_id is not None:
        # Whether it is placed, and what is told if not, depends on what is there.
        order = yield from placing(principal, new, source=source, idempotency_key=idempotency_key)
        if order is None:
            return None
        (row,) = yield from _read_back(reading, order)
        return Placed(order, order.number, row)
    authorize_placing(principal)
    product_ids = check_new_order(new)
    wanted = user_id, list(dict.fromkeys(product_ids))
    found = yield Shared(
        _products_and_customers,
        wanted,
        lambda: _products_and_customer(wanted),
        of=user_id,
        size=len(new.items),
    )
    order_id = OrderId(new_object_id())
    rows = _new_rows(principal, new, product_ids, order_id, found, source=source)

    def alone() -> Steps[Sequence[Row]]:
        order = yield from _inserted(rows)
        return (yield from _read_back(reading, order))

    (row,) = yield Shared(
        reading.inserting, rows, alone, of=user_id, size=len(new.items), ends=True
    )
    return Placed(rows.order, row[reading.number_at], row)


def _read_back(reading: ReadBack, order: Order) -> Steps[Sequence[Row]]:
    if reading is _NOTHING:
        return ((order.number,),)
    return (yield reading.afterwards(order))


def _products_and_customer(wanted: _Wanted) -> Steps[Sequence[Row]]:
    user_id, ids = wanted
    return (yield Statement(_PRODUCTS_AND_CUSTOMER, {"ids": ids, "user_id": user_id}))


def _products_and_customers(several: Sequence[_Wanted]) -> Statement:
    """The same for several orders."""
    values: dict[str, list[Any]] = {"asked_order": [], "asked_user_id": [], "asked_id": []}
    for number, (user_id, ids) in enumerate(several):
        values["asked_order"] += [number] * len(ids)
        values["asked_user_id"] += [user_id] * len(ids)
        values["asked_id"] += ids
    return Statement(_PRODUCTS_AND_CUSTOMERS, values)


def _new_rows(
    principal: Principal,
    new: NewOrder,
    product_ids: Sequence[ProductId],
    order_id: OrderId,
    found: Sequence[Row],
    *,
    source: EventSource,
) -> NewRows:
    """What is to be stored, made of the products and the customer that were found.

    Raises:
        InvalidInput: a product was not among them.
    """
    items = _items(new, product_ids, {row[0]: row for row in found})
    order = _placed(new, items, order_total(items), order_id=order_id, user_id=principal.user_id)
    customer, name, email = found[0][_CUSTOMER]
    words = words_of_order(order, () if customer is None else texts_of_customer(name, email))
    event = NewEvent(EventType.CREATED, order, 0, None, order.status)
    (logged,) = event_rows([event], source=source)
    return NewRows(order, words, logged)


def _inserted(rows: NewRows) -> Steps[Order]:
    """Store it, and give it its number.

    Raises:
        InvalidInput: another order has its external id.
    """
    order = rows.order
    number = yield from insert_order(*rows)
    if number is None:
        if order.external_id is None:
            raise RuntimeError(f"the id {order.id} or the next number of its customer is taken")
        raise InvalidInput.single(
            "is in use for another order", "external_id", code=ProblemCode.CONFLICT
        )
    return replace(order, number=number)


def _canonical(new: NewOrder, product_ids: Sequence[ProductId]) -> tuple[object, ...]:
    """All that a new order asks for, the same however it was written and by whichever door."""
    items = [
        (product_id, item.quantity, item.shipping.value)
        for item, product_id in zip(new.items, product_ids, strict=True)
    ]
    # One of the doors has no external ids: there an order without one is the same as here.
    external_id = () if new.external_id is None else (new.external_id,)
    return items, new.address, *external_id


def _items(
    new: NewOrder, product_ids: Sequence[ProductId], products: Mapping[str, Row]
) -> tuple[OrderItem, ...]:
    problems = [
        Problem(ProblemCode.NOT_FOUND, ("items", position, "product_id"), "names no product")
        for position, product_id in enumerate(product_ids)
        if product_id not in products
    ]
    if problems:
        raise InvalidInput(*problems)
    items = []
    for item, product_id in zip(new.items, product_ids, strict=True):
        _, name, image, price_minor, *_ = products[product_id]
        items.append(
            OrderItem(
                id=new_object_id(),
                product_id=product_id,
                name=name,
                image=image,
                unit_price_minor=price_minor,
                quantity=item.quantity,
                shipping=item.shipping,
            )
        )
    return tuple(items)


def _placed(
    new: NewOrder,
    items: tuple[OrderItem, ...],
    total_minor: int,
    *,
    order_id: OrderId,
    user_id: UserId,
) -> Order:
    """The order, but for its number."""
    at = clock.now()
    return Order(
        id=order_id,
        user_id=user_id,
        number=0,
        status=OrderStatus.PENDING,
        address=new.address,
        currency=DEFAULT_CURRENCY,
        total_minor=total_minor,
        version=0,
        created_at=at,
        updated_at=at,
        items=items,
        external_id=new.external_id,
    )
