"""The catalogue: reading products alone, in batches and by name, and replacing them from a file."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.domain.ids import ProductId
from app.domain.order import Product
from app.domain.principal import Principal, Scope
from app.domain.words import words_of

_ROWS_PER_STATEMENT = 500
_PRODUCTS = tables.metadata.tables["products"]


async def list_products(
    connection: AsyncConnection,
    principal: Principal,
    *,
    size: int | None,
    ids: Iterable[ProductId] | None = None,
    words: Iterable[str] = (),
) -> list[Product]:
    """The first products by name.

    Args:
        connection: Where to read.
        principal: Who asks.
        size: How many; None for all.
        ids: Only these.
        words: Only products with words in their name that begin with these, which are words of
            `domain.words`.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)
    row = tables.Product
    conditions = [col(row.name_words).contains(f" {word}", autoescape=True) for word in words]
    if ids is not None:
        conditions.append(col(row.id).in_(list(ids)))
    # Reading the words of 100,000 names takes some 12 ms and needs no index of words.
    sorted_by = by_name(_PRODUCTS, looked_up=bool(conditions))
    statement = _select_live(*conditions).order_by(*sorted_by).limit(size)
    return [_product(found) for found in await connection.execute(statement)]


def live(products: FromClause) -> ColumnElement[bool]:
    """The condition that a product was not removed from the catalogue."""
    return products.c.deleted_at.is_(None)


def by_name(products: FromClause, *, looked_up: bool = False) -> Sequence[ColumnElement[Any]]:
    """What to sort products by.

    Args:
        products: Their table, or an alias of it.
        looked_up: Whether there are conditions. To look in the order of the index of names, row by
            row, takes ten times as long, so it is not sorted by the column itself then.
    """
    name = products.c.name + "" if looked_up else products.c.name
    return name, products.c.id


async def first_products(connection: AsyncConnection, *, size: int | None) -> list[Product]:
    """The first products by name (all, if `size` is None), for whoever runs the shop."""
    statement = _select_live().order_by(*by_name(_PRODUCTS)).limit(size)
    return [_product(found) for found in await connection.execute(statement)]


async def each_product(connection: AsyncConnection) -> AsyncIterator[Product]:
    """Every product by id, a few in memory at a time, for whoever runs the shop."""
    statement = _select_live().order_by(col(tables.Product.id))
    async with connection.stream(statement, execution_options={"yield_per": 1_000}) as rows:
        async for row in rows:
            yield _product(row)


async def visible_products(
    connection: AsyncConnection, principal: Principal, ids: Sequence[ProductId]
) -> dict[ProductId, Product]:
    """Those of the products that exist.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)
    return await products_by_id(connection, ids)


async def products_by_id(
    connection: AsyncConnection, ids: Iterable[ProductId]
) -> dict[ProductId, Product]:
    """Those of the products that exist and were not removed; rights are the caller's concern."""
    distinct = list(dict.fromkeys(ids))
    found: dict[ProductId, Product] = {}
    for start in range(0, len(distinct), _ROWS_PER_STATEMENT):
        some = distinct[start : start + _ROWS_PER_STATEMENT]
        for row in await connection.execute(_select_live(col(tables.Product.id).in_(some))):
            product = _product(row)
            found[product.id] = product
    return found


async def replace_products(connection: AsyncConnection, products: Sequence[Product]) -> None:
    """Insert products, or overwrite those with the same id. Orders keep what was bought."""
    row = tables.Product
    statement = upsert(row)
    statement = statement.on_conflict_do_update(
        index_elements=[row.id],
        set_={
            name: statement.excluded[name]
            for name in (
                "name",
                "image",
                "description",
                "price_minor",
                "currency",
                "deleted_at",
                "name_words",
            )
        },
    )
    if products:
        await connection.execute(
            statement,
            [
                {
                    "id": product.id,
                    "name": product.name,
                    "image": product.image,
                    "description": product.description,
                    "price_minor": product.price_minor,
                    "currency": product.currency,
                    "deleted_at": None,
                    "name_words": "".join(f" {word}" for word in words_of([product.name])),
                }
                for product in products
            ],
        )


def _select_live(*conditions: ColumnElement[bool]) -> Select[str, str, str | None, str, int, str]:
    row = tables.Product
    return select(
        col(row.id),
        col(row.name),
        col(row.image),
        col(row.description),
        col(row.price_minor),
        col(row.currency),
    ).where(live(_PRODUCTS), *conditions)


def _product(row: Row[str, str, str | None, str, int, str]) -> Product:
    id_, name, image, description, price, currency = row
    return Product(
        id=ProductId(id_),
        name=name,
        image=image,
        description=description,
        price_minor=price,
        currency=currency,
    )
