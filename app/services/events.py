"""The log of what happened to orders, written in the transaction of the change itself.

One row serves history, subscriptions, other systems and the recovery of a deleted order.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables
from app.db.bulk import insert_rows
from app.domain.clock import rfc3339
from app.domain.ids import new_object_id
from app.domain.order import EventSource, EventType, Order, OrderStatus


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened to one order. `order` is as it is after the change (before, if deleted)."""

    type: EventType
    order: Order
    version: int
    from_status: OrderStatus | None
    to_status: OrderStatus | None
    data: dict[str, Any] | None = None


async def record_events(
    connection: AsyncConnection,
    events: Sequence[NewEvent],
    *,
    source: EventSource,
    actor_id: str | None = None,
    occurred_at: datetime | None = None,
) -> None:
    """Append events to the log, in the order given.

    Args:
        connection: The connection whose transaction makes the changes.
        events: What happened.
        source: The door that the changes came through.
        actor_id: The user who did it; by default each order's own.
        occurred_at: When; by default the moment at which each order last changed.
    """
    rows = _rows(events, actor_id=actor_id, source=source, occurred_at=occurred_at)
    await insert_rows(connection, tables.OrderEvent, rows)


def _rows(
    events: Iterable[NewEvent],
    *,
    actor_id: str | None,
    source: EventSource,
    occurred_at: datetime | None,
) -> Iterable[dict[str, Any]]:
    for event in events:
        yield {
            "id": new_object_id(),
            "user_id": event.order.user_id,
            "order_id": event.order.id,
            "order_version": event.version,
            "type": event.type.value,
            "source": source.value,
            "from_status": event.from_status,
            "to_status": event.to_status,
            "actor_id": actor_id or event.order.user_id,
            "occurred_at": occurred_at or event.order.updated_at,
            "data": event.data,
        }


def order_snapshot(order: Order) -> dict[str, Any]:
    """The whole order as JSON: what the event of a deletion keeps, to bring it back from."""
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
