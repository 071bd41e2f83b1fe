"""A shop whose orders are as awkward as the rules let them be, answered in both ways."""

import random
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from app.domain.ids import OrderId, ProductId, UserId
from app.domain.money import MAX_MINOR
from app.domain.order import Order, OrderItem, OrderStatus, Product, ShippingMethod
from app.services.order_storage import store_orders
from app.services.products import replace_products
from tests.graphql.fuzzing import open_both_ways
from tests.shop import ADMIN, CUSTOMER, LAMP, OTHER, STOOL, TABLE, Shop

GONE_CUSTOMER = f"{0xDEAD:024x}"
"""A customer without an account, whose orders stay."""
REMOVED, NEVER = f"{0xF1:024x}", f"{0xF2:024x}"
"""A product that was removed from the catalogue, and one that never was in it."""
TEXTS = (
    "1 Main St",
    'quotes " \' ` and \\ \\" \\u0041 \\\\',
    "all controls " + "".join(map(chr, range(1, 32))) + "\x7f\x80\x9f",
    "lines\r\nof\ttext\u2028and\u2029more\x85",
    '{"a":[1,{"b":null}],"c":"}]"}',
    '}]}}, {"id": "x"} [[{{ \',',
    "null",
    "%s %d %% :name $1 ? ; -- /* */",
    "Élm Ave 🏠 e\u0301 \u200d\u202e שלום 漢字 \U0010ffff \ufeff",
    "</script><!-- &amp; -->",
    " leading and trailing ",
    "x" * 3_000,
    '"' * 300,
)
NAMES = (*TEXTS[:9], "", "a" * 300)
IMAGES = (None, "", "a.webp", TEXTS[1], TEXTS[4], "null")
_MOMENTS = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2024, 2, 29, 12, 0, 0, 1_000, tzinfo=UTC),
    datetime(2024, 11, 30, 9, 15, 0, 999_999, tzinfo=UTC),
    datetime(2024, 11, 30, 9, 15, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
)
_AMOUNTS = (0, 1, 9, 10, 99, 100, 101, 1999, 3000, 123_456_789)
_PRODUCTS = (TABLE, STOOL, LAMP, REMOVED, NEVER)


def _orders(chance: random.Random) -> list[Order]:
    """Orders of several customers; many share a moment or a total, and each text is somewhere."""
    made = []
    for user, count in ((CUSTOMER, 28), (OTHER, 14), (GONE_CUSTOMER, 4), (ADMIN, 2)):
        for number in range(1, count + 1):
            id_ = f"{user[-4:]}{chance.getrandbits(80):020x}"
            items = _items(chance, id_, number)
            made.append(
                Order(
                    id=OrderId(id_),
                    user_id=UserId(user),
                    number=number if number < 25 else 2**31 - number,
                    status=chance.choice(list(OrderStatus)),
                    address=TEXTS[number % len(TEXTS)],
                    currency=("USD", "EUR", '"{}')[number % 3],
                    total_minor=sum(item.total_minor for item in items),
                    version=(0, 1, 2**31 - 1)[number % 3],
                    created_at=chance.choice(_MOMENTS),
                    updated_at=chance.choice(_MOMENTS) if number % 2 else _MOMENTS[3],
                    external_id=None if number % 4 == 0 else f"{TEXTS[number % 11][:40]} {number}",
                    items=items,
                )
            )
    return made


def _items(chance: random.Random, order: str, number: int) -> tuple[OrderItem, ...]:
    if number % 15 == 0:
        return ()
    return tuple(
        OrderItem(
            id=f"{order[:22]}{place:02x}",
            product_id=ProductId(chance.choice(_PRODUCTS)),
            name=NAMES[(number + place) % len(NAMES)],
            image=chance.choice(IMAGES),
            unit_price_minor=MAX_MINOR if number % 13 == 0 else chance.choice(_AMOUNTS),
            quantity=1 if number % 13 == 0 else chance.choice((1, 2, 7, 1_000)),
            shipping=chance.choice(list(ShippingMethod)),
        )
        for place in range(1 if number % 13 == 0 else chance.choice((1, 2, 3, 3, 7)))
    )


ORDERS = _orders(random.Random(7))  # noqa: S311 (the same orders each time)
_CHANGED = (
    Product(ProductId(TABLE), TEXTS[4], TEXTS[1], TEXTS[2], MAX_MINOR, "EUR"),
    Product(ProductId(LAMP), TEXTS[8], None, TEXTS[3] + TEXTS[1], 0, "USD"),
    Product(ProductId(REMOVED), "removed", None, "", 1, "USD"),
)


@asynccontextmanager
async def open_nasty(url: str, **changes: Any) -> AsyncGenerator[tuple[Shop, Shop]]:
    """The shop, and the same by an application that executes every operation field by field."""
    async with open_both_ways(url, **changes) as (shop, plain):
        await fill(shop, ORDERS)
        yield shop, plain


async def fill(shop: Shop, orders: Sequence[Order]) -> None:
    """Store orders; change products, and names of users."""
    async with shop.database.transaction() as connection:
        await replace_products(connection, _CHANGED)
        await store_orders(connection, orders)
    await shop.execute(
        "UPDATE products SET deleted_at = :now WHERE id = :id",
        now=_MOMENTS[4],
        id=REMOVED,
    )
    await shop.execute("UPDATE users SET name = :name WHERE id = :id", name=TEXTS[1], id=OTHER)
    await shop.execute("UPDATE users SET name = :name WHERE id = :id", name=TEXTS[2], id=CUSTOMER)


def around(moment: datetime) -> tuple[datetime, datetime]:
    """A span that holds the moment, as far as there is time around it."""
    first, last = _MOMENTS[0], _MOMENTS[-1]
    day = timedelta(days=1)
    return (moment - day if moment - first > day else first), (
        moment + day if last - moment > day else last
    )
