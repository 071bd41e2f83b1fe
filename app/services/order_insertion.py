"""A new order's way into the database: the busiest write, in statements that are made once.

On PostgreSQL the order, its items, its words and its event are one statement: each round trip costs
more than what is done in it. Elsewhere they are one after the other. Either way the rows come from
the same functions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Integer,
    Table,
    Text,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql import ClauseElement
from sqlmodel import col

from app.db import event_order, tables
from app.db.dialect import upsert
from app.db.prepared import Prepared
from app.db.steps import AtOnce, Row, Statement, Steps
from app.domain.order import Order
from app.services.order_storage import item_rows, order_row

_COUNTERS, _ORDERS, _ITEMS, _WORDS, _EVENTS = (
    tables.metadata.tables[name]
    for name in ("order_counters", "orders", "order_items", "order_words", "order_events")
)
# What a parameter is called for an item's list of values, and for a value of the event.
_ITEM, _EVENT = "item_{}", "event_{}"


def insert_order(order: Order, words: str, event: Mapping[str, Any]) -> Steps[int | None]:
    """Store a new order with all that belongs to it, under its customer's next number.

    Args:
        order: The order. It has no number yet, whatever it says.
        words: What it is found by.
        event: The row of its event.

    Returns:
        The number. None if another order has its id or its external id: then the transaction, which
        has taken a number, must not be committed.
    """
    rows = yield AtOnce(lambda: _whole(order, words, event), lambda: _in_parts(order, words, event))
    return rows[0][0] if rows else None


def _whole(order: Order, words: str, event: Mapping[str, Any]) -> Statement:
    items = item_rows(order)
    values = {**order_row(order), "words": words}
    values |= {_EVENT.format(name): value for name, value in event.items()}
    values |= {_ITEM.format(name): [item[name] for item in items] for name in _ITEM_TYPES}
    return Statement(_INSERT_ALL, values)


def _in_parts(order: Order, words: str, event: Mapping[str, Any]) -> Steps[Sequence[Row]]:
    row = order_row(order)
    numbers = yield Statement(_NEXT_NUMBER, row)
    ((row["order_number"],),) = numbers
    if not (yield Statement(_INSERT_ORDER, row)):
        return ()
    yield Statement(_INSERT_ITEMS, rows=item_rows(order))
    found_by = {"user_id": order.user_id, "order_id": order.id, "words": words}
    yield Statement(_INSERT_WORDS, found_by)
    yield event_order.ANNOUNCE
    yield Statement(_INSERT_EVENT, event)
    return numbers


def _columns(table: Table) -> list[Column[Any]]:
    """Those that do not count by themselves."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def _parameters(columns: Iterable[Column[Any]]) -> dict[str, BindParameter[Any]]:
    return {column.name: bindparam(column.name, type_=column.type) for column in columns}


def _insertion(table: Table) -> Prepared:
    return Prepared(insert(table).values(_parameters(_columns(table))))


_COUNT_UP = upsert(tables.OrderCounter).values(
    user_id=bindparam("user_id", type_=_COUNTERS.c.user_id.type),
    last_order_number=literal_column("1"),
)
_COUNT_UP = _COUNT_UP.on_conflict_do_update(
    index_elements=[_COUNTERS.c.user_id],
    set_={"last_order_number": _COUNTERS.c.last_order_number + literal_column("1")},
)
_NEXT = _COUNT_UP.returning(_COUNTERS.c.last_order_number)
_NEXT_NUMBER = Prepared(_NEXT)
_INSERT_ORDER = Prepared(
    upsert(tables.Order)
    .values(_parameters(_columns(_ORDERS)))
    .on_conflict_do_nothing()
    .returning(col(tables.Order.id))
)
_INSERT_ITEMS, _INSERT_WORDS, _INSERT_EVENT = map(_insertion, (_ITEMS, _WORDS, _EVENTS))

_ITEM_TYPES = {
    column.name: column.type if isinstance(column.type, Integer | BigInteger) else Text()
    for column in _columns(_ITEMS)
    if column.name not in {"user_id", "order_id"}
}


def _insert_all() -> ClauseElement:
    """The whole order in one statement; each part is made from the one before, or not at all."""
    counter = _NEXT.cte("counter")
    row: dict[str, Any] = {
        **_parameters(_columns(_ORDERS)),
        "order_number": counter.c.last_order_number,
    }
    placed = (
        upsert(tables.Order)
        .from_select(list(row), select(*row.values()).select_from(counter))
        .on_conflict_do_nothing()
        .returning(_ORDERS.c.user_id, _ORDERS.c.id, _ORDERS.c.order_number)
        .cte("placed")
    )
    whose: dict[str, Any] = {"user_id": placed.c.user_id, "order_id": placed.c.id}
    lists = [
        bindparam(_ITEM.format(name), type_=ARRAY(type_)) for name, type_ in _ITEM_TYPES.items()
    ]
    item = func.unnest(*lists).table_valued(*_ITEM_TYPES, name="item").render_derived()
    row = {**whose, **{name: item.c[name] for name in _ITEM_TYPES}}
    items = insert(_ITEMS).from_select(
        list(row), select(*row.values()).select_from(placed.join(item, true()))
    )
    row = {**whose, "words": bindparam("words", type_=_WORDS.c.words.type)}
    words = insert(_WORDS).from_select(list(row), select(*row.values()).select_from(placed))
    # After the order is there, which may have waited for others: who reads the log waits for what
    # is announced. And before the event gets its number, as there is no row of it without this one.
    announced = select(literal_column(event_order.ANNOUNCING)).select_from(placed).cte("announced")
    row = {
        column.name: bindparam(_EVENT.format(column.name), type_=column.type)
        for column in _columns(_EVENTS)
    }
    row |= whose
    events = insert(_EVENTS).from_select(
        list(row), select(*row.values()).select_from(placed.join(announced, true()))
    )
    return select(placed.c.order_number).add_cte(
        items.cte("items"), words.cte("words"), events.cte("events")
    )


_INSERT_ALL = Prepared(_insert_all())
