"""What the contract's cases are made of: set-up that goes into the database, calls, exact answers.

A case names no way of sending. `tests/contract/test_table.py` plays each one inside this process
and again through a socket; `tests/contract/cases` holds them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict, Unpack

from app.domain.ids import ProductId
from app.domain.order import OrderItem, OrderStatus, ShippingMethod
from tests.shop import CUSTOMER, TABLE

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
GET_ALL = ("GET", "/orders/get_all")
ADD = ("POST", "/orders/add")
CHANGE = ("POST", "/orders/change-status")
DELETE = ("POST", "/orders/delete")
PATHS = (GET_ALL, ADD, CHANGE, DELETE)
POSTS = (ADD, CHANGE, DELETE)

Body = str | bytes | tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Call:
    """A request, and the answer that it must get.

    Texts may hold `<key NAME>` (a caller's key), and of the customer's order with the number N
    `<order N>`, `<item N.POSITION>` (their ids), `<date N>` and `<time N>` (when it was made).
    A body in several parts is sent in chunks.
    """

    method: str
    path: str
    body: Body
    answer: str
    status: int = 200
    key: str | None = "<key customer>"
    content_type: str | None = "application/json"
    answer_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    answer_headers: Mapping[str, str] = field(default_factory=dict)


class Options(TypedDict, total=False):
    """What a call may say beside its body and its answer; as in `Call`."""

    status: int
    key: str | None
    content_type: str | None
    answer_type: str
    headers: Mapping[str, str]
    answer_headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Placed:
    """An order that is there already."""

    id: str
    items: tuple[OrderItem, ...]
    number: int = 1
    user: str = CUSTOMER
    status: OrderStatus = OrderStatus.PENDING
    address: str = "1 Main St, Carlton"
    created_at: str = "2024-11-30T17:08:56.123+00:00"
    version: int = 0


@dataclass(frozen=True, slots=True)
class Sql:
    """A change behind the service's back, and what takes it back after the case."""

    statement: str
    undo: str | None = None


Step = Call | Placed | Sql


@dataclass(frozen=True, slots=True)
class Case:
    """A rule of the contract. `difference` is its row in docs/legacy.md, if the legacy differed."""

    name: str
    steps: tuple[Step, ...]
    difference: str | None = None


def case(name: str, *steps: Step, difference: str | None = None) -> Case:
    """A case with its steps."""
    return Case(name, steps, difference)


def under(path: str, *cases: Iterable[Case]) -> list[Case]:
    """All the cases, their names with the path in front."""
    return [replace(one, name=f"{path}: {one.name}") for some in cases for one in some]


def call(target: tuple[str, str], body: Body, answer: str, **options: Unpack[Options]) -> Call:
    """A call of any path."""
    return Call(*target, body, answer, **options)


def get_all(answer: str, **options: Unpack[Options]) -> Call:
    """What the caller's orders are."""
    return Call(*GET_ALL, None, answer, **options)


def add(body: Body, **options: Unpack[Options]) -> Call:
    """An order that is taken."""
    return Call(*ADD, body, "ORDER SUCCESS", **(Options(answer_type=TEXT) | options))


def change(body: Body, answer: str, **options: Unpack[Options]) -> Call:
    """A change of status by the administrator."""
    return Call(*CHANGE, body, answer, **(Options(key="<key admin>") | options))


def delete(body: Body, count: int, **options: Unpack[Options]) -> Call:
    """A deletion, and how many orders it takes away."""
    return Call(*DELETE, body, f'{{"acknowledged":true,"deletedCount":{count}}}', **options)


def refuse(target: tuple[str, str], body: Body, msg: str, **options: Unpack[Options]) -> Call:
    """A call that is refused with a sentence; the administrator's, who may do all of it."""
    defaults = Options(key="<key admin>", status=400)
    return Call(*target, body, f'{{"msg":"{msg}"}}', **(defaults | options))


def line(
    id_: str,
    product: str = TABLE,
    quantity: int = 4,
    shipping: ShippingMethod = ShippingMethod.REGULAR,
    *,
    name: str = "brown table",
    image: str | None = "1700110836527.webp",
    price_minor: int = 3000,
) -> OrderItem:
    """A line of an order that is there already."""
    return OrderItem(id_, ProductId(product), name, image, price_minor, quantity, shipping)
