"""What a resolver may touch. It lives for one request, and so do its loaders."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

import strawberry
from graphql import DocumentNode
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.dataloader import DataLoader

from app.db.database import Database
from app.db.deadline import Deadline
from app.db.steps import Steps
from app.domain.errors import Unauthenticated
from app.domain.ids import EventPosition, OrderId, ProductId, UserId
from app.domain.order import Order, OrderStatus, Product
from app.domain.principal import Principal
from app.graphql.answer_size import AnswerSize
from app.services import events, keys, order_stats, orders, products, users
from app.services.auth import ApiKey, Authenticator
from app.services.event_feed import EventFeed
from app.services.events import EventPage
from app.services.order_queries import OrderFilter, OrderSort, Page
from app.services.order_stats import Figures
from app.services.orders import OrderNumber, OrderPage

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

StatusFigures: TypeAlias = dict[OrderStatus, Figures]


@dataclass(frozen=True, slots=True)
class OrderList:
    """A page of a list of orders: which orders, how sorted, which part."""

    conditions: OrderFilter
    sort: OrderSort
    page: Page


@dataclass(frozen=True, slots=True)
class History:
    """A page of what happened to one order."""

    order_id: OrderId
    after: EventPosition
    size: int


# Less than all: fields are resolved side by side, and one operation with many slow ones would keep
# everybody else from reading until its time is over.
_READS_AT_ONCE = 2


class TimedDatabase:
    """The database as one operation has it: with a deadline, and never all of its readers."""

    def __init__(self, database: Database, timeout_s: float) -> None:
        self._database = database
        self._timeout_s = timeout_s
        self._reads = asyncio.Semaphore(_READS_AT_ONCE)
        self.restart()

    def restart(self) -> None:
        """Let the deadline count from now: each event of a subscription has a time of its own."""
        self._until = Deadline(self._timeout_s)

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncConnection]:
        """As `Database.read`; raises TimedOut past the deadline."""
        async with self._reads:
            self._until.check()
            async with self._database.read(self._until) as connection:
                yield connection

    async def query(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """As `Database.query`; raises TimedOut past the deadline."""
        async with self._reads:
            self._until.check()
            return await self._database.query(work, self._until)

    async def write(self, work: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """As `Database.write`; raises TimedOut past the deadline."""
        return await self._database.write(work, self._until)

    async def perform(self, make: Callable[[], Steps[T]], *, short: bool = True) -> T:
        """As `Database.perform`; raises TimedOut past the deadline."""
        return await self._database.perform(make, self._until, short=short)


class Loader(DataLoader[K, V]):
    """A loader whose callers can be cancelled each for itself.

    Where a field fails, the fields beside it are cancelled. Two fields that wait for the same key
    wait for the same future, and the one's cancellation must not be the other's.
    """

    def load(self, key: K) -> Awaitable[V]:
        """The value of the key, loaded together with the others that are asked for now."""
        loaded = asyncio.ensure_future(super().load(key))
        waiting = asyncio.shield(loaded)
        for future in (loaded, waiting):
            future.add_done_callback(_look_at)
        return waiting


def _look_at(future: asyncio.Future[V]) -> None:
    # Or a failure would be reported as overlooked where nobody waits for it any more.
    if not future.cancelled():
        future.exception()


class Context:
    """The caller, the database, and what was loaded for this request already."""

    def __init__(
        self,
        document: DocumentNode,
        database: TimedDatabase,
        size: AnswerSize,
        authenticator: Authenticator,
        authorization: str | None,
        feed: EventFeed,
        idempotency_header: Sequence[str] = (),
    ) -> None:
        self.document = document
        self.idempotency_header = idempotency_header
        self.database = database
        self.size = size
        self.feed = feed
        self._authenticator = authenticator
        self._authorization = authorization
        self._identity: Principal | Unauthenticated | None = None
        self._identifying = asyncio.Lock()
        self.forget()

    def forget(self) -> None:
        """Forget what was loaded: the next event of a subscription is of another moment."""
        self.database.restart()
        self.size.restart()
        self.products = Loader[ProductId, Product | None](self._load_products)
        self.users = Loader[UserId, users.User | None](self._load_users)
        self.actors = Loader[UserId, users.User | None](self._load_actors)
        self.orders = Loader[OrderId, Order | None](self._load_orders)
        self.numbered = Loader[OrderNumber, Order | None](self._load_numbered)
        self.keys = Loader[str, ApiKey | None](self._load_keys)
        self.keys_of = Loader[UserId, list[ApiKey]](self._load_keys_of)
        self.pages = Loader[OrderList, OrderPage](self._load_pages)
        self.figures = Loader[OrderFilter, StatusFigures](self._load_figures)
        self.histories = Loader[History, EventPage](self._load_histories)
        self.beginnings = Loader[OrderId, EventPosition | None](self._load_beginnings)

    async def principal(self) -> Principal:
        """The caller. Asked for by what needs one, so that introspection needs no key.

        Raises:
            Unauthenticated: no key, or none that we know.
        """
        async with self._identifying:
            if self._identity is None:
                try:
                    self._identity = await self._authenticator.authenticate(self._authorization)
                except Unauthenticated as error:
                    self._identity = error
        if isinstance(self._identity, Unauthenticated):
            raise self._identity
        return self._identity

    async def _load_products(self, ids: Sequence[ProductId]) -> list[Product | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: products.visible_products(connection, principal, ids)
        )
        return [found.get(product_id) for product_id in ids]

    async def _load_users(self, ids: Sequence[UserId]) -> list[users.User | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: users.visible_users(connection, principal, ids)
        )
        return [found.get(user_id) for user_id in ids]

    async def _load_actors(self, ids: Sequence[UserId]) -> list[users.User | None]:
        # Who did something to an order is told to whoever may see the order.
        found = await self.database.query(lambda connection: users.users_by_id(connection, ids))
        return [found.get(user_id) for user_id in ids]

    async def _load_orders(self, ids: Sequence[OrderId]) -> list[Order | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: orders.orders_by_id(connection, principal, ids)
        )
        self.size.add_read(found.values())
        return [found.get(order_id) for order_id in ids]

    async def _load_numbered(self, numbers: Sequence[OrderNumber]) -> list[Order | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: orders.orders_by_number(connection, principal, numbers)
        )
        self.size.add_read(found.values())
        return [found.get(number) for number in numbers]

    async def _load_keys(self, ids: Sequence[str]) -> list[ApiKey | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: keys.visible_keys(connection, principal, ids)
        )
        return [found.get(key_id) for key_id in ids]

    async def _load_keys_of(self, user_ids: Sequence[UserId]) -> list[list[ApiKey]]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: keys.keys_of_users(connection, principal, user_ids)
        )
        return [found.get(user_id, []) for user_id in user_ids]

    async def _load_pages(self, lists: Sequence[OrderList]) -> list[OrderPage]:
        principal = await self.principal()
        pages = []
        for wanted in lists:
            page = await self.database.query(partial(self._load_page, principal, wanted))
            self.size.add_read(page.orders)
            pages.append(page)
        return pages

    async def _load_page(
        self, principal: Principal, wanted: OrderList, connection: AsyncConnection
    ) -> OrderPage:
        # After the wait for a turn to read: meanwhile the answer may have grown too large.
        self.size.check()
        return await orders.list_orders(
            connection, principal, wanted.page, conditions=wanted.conditions, sort=wanted.sort
        )

    async def _load_figures(self, filters: Sequence[OrderFilter]) -> list[StatusFigures]:
        principal = await self.principal()

        async def load(connection: AsyncConnection) -> list[StatusFigures]:
            return [
                await order_stats.figures_by_status(connection, principal, conditions)
                for conditions in filters
            ]

        return await self.database.query(load)

    async def _load_histories(self, wanted: Sequence[History]) -> list[EventPage]:
        principal = await self.principal()
        found: dict[History, EventPage] = {}

        async def load(connection: AsyncConnection) -> None:
            # One statement for all orders of a field; aliases may ask for other pages.
            for after, size in dict.fromkeys((one.after, one.size) for one in wanted):
                ids = [one.order_id for one in wanted if (one.after, one.size) == (after, size)]
                pages = await events.events_of_orders(
                    connection, principal, ids, after=after, size=size
                )
                found.update({History(id_, after, size): page for id_, page in pages.items()})

        await self.database.query(load)
        return [found[one] for one in wanted]

    async def _load_beginnings(self, ids: Sequence[OrderId]) -> list[EventPosition | None]:
        principal = await self.principal()
        found = await self.database.query(
            lambda connection: events.first_positions(connection, principal, ids)
        )
        return [found.get(order_id) for order_id in ids]


Info = strawberry.Info[Context, None]
