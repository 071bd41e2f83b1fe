"""The root fields that read: each a few lines, from context to service to type."""

import asyncio
from collections.abc import Sequence
from typing import Annotated

import strawberry

from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import OrderId, ProductId, UserId, parse_object_id
from app.domain.principal import Scope
from app.domain.words import search_words
from app.graphql.context import Info
from app.graphql.inputs import (
    After,
    Before,
    EventPageSize,
    EventTypes,
    FilterArgument,
    LastSize,
    OrderFilter,
    PageSize,
    SortArgument,
)
from app.graphql.items import Product
from app.graphql.keys import ApiKey
from app.graphql.node import Node
from app.graphql.pagination import DEFAULT_PAGE_SIZE, check_list, event_page, page_size
from app.graphql.publish import resolved
from app.graphql.stats import OrderStats
from app.graphql.types import (
    EventNeighbours,
    Order,
    OrderConnection,
    OrderEventConnection,
    User,
    load_connection,
)
from app.services import order_stats, products
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
        found = await info.context.orders.load(OrderId(_id(id, "id")))
        return None if found is None else Order.of(found)

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
        search: Annotated[
            str | None,
            strawberry.argument(
                description=(
                    "Words: each must begin a word of the name;"
                    " letter case and accents do not matter."
                )
            ),
        ] = None,
        first: Annotated[int, strawberry.argument(description="How many, 100 at most.")] = 20,
    ) -> list[Product]:
        """From the catalogue of today."""
        principal = await info.context.principal()
        size = page_size(first, "first")
        wanted = None if ids is None else [ProductId(id_) for id_ in _ids(ids)]
        try:
            words = search_words(search or "")
        except ValueError as error:
            raise InvalidInput.single(str(error), "search", code=ProblemCode.OUT_OF_RANGE) from None
        found = await info.context.database.query(
            lambda connection: products.list_products(
                connection,
                principal,
                size=size if wanted is None else None,
                ids=wanted,
                words=words,
            )
        )
        return [Product.of(product) for product in found]

    @resolved("Figures over the orders the caller may see.")
    async def stats(self, info: Info, filter: FilterArgument = None) -> OrderStats:
        """Nothing is counted until one of its fields is asked for."""
        order_stats.authorize_stats(await info.context.principal())
        return OrderStats(conditions=(filter or OrderFilter()).conditions(None))

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
        """The one that has the id: ids are unique over all types."""
        return await _node(info, _id(id, "id"))

    @resolved(
        "Several objects by id, in the order asked, at most 100;"
        " null for each the caller may not see."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="The objects' ids.")],
    ) -> list[Node | None]:
        """One statement per type, however many there are: all look in the same place at a time."""
        wanted = _ids(ids)
        return list(await asyncio.gather(*(_node(info, object_id) for object_id in wanted)))


async def _node(info: Info, object_id: str) -> Node | None:
    if order := await info.context.orders.load(OrderId(object_id)):
        return Order.of(order)
    if product := await info.context.products.load(ProductId(object_id)):
        return Product.of(product)
    if user := await info.context.users.load(UserId(object_id)):
        return User.of(user)
    if key := await info.context.keys.load(object_id):
        return ApiKey.of(key)
    return None


def _ids(ids: Sequence[str]) -> list[str]:
    check_list(len(ids), "ids")
    return [_id(id_, "ids", position) for position, id_ in enumerate(ids)]


def _id(text: str, *path: str | int) -> str:
    object_id = parse_object_id(text)
    if object_id is None:
        raise InvalidInput.single("must be an id of 24 hex digits", *path)
    return object_id
