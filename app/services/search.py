"""What orders are found by, kept in step with them in the transaction of each change.

Whatever changes a text that orders are found by calls a function of this module afterwards:
`index_orders` or `indexing` for an order's address or items, `index_customer` for a user's name or
e-mail.
A deleted order leaves the index by itself.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.bulk import insert_rows
from app.db.dialect import upsert
from app.db.prepared import Prepared
from app.db.steps import Statement, Steps
from app.domain.ids import UserId
from app.domain.order import Order
from app.domain.words import words_of
from app.services.whole_orders import order_from_row, select_orders

_AT_ONCE = 1_000


# Made once: they are a part of the busiest write.
_WORDS = upsert(tables.OrderWords)
_WORDS = _WORDS.on_conflict_do_update(
    index_elements=[tables.OrderWords.user_id, tables.OrderWords.order_id],
    set_={"words": _WORDS.excluded.words},
    where=col(tables.OrderWords.words) != _WORDS.excluded.words,
)
_WORDS_OF_ONE = Prepared(
    _WORDS.values({name: bindparam(name) for name in ("user_id", "order_id", "words")})
)
_CUSTOMER = Prepared(
    select(col(tables.User.name), col(tables.User.email)).where(
        col(tables.User.id) == bindparam("user_id")
    )
)
_CUSTOMERS = select(col(tables.User.id), col(tables.User.name), col(tables.User.email)).where(
    col(tables.User.id).in_(bindparam("ids", expanding=True))
)


async def index_new_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Let orders be found that were stored just now."""
    if orders:
        await insert_rows(connection, tables.OrderWords, await _rows(connection, orders))


async def index_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Let orders that are stored be found by the words that they have now."""
    if orders:
        await connection.execute(_WORDS, await _rows(connection, orders))


def indexing(order: Order) -> Steps[None]:
    """The same for one order, as steps of a change."""
    found = yield Statement(_CUSTOMER, {"user_id": order.user_id})
    words = words_of_order(order, texts_of_customer(*found[0]) if found else ())
    row = {"user_id": order.user_id, "order_id": order.id, "words": words}
    yield Statement(_WORDS_OF_ONE, row)


async def index_customer(connection: AsyncConnection, user_id: UserId) -> None:
    """Let all orders of a user be found by the name and e-mail address that they have now."""
    order = tables.Order
    statement = select_orders(col(order.user_id) == user_id).order_by(col(order.id)).limit(_AT_ONCE)
    some = [order_from_row(row) for row in await connection.execute(statement)]
    while some:
        await index_orders(connection, some)
        rest = statement.where(col(order.id) > some[-1].id)
        some = [order_from_row(row) for row in await connection.execute(rest)]


async def _rows(connection: AsyncConnection, orders: Sequence[Order]) -> list[dict[str, Any]]:
    customers = await _texts_of_customers(connection, {order.user_id for order in orders})
    return [
        {
            "user_id": order.user_id,
            "order_id": order.id,
            "words": words_of_order(order, customers.get(order.user_id, ())),
        }
        for order in orders
    ]


def words_of_order(order: Order, customer: Iterable[str]) -> str:
    """The words that an order is found by, separated by spaces.

    Args:
        order: The order.
        customer: The texts of whom it is of, by `texts_of_customer`.
    """
    # The address last: of all these texts it alone has no bound of the shop's own.
    return " ".join(words_of([*customer, *(item.name for item in order.items), order.address]))


def texts_of_customer(name: str, email: str | None) -> Sequence[str]:
    """What of a customer their orders are found by."""
    return name, email or ""


async def _texts_of_customers(
    connection: AsyncConnection, ids: Collection[UserId]
) -> Mapping[str, Sequence[str]]:
    texts: dict[str, Sequence[str]] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), _AT_ONCE):
        some = {"ids": wanted[start : start + _AT_ONCE]}
        for id_, name, email in await connection.execute(_CUSTOMERS, some):
            texts[id_] = texts_of_customer(name, email)
    return texts
