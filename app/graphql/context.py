"""What a resolver may touch. It lives for one request, and so do its loaders."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import strawberry
from graphql import DocumentNode
from strawberry.dataloader import DataLoader

from app.db.engine import Database
from app.domain.errors import Unauthenticated
from app.domain.ids import ProductId, UserId
from app.domain.order import Product
from app.domain.principal import Principal
from app.services import orders, products, users
from app.services.auth import Authenticator
from app.services.order_queries import OrderFilter, OrderSort
from app.services.orders import OrderPage, Page


@dataclass(frozen=True, slots=True)
class OrderList:
    """A page of a list of orders: which orders, how sorted, which part."""

    conditions: OrderFilter
    sort: OrderSort
    page: Page


class Context:
    """The caller, the database, and what was loaded for this request already."""

    def __init__(
        self,
        document: DocumentNode,
        database: Database,
        authenticator: Authenticator,
        authorization: str | None,
    ) -> None:
        self.document = document
        self.database = database
        self._authenticator = authenticator
        self._authorization = authorization
        self._identity: Principal | Unauthenticated | None = None
        self._identifying = asyncio.Lock()
        self.products = DataLoader[ProductId, Product | None](self._load_products)
        self.users = DataLoader[UserId, users.User | None](self._load_users)
        self.pages = DataLoader[OrderList, OrderPage](self._load_pages)

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
        async with self.database.read() as connection:
            found = await products.visible_products(connection, principal, ids)
        return [found.get(product_id) for product_id in ids]

    async def _load_users(self, ids: Sequence[UserId]) -> list[users.User | None]:
        principal = await self.principal()
        async with self.database.read() as connection:
            found = await users.visible_users(connection, principal, ids)
        return [found.get(user_id) for user_id in ids]

    async def _load_pages(self, lists: Sequence[OrderList]) -> list[OrderPage]:
        principal = await self.principal()
        async with self.database.read() as connection:
            return [
                await orders.list_orders(
                    connection,
                    principal,
                    wanted.page,
                    conditions=wanted.conditions,
                    sort=wanted.sort,
                )
                for wanted in lists
            ]


Info = strawberry.Info[Context, None]
