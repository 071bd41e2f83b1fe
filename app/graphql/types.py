"""What GraphQL callers read of orders, their owners and their events."""

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Protocol, Self

import strawberry

from app.domain import order as domain
from app.domain.ids import EventPosition, UserId
from app.graphql.context import History, Info, OrderList
from app.graphql.enums import EventSource, EventType, OrderStatus
from app.graphql.inputs import (
    After,
    Before,
    EventPageSize,
    FilterArgument,
    LastSize,
    OrderFilter,
    PageSize,
    SortArgument,
)
from app.graphql.items import Money, OrderItem
from app.graphql.keys import ApiKey
from app.graphql.node import Node
from app.graphql.pagination import (
    DEFAULT_PAGE_SIZE,
    PageArguments,
    encode_cursor,
    encode_event_cursor,
    event_page,
    page_from_arguments,
)
from app.graphql.publish import made_of, resolved
from app.services import orders, users
from app.services.events import START, EventFilter, EventPage, events_after
from app.services.order_queries import OrderSort, Position, position_of


@strawberry.type(description="An order with its items.")
class Order(Node):
    """An order."""

    order: strawberry.Private[domain.Order]

    id: strawberry.ID = strawberry.field(description="The id; `orderId` in REST.")
    number: int = strawberry.field(
        description=(
            "Number among the customer's orders, 1 is the first one placed; `orderNum` in REST."
            " Never reused, never renumbered."
        )
    )
    status: OrderStatus = strawberry.field(description="Where the order stands.")
    address: str = strawberry.field(description="Delivery address as the customer wrote it.")
    external_id: str | None = strawberry.field(
        description=("The caller's own id for this order in another system, unique per customer.")
    )
    created_at: datetime = strawberry.field(description="When it was placed.")
    updated_at: datetime = strawberry.field(description="When it last changed.")
    version: int = strawberry.field(
        description=(
            "Goes up by one with each change. Send it back as `expectedVersion` to refuse a lost"
            " update."
        )
    )

    @resolved("The items, in the order they were sent.")
    def items(self) -> list[OrderItem]:
        """They came with the order."""
        return made_of(self.order.items, partial(OrderItem.of, currency=self.order.currency))

    @resolved("Sum of the item totals.")
    def total(self) -> Money:
        """As stored with the order."""
        return Money.of(self.order.total_minor, self.order.currency)

    @resolved("Who placed it. Null when that user no longer exists.")
    async def customer(self, info: Info) -> "User | None":
        """Through the loader: one statement for all orders of the answer."""
        found = await info.context.users.load(self.order.user_id)
        return None if found is None else User.of(found)

    @resolved("What happened to this order, oldest first.")
    async def events(
        self, info: Info, first: EventPageSize = DEFAULT_PAGE_SIZE, after: After = None
    ) -> "OrderEventConnection":
        """Through the loader: one statement for all orders of the answer."""
        history = History(self.order.id, *event_page(first, after))
        loaded = await info.context.histories.load(history)
        return OrderEventConnection(loaded=loaded, neighbours=HistoryNeighbours(history, loaded))

    @classmethod
    def of(cls, order: domain.Order) -> Self:
        """From the domain's order."""
        return cls(
            order=order,
            id=strawberry.ID(order.id),
            number=order.number,
            status=order.status,
            address=order.address,
            external_id=order.external_id,
            created_at=order.created_at,
            updated_at=order.updated_at,
            version=order.version,
        )


class Neighbours(Protocol):
    """Tells whether a list goes on beyond a page of it."""

    async def any_after(self, info: Info) -> bool:
        """Whether more items follow the page."""

    async def any_before(self, info: Info) -> bool:
        """Whether items precede the page."""


@strawberry.type(description="Where a page stands in the whole list (Relay cursor connections).")
class PageInfo:
    """What a page knows of the list around it; a neighbour is looked for only when asked about."""

    neighbours: strawberry.Private[Neighbours]

    start_cursor: str | None = strawberry.field(
        description="Cursor of the first item, null on an empty page."
    )
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last item, null on an empty page."
    )

    @resolved("More items follow this page.")
    async def has_next_page(self, info: Info) -> bool:
        """Known to the list."""
        return await self.neighbours.any_after(info)

    @resolved("Items precede this page.")
    async def has_previous_page(self, info: Info) -> bool:
        """Known to the list."""
        return await self.neighbours.any_before(info)


@dataclass(frozen=True, slots=True)
class OrderNeighbours:
    """What is beyond a page of orders."""

    here: OrderList
    more: bool

    async def any_after(self, info: Info) -> bool:
        """Known from the page itself when it was read forwards."""
        if self.more and not self.here.page.from_end:
            return True
        return await self._any_beyond(info, self.here.page.before, forward=True)

    async def any_before(self, info: Info) -> bool:
        """Known from the page itself when it was read backwards."""
        if self.more and self.here.page.from_end:
            return True
        return await self._any_beyond(info, self.here.page.after, forward=False)

    async def _any_beyond(self, info: Info, edge: Position | None, *, forward: bool) -> bool:
        if edge is None:
            return False  # the page reaches to the end of the list on this side
        principal = await info.context.principal()
        return await info.context.database.query(
            lambda connection: orders.any_order_beyond(
                connection,
                principal,
                edge,
                forward=forward,
                conditions=self.here.conditions,
                sort=self.here.sort,
            )
        )


@strawberry.type(description="An order in a page.")
class OrderEdge:
    """An order with its cursor."""

    cursor: str = strawberry.field(
        description="Opaque position; stays valid while orders come and go."
    )
    node: Order = strawberry.field(description="The order.")


@strawberry.type(description="A page of orders.")
class OrderConnection:
    """A page of orders."""

    here: strawberry.Private[OrderList]
    loaded: strawberry.Private[orders.OrderPage]

    @resolved("The orders with their cursors.")
    def edges(self) -> list[OrderEdge]:
        """The same orders as `nodes`."""
        return [
            OrderEdge(cursor=self._cursor(order), node=Order.of(order))
            for order in self.loaded.orders
        ]

    @resolved("The orders alone.")
    def nodes(self) -> list[Order]:
        """The same orders as `edges`."""
        return [Order.of(order) for order in self.loaded.orders]

    @resolved("Where this page stands.")
    def page_info(self) -> PageInfo:
        """Needs no statement unless it asks about neighbours."""
        found = self.loaded.orders
        return PageInfo(
            neighbours=OrderNeighbours(self.here, self.loaded.more),
            start_cursor=self._cursor(found[0]) if found else None,
            end_cursor=self._cursor(found[-1]) if found else None,
        )

    @resolved("How many orders match over all pages. Counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        """One statement."""
        principal = await info.context.principal()
        return await info.context.database.query(
            lambda connection: orders.count_orders(connection, principal, self.here.conditions)
        )

    def _cursor(self, order: domain.Order) -> str:
        return encode_cursor(position_of(order, self.here.sort), self.here.sort)


async def load_connection(
    info: Info,
    owner: UserId | None,
    *,
    page: PageArguments,
    conditions: OrderFilter | None,
    sort: OrderSort,
) -> OrderConnection:
    """The connection of orders that the arguments mean.

    Args:
        info: The request.
        owner: Whose orders; None for all that the caller may see.
        page: `first`, `after`, `last` and `before` as given.
        conditions: The filter.
        sort: The order.

    Raises:
        InvalidInput: an argument is out of range.
        Forbidden: the key lacks `orders:read`.
        Unauthenticated: there is no key that we know.
    """
    await info.context.principal()
    here = OrderList(
        conditions=(conditions or OrderFilter()).conditions(owner),
        sort=sort,
        page=page_from_arguments(*page, sort),
    )
    return OrderConnection(here=here, loaded=await info.context.pages.load(here))


@strawberry.type(description="A person with an account.")
class User(Node):
    """A person with an account."""

    user: strawberry.Private[users.User]

    id: strawberry.ID = strawberry.field(description="The id.")
    name: str = strawberry.field(description="Full name.")
    is_admin: bool = strawberry.field(description="Whether this person is an administrator.")

    @resolved("E-mail address. Null unless it is the caller or the key has `ADMIN`.")
    async def email(self, info: Info) -> str | None:
        """As the service lets the caller see it."""
        return users.visible_email(await info.context.principal(), self.user)

    @resolved("This person's orders, newest first by default.")
    async def orders(
        self,
        info: Info,
        first: PageSize = None,
        after: After = None,
        last: LastSize = None,
        before: Before = None,
        filter: FilterArgument = None,
        sort: SortArgument = OrderSort.CREATED_AT_DESC,
    ) -> OrderConnection:
        """A page of them."""
        return await load_connection(
            info,
            UserId(self.id),
            page=(first, after, last, before),
            conditions=filter,
            sort=sort,
        )

    @resolved("One of this person's orders by its number.")
    async def order(
        self,
        info: Info,
        number: Annotated[int, strawberry.argument(description="The order's number.")],
    ) -> Order | None:
        """Through the loader: one statement for all that the answer asks for."""
        found = await info.context.numbered.load((UserId(self.id), number))
        return None if found is None else Order.of(found)

    @resolved(
        "This person's API keys, newest first. Empty unless it is the caller or the key has"
        " `ADMIN`. At most 100: those that work before those that don't."
    )
    async def api_keys(self, info: Info) -> list[ApiKey]:
        """Through the loader: one statement for all users of the answer."""
        found = await info.context.keys_of.load(UserId(self.id))
        return [ApiKey.of(key) for key in found]

    @classmethod
    def of(cls, user: users.User) -> Self:
        """From the account."""
        return cls(user=user, id=strawberry.ID(user.id), name=user.name, is_admin=user.is_admin)


@strawberry.type(description="One entry of the append-only event log. It outlives the order.")
class OrderEvent:
    """An event."""

    event: strawberry.Private[domain.OrderEvent]

    id: strawberry.ID = strawberry.field(description="The entry's id.")
    type: EventType = strawberry.field(description="What happened.")
    order_id: strawberry.ID = strawberry.field(description="The order's id, kept after deletion.")
    from_status: OrderStatus | None = strawberry.field(
        description="Status before. Null where there was none."
    )
    to_status: OrderStatus | None = strawberry.field(
        description="Status after. Null where there is none."
    )
    source: EventSource = strawberry.field(description="The door it came through.")
    created_at: datetime = strawberry.field(description="When.")

    @resolved("The order as it is now. Null once deleted.")
    async def order(self, info: Info) -> Order | None:
        """Through the loader: one statement for all events of the answer."""
        found = await info.context.orders.load(self.event.order_id)
        return None if found is None else Order.of(found)

    @resolved("Who did it. Null when that user no longer exists.")
    async def actor(self, info: Info) -> User | None:
        """Through the loader: one statement for all events of the answer."""
        found = await info.context.actors.load(self.event.actor_id)
        return None if found is None else User.of(found)

    @classmethod
    def of(cls, event: domain.OrderEvent) -> Self:
        """From the log."""
        return cls(
            event=event,
            id=strawberry.ID(event.id),
            type=event.type,
            order_id=strawberry.ID(event.order_id),
            from_status=event.from_status,
            to_status=event.to_status,
            source=event.source,
            created_at=event.occurred_at,
        )


@strawberry.type(description="An event in a page.")
class OrderEventEdge:
    """An event with its cursor."""

    cursor: str = strawberry.field(description="Opaque position; a subscription resumes from it.")
    node: OrderEvent = strawberry.field(description="The event.")

    @classmethod
    def of(cls, event: domain.OrderEvent) -> Self:
        """From the log."""
        return cls(cursor=encode_event_cursor(event.position), node=OrderEvent.of(event))


@strawberry.type(description="A page of events, oldest first.")
class OrderEventConnection:
    """A page of events."""

    loaded: strawberry.Private[EventPage]
    neighbours: strawberry.Private[Neighbours]

    @resolved("The events with their cursors.")
    def edges(self) -> list[OrderEventEdge]:
        """The same events as `nodes`."""
        return [OrderEventEdge.of(event) for event in self.loaded.events]

    @resolved("The events alone.")
    def nodes(self) -> list[OrderEvent]:
        """The same events as `edges`."""
        return [OrderEvent.of(event) for event in self.loaded.events]

    @resolved("Where this page stands.")
    def page_info(self) -> PageInfo:
        """Needs no statement unless it asks about what precedes a page with `after`."""
        cursors = [encode_event_cursor(event.position) for event in self.loaded.events]
        return PageInfo(
            neighbours=self.neighbours,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


@dataclass(frozen=True, slots=True)
class HistoryNeighbours:
    """What is beyond a page of one order's history."""

    here: History
    loaded: EventPage

    async def any_after(self, _info: Info) -> bool:
        """Known from the page itself."""
        return self.loaded.more

    async def any_before(self, info: Info) -> bool:
        """Through the loader: one statement for all orders of the answer."""
        if self.here.after == START:
            return False
        beginning = await info.context.beginnings.load(self.here.order_id)
        return beginning is not None and beginning <= self.here.after


@dataclass(frozen=True, slots=True)
class EventNeighbours:
    """What is beyond a page of the log."""

    wanted: EventFilter
    after: EventPosition
    loaded: EventPage

    async def any_after(self, _info: Info) -> bool:
        """Known from the page itself."""
        return self.loaded.more

    async def any_before(self, info: Info) -> bool:
        """One statement, unless the page begins where the log does."""
        if self.after == START:
            return False
        async with info.context.database.read() as connection:
            before = await events_after(connection, START, self.wanted, 1, until=self.after)
        return bool(before.events)
