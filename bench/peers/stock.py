"""Strawberry and SQLModel as their documentation teaches them, without anything made for speed.

    python -m bench.peers.stock FILE

The tables are the service's own. Sessions are asynchronous, on aiosqlite; items are read by a
data loader; the view is Strawberry's own for ASGI. Keys are good for two seconds once looked up, as
the service's are.
"""

import asyncio
import base64
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NewType

import strawberry
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel import col, func, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.dataloader import DataLoader
from strawberry.schema.config import StrawberryConfig

from app.db import tables
from app.domain.clock import monotonic_s, now, rfc3339
from app.domain.ids import new_object_id
from app.domain.money import decimal_amount, json_number
from app.domain.order import EventSource, EventType, OrderStatus, ShippingMethod
from app.domain.words import words_of
from app.services.auth import hash_key
from bench.answers import long_date
from bench.loading import sqlite_url
from bench.peers.limit import PRAGMAS
from bench.peers.serving import serve

_KEY_IS_GOOD_S = 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass
class Context:
    """What a request's resolvers share."""

    sessions: async_sessionmaker[AsyncSession]
    writing: asyncio.Lock
    user_id: str
    items: DataLoader[str, Sequence[tables.OrderItem]] = field(init=False)

    def __post_init__(self) -> None:  # noqa: D105 (its fields say what it makes)
        self.items = DataLoader(load_fn=self._items_of)

    async def _items_of(self, order_ids: list[str]) -> list[Sequence[tables.OrderItem]]:
        row = tables.OrderItem
        statement = (
            select(row)
            .where(col(row.user_id) == self.user_id, col(row.order_id).in_(order_ids))
            .order_by(col(row.order_id), col(row.position))
        )
        found: dict[str, list[tables.OrderItem]] = {order_id: [] for order_id in order_ids}
        async with self.sessions() as session:
            for item in await session.exec(statement):
                found[item.order_id].append(item)
        return [found[order_id] for order_id in order_ids]


Info = strawberry.Info[Context, None]


Instant = NewType("Instant", datetime)
Amount = NewType("Amount", str)
strawberry.enum(OrderStatus)
strawberry.enum(ShippingMethod)


@strawberry.type
class Money:
    """A sum of money."""

    amount: Amount
    currency_code: str


@strawberry.type
class OrderItem:
    """One line of an order."""

    id: strawberry.ID
    name: str
    quantity: int
    shipping: ShippingMethod
    unit_price: Money


@strawberry.type
class Order:
    """An order."""

    id: strawberry.ID
    number: int
    status: OrderStatus
    address: str
    created_at: Instant
    version: int
    total: Money

    @strawberry.field
    async def items(self, info: Info) -> list[OrderItem]:
        """Its items, for all orders of an answer at once."""
        items = await info.context.items.load(self.id)
        return [
            OrderItem(
                id=strawberry.ID(item.id),
                name=item.name,
                quantity=item.quantity,
                shipping=ShippingMethod(item.shipping),
                unit_price=_money(item.unit_price_minor, self.total.currency_code),
            )
            for item in items
        ]


@strawberry.type
class PageInfo:
    """Where a page stands."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class OrderConnection:
    """A page of orders."""

    nodes: list[Order]
    page_info: PageInfo

    @strawberry.field
    async def total_count(self, info: Info) -> int:
        """How many there are in all."""
        statement = select(func.count()).where(
            col(tables.Order.user_id) == info.context.user_id,
        )
        async with info.context.sessions() as session:
            return (await session.exec(statement)).one()


@strawberry.input
class OrderItemInput:
    """What to buy."""

    product_id: strawberry.ID
    quantity: int
    shipping: ShippingMethod


@strawberry.input
class AddOrderInput:
    """A new order."""

    items: list[OrderItemInput]
    address: str


@strawberry.type
class UserError:
    """Why something was refused."""

    code: str
    message: str


@strawberry.type
class AddOrderPayload:
    """What became of a new order."""

    order: Order | None
    user_errors: list[UserError]


@strawberry.type
class Query:
    """What can be read."""

    @strawberry.field
    async def order(self, info: Info, id: strawberry.ID) -> Order | None:
        """One order."""
        row = tables.Order
        statement = select(row).where(
            col(row.user_id) == info.context.user_id, col(row.id) == str(id)
        )
        async with info.context.sessions() as session:
            found = (await session.exec(statement)).one_or_none()
        return None if found is None else _order(found)

    @strawberry.field
    async def orders(self, info: Info, first: int = 20) -> OrderConnection:
        """The newest orders."""
        row = tables.Order
        statement = (
            select(row)
            .where(col(row.user_id) == info.context.user_id)
            .order_by(col(row.created_at).desc(), col(row.id).desc())
            .limit(first + 1)
        )
        async with info.context.sessions() as session:
            found = (await session.exec(statement)).all()
        page = found[:first]
        return OrderConnection(
            nodes=[_order(one) for one in page],
            page_info=PageInfo(
                has_next_page=len(found) > first, end_cursor=_cursor(page[-1]) if page else None
            ),
        )


@strawberry.type
class Mutation:
    """What can be changed."""

    @strawberry.mutation
    async def add_order(self, info: Info, input: AddOrderInput) -> AddOrderPayload:
        """Place an order."""
        user_id = info.context.user_id
        # SQLite lets one write at a time, and who waits for it there looks again and again.
        async with info.context.writing, info.context.sessions() as session, session.begin():
            found = await session.exec(
                select(tables.Product).where(
                    col(tables.Product.id).in_({str(item.product_id) for item in input.items}),
                    col(tables.Product.deleted_at).is_(None),
                )
            )
            products = {product.id: product for product in found}
            if any(str(item.product_id) not in products for item in input.items):
                return AddOrderPayload(
                    order=None, user_errors=[UserError(code="NOT_FOUND", message="no product")]
                )
            counter = await session.get(tables.OrderCounter, user_id)
            if counter is None:
                counter = tables.OrderCounter(user_id=user_id, last_order_number=0)
            counter.last_order_number += 1
            session.add(counter)
            order = _new_order(user_id, counter.last_order_number, input, products)
            session.add(order)
            # The models have no relationships by which a session could tell what comes first.
            await session.flush()
            session.add_all(_new_items(order, input, products))
            user = await session.get_one(tables.User, user_id)
            names = [products[str(item.product_id)].name for item in input.items]
            texts = words_of([user.name, user.email or "", *names, order.address])
            session.add(
                tables.OrderWords(user_id=user_id, order_id=order.id, words=" ".join(texts))
            )
            session.add(_new_event(order))
        return AddOrderPayload(order=_order(order), user_errors=[])


def _new_order(
    user_id: str, number: int, asked: AddOrderInput, products: dict[str, tables.Product]
) -> tables.Order:
    at = now()
    return tables.Order(
        user_id=user_id,
        id=new_object_id(),
        order_number=number,
        status=OrderStatus.PENDING.value,
        address=asked.address,
        currency="USD",
        total_minor=sum(
            products[str(item.product_id)].price_minor * item.quantity for item in asked.items
        ),
        version=0,
        created_at=at,
        updated_at=at,
        external_id=None,
    )


def _new_items(
    order: tables.Order, asked: AddOrderInput, products: dict[str, tables.Product]
) -> list[tables.OrderItem]:
    return [
        tables.OrderItem(
            user_id=order.user_id,
            order_id=order.id,
            position=position,
            id=new_object_id(),
            product_id=str(item.product_id),
            name=products[str(item.product_id)].name,
            image=products[str(item.product_id)].image,
            unit_price_minor=products[str(item.product_id)].price_minor,
            quantity=item.quantity,
            shipping=item.shipping.value,
        )
        for position, item in enumerate(asked.items)
    ]


def _new_event(order: tables.Order) -> tables.OrderEvent:
    return tables.OrderEvent(
        id=new_object_id(),
        user_id=order.user_id,
        order_id=order.id,
        order_version=0,
        type=EventType.CREATED.value,
        source=EventSource.GRAPHQL.value,
        from_status=None,
        to_status=order.status,
        actor_id=order.user_id,
        occurred_at=order.created_at,
        data=None,
    )


def _order(row: tables.Order) -> Order:
    return Order(
        id=strawberry.ID(row.id),
        number=row.order_number,
        status=OrderStatus(row.status),
        address=row.address,
        created_at=Instant(row.created_at),
        version=row.version,
        total=_money(row.total_minor, row.currency),
    )


def _money(minor: int, currency: str) -> Money:
    return Money(amount=Amount(decimal_amount(minor)), currency_code=currency)


def _cursor(row: tables.Order) -> str:
    microseconds = (row.created_at - _EPOCH) // timedelta(microseconds=1)
    plain = f"created_at:{microseconds}:{row.id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


schema = strawberry.Schema(
    query=Query,
    mutation=Mutation,
    config=StrawberryConfig(
        scalar_map={
            Instant: strawberry.scalar(name="DateTime", serialize=rfc3339),
            Amount: strawberry.scalar(name="Decimal", serialize=str),
        }
    ),
)


class Keys:
    """Whose a key is, looked up again after two seconds."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions
        self._known: dict[str, tuple[float, str]] = {}

    async def user_of(self, request: HTTPConnection) -> str:
        """The user.

        Raises:
            PermissionError: there is no such key.
        """
        key = request.headers.get("authorization", "")
        good_until, user_id = self._known.get(key, (0.0, ""))
        if good_until < monotonic_s():
            row = tables.ApiKey
            statement = select(row).where(
                col(row.sha256) == hash_key(key), col(row.revoked_at).is_(None)
            )
            async with self._sessions() as session:
                found = (await session.exec(statement)).one_or_none()
            if found is None:
                raise PermissionError
            user_id = found.user_id
            self._known[key] = monotonic_s() + _KEY_IS_GOOD_S, user_id
        return user_id


class View(GraphQL[Context, None]):
    """Strawberry's view, with our context."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], keys: Keys) -> None:
        super().__init__(schema)
        self._sessions = sessions
        self._keys = keys
        self._writing = asyncio.Lock()

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """What a request's resolvers share."""
        return Context(self._sessions, self._writing, await self._keys.user_of(request))


def open_engine(path: Path) -> AsyncEngine:
    """The database in a file."""
    engine = create_async_engine(sqlite_url(path))

    @event.listens_for(engine.sync_engine, "connect")
    def _set_up(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def create_app(engine: AsyncEngine) -> Starlette:
    """The ASGI application."""
    sessions = async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    keys = Keys(sessions)

    async def get_all(request: Request) -> Response:
        user_id = await keys.user_of(request)
        order, item = tables.Order, tables.OrderItem
        statement = (
            select(order, item)
            .join(item, (col(item.user_id) == order.user_id) & (col(item.order_id) == order.id))
            .where(col(order.user_id) == user_id)
            .order_by(col(order.order_number).desc(), col(item.position))
        )
        async with sessions() as session:
            found = await session.exec(statement)
            return JSONResponse([_row(*one) for one in found])

    return Starlette(
        routes=[Route("/orders/get_all", get_all), Route("/graphql", View(sessions, keys))]
    )


def _row(order: tables.Order, item: tables.OrderItem) -> dict[str, object]:
    return {
        "orderId": order.id,
        "productId": item.product_id,
        "image": item.image,
        "name": item.name,
        "price": json_number(item.unit_price_minor),
        "quantity": item.quantity,
        "shipping": item.shipping,
        "status": order.status,
        "createdAt": long_date(order.created_at),
        "orderNum": order.order_number,
    }


@asynccontextmanager
async def opened_app(path: Path) -> AsyncGenerator[Starlette]:
    """The application on a file that is closed afterwards."""
    engine = open_engine(path)
    yield create_app(engine)
    await engine.dispose()


if __name__ == "__main__":
    serve(create_app(open_engine(Path(sys.argv[1]))))
