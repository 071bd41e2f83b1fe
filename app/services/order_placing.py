"""Placing an order: the busiest write."""

from collections.abc import Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

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
    Product,
    check_new_order,
    order_total,
)
from app.domain.principal import Principal, Scope
from app.services import idempotency
from app.services.events import NewEvent, record_events
from app.services.order_storage import accessible_by_id, next_number, store_where_free
from app.services.products import products_by_id


def authorize_placing(principal: Principal) -> None:
    """Let pass who may place orders, before their input is looked at.

    Raises:
        Forbidden: the key lacks `orders:write`.
    """
    principal.require(Scope.ORDERS_WRITE)


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
        first_id = await idempotency.claim(
            connection, principal.user_id, idempotency_key, request, order_id
        )
        if first_id is not None:
            return (await accessible_by_id(connection, principal, [first_id])).get(first_id)
    items = _items(new, product_ids, await products_by_id(connection, product_ids))
    total = order_total(items)
    number = await next_number(connection, principal.user_id)
    order = _placed(new, items, total, order_id=order_id, user_id=principal.user_id, number=number)
    if not await store_where_free(connection, [order]):
        if order.external_id is None:
            raise RuntimeError(f"the number {number} of {order.user_id} was given before")
        raise InvalidInput.single(
            "is in use for another order", "external_id", code=ProblemCode.CONFLICT
        )
    event = NewEvent(EventType.CREATED, order, 0, None, order.status)
    await record_events(connection, [event], actor_id=principal.user_id, source=source)
    return order


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


def _placed(
    new: NewOrder,
    items: tuple[OrderItem, ...],
    total_minor: int,
    *,
    order_id: OrderId,
    user_id: UserId,
    number: int,
) -> Order:
    at = clock.now()
    return Order(
        id=order_id,
        user_id=user_id,
        number=number,
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
