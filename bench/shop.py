"""A shop of a known size to measure on: customers with a hundred orders of three items each.

What grows with the number of orders is the number of customers, as in a shop that does well; each
of them has a key. Orders were placed in turn, so that a customer's lie apart in the order of time.
Everything is the same each time, the keys too.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

from sqlalchemy import Dialect, make_url

from app.db.types import UTCDateTime
from app.domain.ids import ProductId
from app.domain.order import EventSource, EventType, OrderStatus, Product, ShippingMethod
from app.domain.principal import Scope
from app.domain.words import words_of
from app.services.auth import hash_key

ORDERS = 20_000
ORDERS_PER_CUSTOMER = 100
ITEMS = 3
PRODUCTS = 100

_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_DAYS = 416
_ADMIN = 0
_ORDERS_AT_ONCE = 10_000

COLUMNS: Mapping[str, Sequence[str]] = {
    "users": ("id", "email", "name", "is_admin", "created_at"),
    "api_keys": ("id", "user_id", "name", "prefix", "sha256", "scopes", "created_at"),
    "order_counters": ("user_id", "last_order_number"),
    "orders": (
        *("user_id", "id", "order_number", "status", "address", "currency", "total_minor"),
        *("version", "created_at", "updated_at"),
    ),
    "order_items": (
        *("user_id", "order_id", "position", "id", "product_id", "name", "image"),
        *("unit_price_minor", "quantity", "shipping"),
    ),
    "order_words": ("user_id", "order_id", "words"),
    "order_events": (
        *("id", "user_id", "order_id", "order_version", "type", "source", "to_status", "actor_id"),
        "occurred_at",
    ),
}
"""What `BenchShop.rows` has values for; the others are null or count by themselves."""

Rows: TypeAlias = dict[str, list[tuple[Any, ...]]]
"""Rows by their table."""


@dataclass(frozen=True, slots=True)
class BenchShop:
    """Where it is and how large. Customers are counted from 1, and so are the orders of each."""

    url: str
    orders: int = ORDERS

    @property
    def customers(self) -> int:
        """How many there are."""
        return self.orders // ORDERS_PER_CUSTOMER

    @property
    def key(self) -> str:
        """The key of a customer who reads, and buys nothing: what is read stays the same."""
        return self.key_of(1)

    @property
    def buyer_key(self) -> str:
        """The key of one who buys."""
        return self.key_of(2)

    @property
    def admin_key(self) -> str:
        """The key of an administrator."""
        return self.key_of(_ADMIN)

    @property
    def order_id(self) -> str:
        """The order in the middle of those of the customer who reads."""
        return self.order_id_of(1, ORDERS_PER_CUSTOMER // 2 + 1)

    @property
    def product_ids(self) -> Sequence[ProductId]:
        """All products."""
        return [ProductId(f"{number:024x}") for number in range(PRODUCTS)]

    def key_of(self, customer: int) -> str:
        """A customer's key."""
        return f"ofk_{customer:08d}{0:035d}"

    def user_id_of(self, customer: int) -> str:
        """A customer's id."""
        return _user_id(customer)

    def order_id_of(self, customer: int, number: int) -> str:
        """The id of a customer's order: it begins with the time, as ids do."""
        placed = int(self._placed_at(customer, number).timestamp())
        return f"{placed:08x}{customer:010x}{number:06x}"

    def products(self) -> list[Product]:
        """The catalogue."""
        chance = random.Random(7)
        return [
            Product(
                id_,
                f"product {number}",
                f"{number}.webp",
                "A product to measure with.",
                chance.randrange(100, 100_000),
                "USD",
            )
            for number, id_ in enumerate(self.product_ids)
        ]

    def rows(self) -> Iterator[Rows]:
        """All rows but the products, some at a time: first people, then orders as they came."""
        dialect = make_url(self.url).get_dialect()()
        numbers = range(1, self.customers + 1)
        yield {
            "users": [_user(number, dialect) for number in (_ADMIN, *numbers)],
            "api_keys": [self._key(number, dialect) for number in (_ADMIN, *numbers)],
            "order_counters": [(_user_id(number), ORDERS_PER_CUSTOMER) for number in numbers],
        }
        chance = random.Random(7)
        products = self.products()
        some = _no_orders()
        for number in range(1, ORDERS_PER_CUSTOMER + 1):
            for customer in numbers:
                self._add_order(some, dialect, chance, products, customer, number)
                if len(some["orders"]) == _ORDERS_AT_ONCE:
                    yield some
                    some = _no_orders()
        yield some

    def _placed_at(self, customer: int, number: int) -> datetime:
        place = (number - 1) * self.customers + customer - 1
        return _FIRST_DAY + timedelta(milliseconds=_DAYS * 86_400_000 * place // self.orders)

    def _key(self, number: int, dialect: Dialect) -> tuple[Any, ...]:
        key = self.key_of(number)
        scopes = [scope for scope in Scope if number == _ADMIN or scope is not Scope.ADMIN]
        return (
            f"{number:08x}{1:016x}",
            _user_id(number),
            "bench",
            key[:12],
            hash_key(key),
            " ".join(scopes),
            _moment(_FIRST_DAY, dialect),
        )

    def _add_order(
        self,
        rows: Rows,
        dialect: Dialect,
        chance: random.Random,
        products: Sequence[Product],
        customer: int,
        number: int,
    ) -> None:
        user_id, order_id = _user_id(customer), self.order_id_of(customer, number)
        placed_at = _moment(self._placed_at(customer, number), dialect)
        bought = chance.sample(products, ITEMS)
        quantities = [chance.randrange(1, 5) for _ in bought]
        status = chance.choice(_STATUSES)
        address = f"{number} Main St, Carlton"
        total = sum(
            product.price_minor * quantity
            for product, quantity in zip(bought, quantities, strict=True)
        )
        rows["orders"].append(
            (
                *(user_id, order_id, number, status, address, "USD", total),
                *(0, placed_at, placed_at),
            )
        )
        rows["order_items"] += [
            (
                *(user_id, order_id, position, f"{order_id[:22]}{position + 1:02x}"),
                *(product.id, product.name, product.image),
                *(product.price_minor, quantity, chance.choice(_SHIPPING)),
            )
            for position, (product, quantity) in enumerate(zip(bought, quantities, strict=True))
        ]
        texts = (*_names(customer), *(product.name for product in bought), address)
        rows["order_words"].append((user_id, order_id, " ".join(words_of(texts))))
        rows["order_events"].append(
            (
                *(f"{order_id[:8]}{number:06x}{customer:010x}", user_id, order_id, 0),
                *(EventType.CREATED.value, EventSource.IMPORT.value, status, user_id, placed_at),
            )
        )


_STATUSES = [status.value for status in OrderStatus]
_SHIPPING = [method.value for method in ShippingMethod]


def _no_orders() -> Rows:
    return {"orders": [], "order_items": [], "order_words": [], "order_events": []}


def _user_id(number: int) -> str:
    return "a" * 24 if number == _ADMIN else f"{number:08x}{0:016x}"


def _names(number: int) -> tuple[str, str]:
    name = "owner" if number == _ADMIN else f"user{number}"
    return name, f"{name}@bench.example"


def _user(number: int, dialect: Dialect) -> tuple[Any, ...]:
    name, email = _names(number)
    return _user_id(number), email, name, number == _ADMIN, _moment(_FIRST_DAY, dialect)


def _moment(at: datetime, dialect: Dialect) -> datetime | str | None:
    return UTCDateTime().process_bind_param(at, dialect)
