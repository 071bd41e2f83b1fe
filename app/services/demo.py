"""A furniture shop to try the service with: the same users, products and orders each time.

Only the keys are random. They are kept in a file beside the database, for the owner's eyes, so
that each start can show them again.
"""

import os
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import orjson
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.database import Database
from app.domain import clock
from app.domain.errors import InvalidInput, Unavailable
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.money import DEFAULT_CURRENCY
from app.domain.order import (
    EventSource,
    EventType,
    Order,
    OrderItem,
    OrderStatus,
    Product,
    ShippingMethod,
)
from app.services.auth import create_key, find_key, new_key
from app.services.events import NewEvent, record_events
from app.services.order_storage import store_orders
from app.services.products import replace_products
from app.services.users import User, add_user

_SEED = 20_241_130
_FIRST_DAY = datetime(2025, 5, 1, 8, tzinfo=UTC)
_DAYS = 549  # eighteen months
_ORDERS = 600
_ID_SPACE = "0000000d"  # begins every demo id: ObjectIds of January 1970, which no shop has

_PEOPLE = (
    # name, e-mail, administrator, share of the orders
    ("Ada Marsh", "ada@demo.example", False, 0.6),
    ("Ben Okafor", "ben@demo.example", False, 0.3),
    ("Cleo Lindqvist", "admin@demo.example", True, 0.1),
)
_WOODS = ("oak", "walnut", "birch", "pine", "teak")
_PIECES = (
    ("dining table", 34_900),
    ("coffee table", 14_950),
    ("bookcase", 18_999),
    ("chair", 7_900),
    ("bed frame", 42_000),
    ("wardrobe", 59_990),
    ("desk", 23_500),
    ("stool", 3_999),
)
_STREETS = ("Main St", "Harbour Rd", "Elm Ave", "Mill Lane", "Station Sq")
_TOWNS = ("Carlton", "Fitzroy", "Northcote", "Richmond", "St Kilda")


@dataclass(frozen=True, slots=True)
class DemoKeys:
    """A key of a customer's and one of an administrator's."""

    customer: str
    admin: str


@dataclass(frozen=True, slots=True)
class DemoShop:
    """What was found or made."""

    keys: DemoKeys
    created: bool


def keys_file(companion: Path) -> Path:
    """Where the demo keys of a database are kept: beside its file, or what stands for one."""
    return companion.with_suffix(".demo-keys.json")


def read_keys(companion: Path) -> DemoKeys | None:
    """The demo keys kept beside a database, or None when there are none that can be read."""
    try:
        content = orjson.loads(keys_file(companion).read_bytes())
        return DemoKeys(str(content["customer"]), str(content["admin"]))
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError):
        return None


async def ensure_demo(database: Database, *, beside_others: bool = False) -> DemoShop:
    """Make the demo shop where there is none, and two keys that work; else change nothing.

    Args:
        database: Where to; migrated.
        beside_others: Also where other people's data is.

    Raises:
        Unavailable: the database can't be written, or was not migrated.
        InvalidInput: the database has users, but no demo shop; or an e-mail address of the demo
            belongs to another user.
    """
    kept = read_keys(database.companion)
    async with database.transaction() as connection:
        people = _people()
        created = not await _has_user(connection, people[0].id)
        if created:
            if not beside_others:
                await _require_no_users(connection)
            await _fill(connection, people)
        customer, _, admin = people
        keys = DemoKeys(
            customer=await _working_key(connection, customer, kept.customer if kept else None),
            admin=await _working_key(connection, admin, kept.admin if kept else None),
        )
        if keys != kept:
            _write_keys(database.companion, keys)
    return DemoShop(keys, created)


async def require_room(database: Database) -> None:
    """Make sure that the demo shop is there, or can be added to a database of any version.

    Raises:
        InvalidInput: the database has users, but no demo shop.
    """
    # Without a file, or without tables in it, there are no users.
    with suppress(Unavailable):
        async with database.read() as connection:
            if not await _has_user(connection, _people()[0].id):
                await _require_no_users(connection)


async def _has_user(connection: AsyncConnection, id_: UserId) -> bool:
    user = col(tables.User.id)
    return await connection.scalar(select(user).where(user == id_)) is not None


async def _require_no_users(connection: AsyncConnection) -> None:
    if await connection.scalar(select(col(tables.User.id)).limit(1)) is not None:
        raise InvalidInput.single(
            "holds users that are not the demo's: the demo shop, with an administrator's key, goes"
            " into a database of its own (ORDERS_DATABASE_URL), or here by `orders demo --force`",
            "database",
        )


async def _working_key(connection: AsyncConnection, user: User, kept: str | None) -> str:
    """The key kept, if it works or is unknown to this database; else a fresh one."""
    if kept is not None:
        record = await find_key(connection, kept)
        if record is not None and record.revoked_at is None and record.user_id == user.id:
            return kept
        if record is not None:
            kept = None
    return await create_key(connection, user, name="demo", key=kept or new_key())


def _write_keys(companion: Path, keys: DemoKeys) -> None:
    path = keys_file(companion)
    # A new file, so that no wider permissions of an old one remain; in place at once or not at all.
    fresh = path.with_suffix(f".{os.getpid()}.tmp")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(orjson.dumps(asdict(keys), option=orjson.OPT_INDENT_2) + b"\n")
    fresh.replace(path)


async def _fill(connection: AsyncConnection, people: Sequence[User]) -> None:
    chance = random.Random(_SEED)  # noqa: S311 (made-up furniture, not secrets)
    products = _products(chance)
    await replace_products(connection, products)
    for person in people:
        await add_user(
            connection,
            person.email or "",
            name=person.name,
            is_admin=person.is_admin,
            user_id=person.id,
        )
    orders = _orders(chance, people, products)
    await store_orders(connection, orders)
    numbers = {person.id: sum(order.user_id == person.id for order in orders) for person in people}
    await connection.execute(
        insert(tables.OrderCounter),
        [{"user_id": user, "last_order_number": last} for user, last in numbers.items()],
    )
    admin = people[-1]
    for order in orders:
        placed = NewEvent(EventType.CREATED, order, 0, None, OrderStatus.PENDING)
        await record_events(
            connection,
            [placed],
            actor_id=order.user_id,
            source=EventSource.IMPORT,
            occurred_at=order.created_at,
        )
        path = list(OrderStatus)[: list(OrderStatus).index(order.status) + 1]
        for version, (before, after) in enumerate(pairwise(path), start=1):
            moved = NewEvent(EventType.STATUS_CHANGED, order, version, before, after)
            await record_events(
                connection,
                [moved],
                actor_id=admin.id,
                source=EventSource.IMPORT,
                occurred_at=order.created_at + timedelta(days=version),
            )


def _id(kind: int, number: int) -> str:
    return f"{_ID_SPACE}{kind:02x}{number:014x}"


def _people() -> list[User]:
    return [
        User(UserId(_id(1, number)), email, name, is_admin, clock.now())
        for number, (name, email, is_admin, _) in enumerate(_PEOPLE, start=1)
    ]


def _products(chance: random.Random) -> list[Product]:
    return [
        Product(
            id=ProductId(_id(2, number)),
            name=f"{wood} {piece}",
            image=f"{wood}-{piece.replace(' ', '-')}.webp",
            description=f"A {piece} of solid {wood}, oiled by hand.",
            price_minor=base + 50 * chance.randrange(200),
            currency=DEFAULT_CURRENCY,
        )
        for number, (wood, (piece, base)) in enumerate(
            ((wood, piece) for wood in _WOODS for piece in _PIECES), start=1
        )
    ]


def _orders(
    chance: random.Random, people: Sequence[User], products: Sequence[Product]
) -> list[Order]:
    moments = sorted(
        clock.cut_to_milliseconds(
            _FIRST_DAY + timedelta(days=chance.randrange(_DAYS), seconds=chance.random() * 50_000)
        )
        for _ in range(_ORDERS)
    )
    shares = [share for *_, share in _PEOPLE]
    numbers = dict.fromkeys((person.id for person in people), 0)
    orders = []
    for number, created_at in enumerate(moments, start=1):
        user = chance.choices(people, shares)[0]
        numbers[user.id] += 1
        items = tuple(
            OrderItem(
                id=_id(4, number * 10 + position),
                product_id=product.id,
                name=product.name,
                image=product.image,
                unit_price_minor=product.price_minor,
                quantity=chance.choices((1, 2, 4, 6), (6, 3, 2, 1))[0],
                shipping=chance.choice(list(ShippingMethod)),
            )
            for position, product in enumerate(chance.sample(products, chance.randint(1, 4)))
        )
        # Old orders have arrived; of the last weeks' some are on their way or waiting.
        age = number / _ORDERS
        changes = 2 if age < 0.9 else 1 if age < 0.96 else chance.choice((0, 0, 1))
        orders.append(
            Order(
                id=OrderId(_id(3, number)),
                user_id=user.id,
                number=numbers[user.id],
                status=list(OrderStatus)[changes],
                address=(
                    f"{chance.randint(1, 200)} {chance.choice(_STREETS)}, {chance.choice(_TOWNS)}"
                ),
                currency=DEFAULT_CURRENCY,
                total_minor=sum(item.total_minor for item in items),
                version=changes,
                created_at=created_at,
                updated_at=created_at + timedelta(days=changes),
                items=items,
            )
        )
    return orders
