"""What can be listened to: each field gives events of the log as they are committed."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Annotated

import strawberry
from strawberry.types.field import StrawberryField

from app.domain.errors import InvalidInput
from app.domain.ids import OrderId, parse_object_id
from app.graphql.context import Info
from app.graphql.inputs import After, EventTypes
from app.graphql.pagination import decode_event_cursor
from app.graphql.types import OrderEventEdge
from app.services.events import check_order_is_known, visible_events


def _subscribed(description: str) -> Callable[[Callable[..., object]], StrawberryField]:
    # Strawberry's own decorator has no type that a strict check can follow.
    decorator: Callable[[Callable[..., object]], StrawberryField] = strawberry.subscription(
        description=description
    )
    return decorator


@strawberry.type(
    description=(
        "What the caller can listen to, over `graphql-transport-ws` or server-sent events."
    )
)
class Subscription:
    """Listening."""

    @_subscribed(
        "Events of orders the caller may see, as they are committed, from GraphQL and REST alike."
        " `after` resumes without a gap."
    )
    async def order_events(
        self,
        info: Info,
        order_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only this order's.")
        ] = None,
        types: EventTypes = None,
        after: After = None,
    ) -> AsyncGenerator[OrderEventEdge]:
        """From the position on, or from now on."""
        context = info.context
        principal = await context.principal()
        wanted = visible_events(
            principal, order_id=None if order_id is None else _order_id(order_id), types=types
        )
        position = None if after is None else decode_event_cursor(after, "after")
        if wanted.order_id is not None:
            async with context.database.read() as connection:
                await check_order_is_known(connection, wanted, "order_id")
        async with aclosing(context.feed.events(principal, wanted, position)) as events:
            async for event in events:
                context.forget()
                yield OrderEventEdge.of(event)


def _order_id(text: str) -> OrderId:
    order_id = parse_object_id(text)
    if order_id is None:
        raise InvalidInput.single("must be an id of 24 hex digits", "order_id")
    return OrderId(order_id)
