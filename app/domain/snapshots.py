"""A whole order as JSON: what the event of a deletion keeps, and what it is brought back from."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.domain.clock import rfc3339
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, ShippingMethod


def order_snapshot(order: Order) -> dict[str, Any]:
    """The order as JSON can hold it."""
    return {
        "id": order.id,
        "user_id": order.user_id,
        "number": order.number,
        "status": order.status.value,
        "address": order.address,
        "currency": order.currency,
        "total_minor": order.total_minor,
        "version": order.version,
        "created_at": rfc3339(order.created_at),
        "updated_at": rfc3339(order.updated_at),
        "external_id": order.external_id,
        "items": [
            {
                "id": item.id,
                "product_id": item.product_id,
                "name": item.name,
                "image": item.image,
                "unit_price_minor": item.unit_price_minor,
                "quantity": item.quantity,
                "shipping": item.shipping.value,
            }
            for item in order.items
        ],
    }


def order_from_snapshot(snapshot: Mapping[str, Any]) -> Order:
    """The order that a snapshot was made of."""
    return Order(
        id=OrderId(snapshot["id"]),
        user_id=UserId(snapshot["user_id"]),
        number=snapshot["number"],
        status=OrderStatus(snapshot["status"]),
        address=snapshot["address"],
        currency=snapshot["currency"],
        total_minor=snapshot["total_minor"],
        version=snapshot["version"],
        created_at=datetime.fromisoformat(snapshot["created_at"]),
        updated_at=datetime.fromisoformat(snapshot["updated_at"]),
        items=tuple(
            OrderItem(
                id=item["id"],
                product_id=ProductId(item["product_id"]),
                name=item["name"],
                image=item["image"],
                unit_price_minor=item["unit_price_minor"],
                quantity=item["quantity"],
                shipping=ShippingMethod(item["shipping"]),
            )
            for item in snapshot["items"]
        ),
        # The log goes back to before there were external ids.
        external_id=snapshot.get("external_id"),
    )
