"""Placing an order: the busiest write."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, select
from sqlmodel import col

from app.db import tables
from app.db.dialect import is_one_of
from app.db.prepared import Prepared
from app.db.steps import Row, Statement, Steps
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
from app.services.order_insertion import insert_order
from app.services.order_storage import own_order
from app.services.search import texts_of_customer, words_of_order

# The products that are there, each along with whom the order is for: both are needed, and one
# statement is one round trip.
_PRODUCTS_AND_CUSTOMER = Prepared(
    select(
        col(tables.Product.id),
        col(tables.Product.name),
        col(tables.Product.image),
        col(tables.Product.price_minor),
        col(tables.User.id),
        col(tables.User.name),
        col(tables.User.email),
    )
    .join_from(
        tables.Product,
        tables.User,
        col(tables.User.id) == bindparam("user_id"),
        isouter=True,
    )
    .where(is_one_of(col(tables.Product.id), "ids"), col(tables.Product.deleted_at).is_(None))
)


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
    found = yield Statement(
        _PRODUCTS_AND_CUSTOMER,
        {"ids": list(dict.fromkeys(product_ids)), "user_id": principal.user_id},
    )
    items = _items(new, product_ids, {row[0]: row for row in found})
    order = _placed(new, items, order_total(items), order_id=order_id, user_id=principal.user_id)
    *_, customer, name, email = found[0]
    words = words_of_order(order, () if customer is None else texts_of_customer(name, email))
    event = NewEvent(EventType.CREATED, order, 0, None, order.status)
    (logged,) = event_rows([event], source=source)
    number = yield from insert_order(order, words, logged)
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
