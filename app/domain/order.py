"""What an order is: its words, its shape, and the rules that need no database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import EventPosition, OrderId, ProductId, UserId, parse_object_id
from app.domain.money import MAX_MINOR

MAX_QUANTITY = 2**31 - 1
MAX_ITEMS = 2_000
"""The most items of a new order: more than a body of 100 kB holds, which the legacy took."""
MAX_EXTERNAL_ID_LENGTH = 64


class OrderStatus(StrEnum):
    """Where an order stands. Any status may follow any other."""

    PENDING = "pending"
    DELIVERY = "delivery"
    COMPLETED = "completed"


class ShippingMethod(StrEnum):
    """How one item travels."""

    NEXT_DAY = "Next day"
    REGULAR = "Regular"
    BUDGET = "Budget"


class EventType(StrEnum):
    """What happened to an order."""

    CREATED = "created"
    STATUS_CHANGED = "status_changed"
    ADDRESS_CHANGED = "address_changed"
    DELETED = "deleted"
    RESTORED = "restored"


class EventSource(StrEnum):
    """The door a change came through."""

    GRAPHQL = "graphql"
    REST = "rest"
    IMPORT = "import"


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order. Name, image and price are those of the day it was placed."""

    id: str
    product_id: ProductId
    name: str
    image: str | None
    unit_price_minor: int
    quantity: int
    shipping: ShippingMethod

    @property
    def total_minor(self) -> int:
        """Unit price times quantity, in minor units."""
        return self.unit_price_minor * self.quantity


@dataclass(frozen=True, slots=True)
class Order:
    """An order with its items, in the order in which they were sent.

    `external_id` is the customer's own id for it in another system, unique per customer.
    """

    id: OrderId
    user_id: UserId
    number: int
    status: OrderStatus
    address: str
    currency: str
    total_minor: int
    version: int
    created_at: datetime
    updated_at: datetime
    items: tuple[OrderItem, ...]
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One entry of the event log. `user_id` is the owner of the order, who may be gone by now."""

    position: EventPosition
    id: str
    user_id: UserId
    order_id: OrderId
    type: EventType
    source: EventSource
    from_status: OrderStatus | None
    to_status: OrderStatus | None
    actor_id: UserId
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Product:
    """A product as it is today. Price in minor units."""

    id: ProductId
    name: str
    image: str | None
    description: str
    price_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class NewItem:
    """What a caller asks for in one line of a new order."""

    product_id: str
    quantity: int
    shipping: ShippingMethod


@dataclass(frozen=True, slots=True)
class NewOrder:
    """What a caller asks for."""

    items: Sequence[NewItem]
    address: str
    external_id: str | None = None


def text_problem(text: str) -> str | None:
    """Why a text can't be stored, or None. Everything else is kept byte for byte."""
    if not text.strip():
        return "must not be blank"
    if "\0" in text:
        # PostgreSQL's text can't hold it, and what one engine refuses both refuse.
        return "must not contain the character NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "must be valid Unicode"
    return None


def check_new_order(new: NewOrder) -> list[ProductId]:
    """Check all of a new order that can be checked without the catalogue.

    Returns:
        The product ids in canonical form, one per item.

    Raises:
        InvalidInput: with every problem, not just the first; but too many items are not looked at.
    """
    if len(new.items) > MAX_ITEMS:
        raise InvalidInput.single(
            f"must hold at most {MAX_ITEMS} items", "items", code=ProblemCode.OUT_OF_RANGE
        )
    problems: list[Problem] = []
    product_ids: list[ProductId] = []
    if not new.items:
        problems.append(
            Problem(ProblemCode.OUT_OF_RANGE, ("items",), "must hold at least one item")
        )
    for position, item in enumerate(new.items):
        product_id = parse_object_id(item.product_id)
        if product_id is None:
            problems.append(
                Problem(
                    ProblemCode.INVALID,
                    ("items", position, "product_id"),
                    "must be an id of 24 hex digits",
                )
            )
        else:
            product_ids.append(ProductId(product_id))
        if not 1 <= item.quantity <= MAX_QUANTITY:
            problems.append(
                Problem(
                    ProblemCode.OUT_OF_RANGE,
                    ("items", position, "quantity"),
                    f"must be a whole number from 1 to {MAX_QUANTITY}",
                )
            )
    if refusal := text_problem(new.address):
        problems.append(Problem(ProblemCode.INVALID, ("address",), refusal))
    if new.external_id is not None:
        problems.extend(_external_id_problems(new.external_id))
    if problems:
        raise InvalidInput(*problems)
    return product_ids


def _external_id_problems(external_id: str) -> list[Problem]:
    path = ("external_id",)
    if len(external_id) > MAX_EXTERNAL_ID_LENGTH:
        message = f"must have 1 to {MAX_EXTERNAL_ID_LENGTH} characters, not {len(external_id)}"
        return [Problem(ProblemCode.OUT_OF_RANGE, path, message)]
    refusal = text_problem(external_id)
    return [Problem(ProblemCode.INVALID, path, refusal)] if refusal else []


def order_total(items: Sequence[OrderItem]) -> int:
    """The sum of the items' totals, in minor units.

    Raises:
        InvalidInput: the sum is over `MAX_MINOR`.
    """
    total = sum(item.total_minor for item in items)
    if total > MAX_MINOR:
        raise InvalidInput.single(
            "add up to more than an order can hold", "items", code=ProblemCode.OUT_OF_RANGE
        )
    return total
