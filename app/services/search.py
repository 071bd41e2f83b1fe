"""What orders are found by, kept in step with them in the transaction of each change.

Whatever changes a text that orders are found by calls a function of this module afterwards:
`index_orders` for an order's address or items, `index_customer` for a user's name or e-mail.
A deleted order leaves the index by itself.
"""

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import tables
from app.db.dialect import upsert
from app.domain.ids import UserId
from app.domain.order import Order
from app.domain.words import words_of
from app.services.order_queries import order_from_row, select_orders

_AT_ONCE = 1_000


async def index_orders(connection: AsyncConnection, orders: Sequence[Order]) -> None:
    """Let orders that are stored be found by the words that they have now."""
    if not orders:
        return
    customers = await _texts_of_customers(connection, {order.user_id for order in orders})
    row = tables.OrderWords
    statement = upsert(row)
    statement = statement.on_conflict_do_update(
        index_elements=[row.user_id, row.order_id],
        set_={"words": statement.excluded.words},
        where=col(row.words) != statement.excluded.words,
    )
    await connection.execute(
        statement,
        [
            {
                "user_id": order.user_id,
                "order_id": order.id,
                "words": " ".join(words_of([*customers.get(order.user_id, ()), *_texts(order)])),
            }
            for order in orders
        ],
    )


async def index_customer(connection: AsyncConnection, user_id: UserId) -> None:
    """Let all orders of a user be found by the name and e-mail address that they have now."""
    order = tables.Order
    statement = select_orders(col(order.user_id) == user_id).order_by(col(order.id)).limit(_AT_ONCE)
    some = [order_from_row(row) for row in await connection.execute(statement)]
    while some:
        await index_orders(connection, some)
        rest = statement.where(col(order.id) > some[-1].id)
        some = [order_from_row(row) for row in await connection.execute(rest)]


def _texts(order: Order) -> Iterable[str]:
    yield from (item.name for item in order.items)
    yield order.address  # last: of all these it alone has no bound of the shop's own


async def _texts_of_customers(
    connection: AsyncConnection, ids: Iterable[UserId]
) -> Mapping[str, Sequence[str]]:
    user = tables.User
    texts: dict[str, Sequence[str]] = {}
    wanted = sorted(ids)
    for start in range(0, len(wanted), _AT_ONCE):
        statement = select(col(user.id), col(user.name), col(user.email)).where(
            col(user.id).in_(wanted[start : start + _AT_ONCE])
        )
        for id_, name, email in await connection.execute(statement):
            texts[id_] = [name, email or ""]
    return texts
