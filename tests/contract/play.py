"""How a case of the contract is played against a running service, whatever carries its bytes.

Beside the answer that a case names, each call is held to what the contract asks of all: any origin
may read the answer, and a refusal changes nothing.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.domain.ids import OrderId, UserId
from app.domain.money import DEFAULT_CURRENCY
from app.domain.order import Order
from app.services.order_storage import store_orders
from app.services.products import replace_products
from tests.contract.table import Call, Case, Placed, Sql
from tests.shop import CUSTOMER, PRODUCTS, Shop

_NAME = re.compile(r"<(key|order|item|date|time) ([a-z0-9. ]+)>")


@dataclass(frozen=True, slots=True)
class Sent:
    """A call in bytes. A body in several parts is to be sent in chunks."""

    method: str
    path: str
    headers: tuple[tuple[str, bytes], ...]
    body: bytes | tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; names of headers in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Send = Callable[[Sent], Awaitable[Answer]]


async def play(case: Case, send: Send, shop: Shop) -> None:
    """Play a case against a service over the shop's database, which holds no orders at first."""
    await empty(shop)
    try:
        for step in case.steps:
            match step:
                case Call():
                    await _ask(step, send, shop)
                case Placed():
                    await _place(step, shop)
                case Sql():
                    await _execute(shop, step.statement)
    finally:
        for step in case.steps:
            if isinstance(step, Sql) and step.undo:
                await _execute(shop, step.undo)


async def empty(shop: Shop) -> None:
    """Take all orders out of the shop, and give it its products again."""
    async with shop.database.transaction() as connection:
        for table in ("orders", "order_events", "order_counters", "products"):
            await connection.exec_driver_sql(f"DELETE FROM {table}")
        await replace_products(connection, PRODUCTS)


async def _execute(shop: Shop, statement: str) -> None:
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql(statement)


async def _ask(call: Call, send: Send, shop: Shop) -> None:
    names = await _names(shop)

    def filled(text: str) -> str:
        return _NAME.sub(lambda found: names[found[1], found[2]], text)

    headers = dict(call.headers)
    if call.key is not None:
        headers["Authorization"] = filled(call.key)
    if call.content_type is not None and call.body is not None:
        headers["Content-Type"] = call.content_type
    sent = Sent(
        call.method,
        filled(call.path),
        # In a header a character stands for the byte of its number.
        tuple((name, value.encode("latin-1")) for name, value in headers.items()),
        filled(call.body).encode() if isinstance(call.body, str) else call.body or b"",
    )
    before = await shop.everything() if call.status >= 400 else []
    answer = await send(sent)
    # Names are looked up again: the call may have made the order that its answer tells of.
    names = await _names(shop)
    assert (answer.status, answer.body.decode()) == (call.status, filled(call.answer))
    assert answer.headers.get("content-type", "") == call.answer_type
    assert answer.headers["access-control-allow-origin"] == "*"
    for name, value in call.answer_headers.items():
        assert sorted(answer.headers[name].split(", ")) == sorted(filled(value).split(", "))
    if before:
        assert await shop.everything() == before


async def _names(shop: Shop) -> Mapping[tuple[str, str], str]:
    names = {("key", name): key for name, key in shop.keys.items()}
    for spoilt, spoil in (("upper", str.upper), ("lower", str.lower)):
        names["key", f"customer {spoilt}"] = spoil(shop.keys["customer"])
    names["key", "customer short"] = shop.keys["customer"][:-1]
    found = await shop.rows(
        "SELECT order_number, o.id, position, i.id, created_at FROM orders o"
        " LEFT JOIN order_items i ON i.user_id = o.user_id AND i.order_id = o.id"
        f" WHERE o.user_id = '{CUSTOMER}'"
    )
    for number, order_id, position, item_id, created_at in found:
        names["order", str(number)] = order_id
        names["item", f"{number}.{position}"] = item_id
        day = datetime.fromisoformat(created_at)
        names["date", str(number)] = f"{day:%B} {day.day}, {day.year}"
        names["time", str(number)] = f"{day:%Y-%m-%dT%H:%M:%S}.{day.microsecond // 1000:03d}Z"
    return names


async def _place(placed: Placed, shop: Shop) -> None:
    at = datetime.fromisoformat(placed.created_at)
    order = Order(
        id=OrderId(placed.id),
        user_id=UserId(placed.user),
        number=placed.number,
        status=placed.status,
        address=placed.address,
        currency=DEFAULT_CURRENCY,
        total_minor=sum(item.total_minor for item in placed.items),
        version=placed.version,
        created_at=at,
        updated_at=at,
        items=placed.items,
    )
    async with shop.database.transaction() as connection:
        await store_orders(connection, [order])
        counter = tables.OrderCounter
        insertion = upsert(counter).values(user_id=placed.user, last_order_number=placed.number)
        await connection.execute(
            insertion.on_conflict_do_update(
                index_elements=[counter.user_id],
                set_={"last_order_number": insertion.excluded.last_order_number},
                where=col(counter.last_order_number) < insertion.excluded.last_order_number,
            )
        )
