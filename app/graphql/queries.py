"""The root fields that read: each a few lines, from context to service to type."""

from typing import Annotated

import strawberry

from app.domain.errors import InvalidInput
from app.domain.ids import OrderId, ProductId, UserId, parse_object_id
from app.domain.principal import Scope
from app.graphql.context import Info
from app.graphql.inputs import (
    After,
    Before,
    EventPageSize,
    EventTypes,
    FilterArgument,
    LastSize,
    PageSize,
    SortArgument,
)
from app.graphql.pagination import DEFAULT_PAGE_SIZE, event_page, page_size
from app.graphql.publish import resolved
from app.graphql.types import (
    EventNeighbours,
    Node,
    Order,
    OrderConnection,
    OrderEventConnection,
    Product,
    User,
    load_connection,
)
from app.services import orders, products
from app.services.events import all_events, events_after
from app.services.order_queries import OrderSort


@strawberry.type(
    description=(
        "What the caller can ask for. A page holds 20 items unless `first` or `last` says"
        " otherwise, 100 at most."
    )
)
class Query:
    """Reading."""

    @resolved("Who is calling.")
    async def me(self, info: Info) -> User:
        """The user behind the key."""
        principal = await info.context.principal()
        found = await info.context.users.load(principal.user_id)
        if found is None:
            raise RuntimeError(f"the user {principal.user_id} vanished during the request")
        return User.of(found)

    @resolved("What the caller's key may do.")
    async def scopes(self, info: Info) -> list[Scope]:
        """The effective scopes, in the enum's order."""
        principal = await info.context.principal()
        return [scope for scope in Scope if scope in principal.scopes]

    @resolved(
        "Orders the caller may see: one's own, or everyone's with `ADMIN`. Newest first by default."
    )
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
        """A page."""
        return await load_connection(
            info, None, page=(first, after, last, before), conditions=filter, sort=sort
        )

    @resolved("One order. Null when there is none the caller may see.")
    async def order(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The order's id.")],
    ) -> Order | None:
        """By id."""
        return await _order(info, _id(id, "id"))

    @resolved("Products by name, at most 100.")
    async def products(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID] | None,
            strawberry.argument(
                description=(
                    "Only these, at most 100; `first` does not cut them. Unknown ids are left out."
                )
            ),
        ] = None,
        first: Annotated[int, strawberry.argument(description="How many, 100 at most.")] = 20,
    ) -> list[Product]:
        """From the catalogue of today."""
        principal = await info.context.principal()
        size = page_size(first, "first")
        if ids is not None:
            page_size(len(ids), "ids")
            wanted = [ProductId(_id(id_, "ids", position)) for position, id_ in enumerate(ids)]
        async with info.context.database.read() as connection:
            if ids is None:
                found = await products.list_products(connection, principal, size=size)
            else:
                by_id = await products.visible_products(connection, principal, wanted)
                found = sorted(by_id.values(), key=lambda product: (product.name, product.id))
        return [Product.of(product) for product in found]

    @resolved(
        "The event log, oldest first: keep the last cursor and ask again to sync. Needs `ADMIN`."
    )
    async def events(
        self,
        info: Info,
        first: EventPageSize = DEFAULT_PAGE_SIZE,
        after: After = None,
        types: EventTypes = None,
    ) -> OrderEventConnection:
        """A page of it."""
        principal = await info.context.principal()
        wanted = all_events(principal, types=types)
        position, size = event_page(first, after)
        async with info.context.database.read() as connection:
            loaded = await events_after(connection, position, wanted, size)
        return OrderEventConnection(
            loaded=loaded, neighbours=EventNeighbours(wanted, position, loaded)
        )

    @resolved("Any object by id. Null when there is none the caller may see.")
    async def node(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The object's id.")],
    ) -> Node | None:
        """An order, a product or a user: ids are unique over all of them."""
        object_id = _id(id, "id")
        if order := await _order(info, object_id):
            return order
        if product := await info.context.products.load(ProductId(object_id)):
            return Product.of(product)
        if user := await info.context.users.load(UserId(object_id)):
            return User.of(user)
        return None


async def _order(info: Info, order_id: str) -> Order | None:
    principal = await info.context.principal()
    async with info.context.database.read() as connection:
        found = await orders.get_order(connection, principal, OrderId(order_id))
    return None if found is None else Order.of(found)


def _id(text: str, *path: str | int) -> str:
    object_id = parse_object_id(text)
    if object_id is None:
        raise InvalidInput.single("must be an id of 24 hex digits", *path)
    return object_id
