"""A shop of a known size to measure on: 200 customers, 20,000 orders of three items."""

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert

from app.db import migrations, tables
from app.db.engine import open_database
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderItem, OrderStatus, Product, ShippingMethod
from app.services.auth import create_key
from app.services.order_storage import store_orders
from app.services.products import replace_products
from app.services.users import add_user

USERS = 200
ORDERS_PER_USER = 100
ITEMS = 3
PRODUCTS = 100
_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class BenchShop:
    """Where it is, a customer who reads, and one who buys: what is read stays the same."""

    path: Path
    key: str
    buyer_key: str
    order_id: str
    product_ids: tuple[str, ...]


def make_shop(path: Path) -> BenchShop:
    """Make the database, anew, with the same orders each time."""
    for file in path.parent.glob(path.name + "*"):
        file.unlink()
    return asyncio.run(_make(path))


async def _make(path: Path) -> BenchShop:
    url = f"sqlite+aiosqlite:///{path}"
    await migrations.migrate(url)
    chance = random.Random(7)
    products = [
        Product(
            ProductId(f"{number:024x}"),
            f"product {number}",
            f"{number}.webp",
            "A product to measure with.",
            chance.randrange(100, 100_000),
            "USD",
        )
        for number in range(PRODUCTS)
    ]
    database = open_database(url)
    async with database.transaction() as connection:
        await replace_products(connection, products)
        for number in range(1, USERS + 1):
            user = await add_user(
                connection, f"user{number}@bench.example", user_id=f"{number:08x}{0:016x}"
            )
            if number == 1:
                key = await create_key(connection, user)
            if number == 2:
                buyer_key = await create_key(connection, user)
            orders = [_order(chance, products, user.id, place) for place in range(ORDERS_PER_USER)]
            await store_orders(connection, orders)
        await connection.execute(
            insert(tables.OrderCounter),
            [
                {"user_id": f"{number:08x}{0:016x}", "last_order_number": ORDERS_PER_USER}
                for number in range(1, USERS + 1)
            ],
        )
    await database.dispose()
    middle = f"{1:08x}{ORDERS_PER_USER // 2 + 1:016x}"
    return BenchShop(path, key, buyer_key, middle, tuple(product.id for product in products))


def _order(chance: random.Random, products: list[Product], user: UserId, place: int) -> Order:
    number = place + 1
    items = tuple(
        OrderItem(
            f"{user[:8]}{number:08x}{position + 1:08x}",
            product.id,
            product.name,
            product.image,
            product.price_minor,
            chance.randrange(1, 5),
            chance.choice(list(ShippingMethod)),
        )
        for position, product in enumerate(chance.sample(products, ITEMS))
    )
    at = _FIRST_DAY + timedelta(minutes=chance.randrange(600_000))
    return Order(
        id=OrderId(f"{user[:8]}{number:016x}"),
        user_id=user,
        number=number,
        status=chance.choice(list(OrderStatus)),
        address=f"{number} Main St, Carlton",
        currency="USD",
        total_minor=sum(item.total_minor for item in items),
        version=0,
        created_at=at,
        updated_at=at,
        items=items,
    )
