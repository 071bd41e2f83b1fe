"""A new order's way into the database: the busiest write, in statements that are made once.

On PostgreSQL the order, its items, its words and its event are one statement: each round trip costs
more than what is done in it. Orders that are placed at the same time may even share it. Elsewhere
these are one after the other. Either way the rows come from the same functions.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from app.db import event_order, tables
from app.db.dialect import listed, upsert
from app.db.prepared import Prepared, given_columns, insertion_of, parameters_of
from app.db.steps import AtOnce, Row, Statement, Steps
from app.db.types import UTCDateTime
from app.domain.order import Order
from app.services.order_storage import item_rows, order_row

_COUNTERS, _ORDERS, _ITEMS, _WORDS, _EVENTS = (
    tables.metadata.tables[name]
    for name in ("order_counters", "orders", "order_items", "order_words", "order_events")
)
# What a parameter is called for an item's list of values, and for a value of the event.
_ITEM, _EVENT = "item_{}", "event_{}"
_ONE: ColumnElement[int] = literal_column("1")


class NewRows(NamedTuple):
    """A new order that has no number yet, the words that it is found by, and its event's row."""

    order: Order
    words: str
    event: Mapping[str, Any]


class ReadBack:
    """What is read of a new order by the transaction that places it.

    Args:
        columns: SQL for what is wanted; tables are called `orders` and `order_items` there.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self.number_at = len(columns)
        """Which column has the order's number."""
        self._columns: list[ColumnElement[Any]] = [
            literal_column(one) for one in (*columns, "orders.order_number")
        ]
        self._afterwards = Prepared(
            select(*self._columns)
            .select_from(_ORDERS)
            .where(*(_ORDERS.c[name] == bindparam(name) for name in ("user_id", "id")))
        )
        self._with_insertion: Prepared | None = None

    def afterwards(self, order: Order) -> Statement:
        """Reads it when it is there."""
        return Statement(self._afterwards, {"user_id": order.user_id, "id": order.id})

    def inserting(self, several: Sequence[NewRows]) -> Statement:
        """Stores several new orders with all that belongs to them, and reads them, on PostgreSQL.

        Orders whose customer's counter others have now, or nobody yet, are left out. The last
        column is the number of each order among the others, counted from 0.

        Args:
            several: The orders. They have no external ids.
        """
        if self._with_insertion is None:
            self._with_insertion = Prepared(_insert_several(self._columns))
        orders_of = Counter([one.order.user_id for one in several])
        so_far: Counter[str] = Counter()
        values: dict[str, list[Any]] = {
            name: [] for name in (*_ORDER_LISTS, *_PLACES, *map(_ITEM.format, _ITEM_LISTS))
        }
        for order, words, event in several:
            customer = order.user_id
            so_far[customer] += 1
            row = {**order_row(order), "words": words}
            row |= {_EVENT.format(name): value for name, value in event.items()}
            row |= {"place": so_far[customer], "places": orders_of[customer]}
            for name in (*_ORDER_LISTS, *_PLACES):
                values[name].append(row[name])
            for item in item_rows(order):
                for name in _ITEM_LISTS:
                    values[_ITEM.format(name)].append(item[name])
        return Statement(self._with_insertion, values)


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


_COUNT_UP = upsert(tables.OrderCounter).values(
    user_id=bindparam("user_id", type_=_COUNTERS.c.user_id.type),
    last_order_number=_ONE,
)
_COUNT_UP = _COUNT_UP.on_conflict_do_update(
    index_elements=[_COUNTERS.c.user_id],
    set_={"last_order_number": _COUNTERS.c.last_order_number + _ONE},
)
_NEXT = _COUNT_UP.returning(_COUNTERS.c.last_order_number)
_NEXT_NUMBER = Prepared(_NEXT)
_INSERT_ORDER = Prepared(
    upsert(tables.Order)
    .values(parameters_of(_ORDERS))
    .on_conflict_do_nothing()
    .returning(col(tables.Order.id))
)
_INSERT_ITEMS, _INSERT_WORDS, _INSERT_EVENT = map(insertion_of, (_ITEMS, _WORDS, _EVENTS))


def _listed_type(column: Column[Any]) -> TypeEngine[Any]:
    """What a list of a column's values consists of."""
    return column.type if isinstance(column.type, _AS_THEY_ARE) else Text()


_AS_THEY_ARE = (Integer, BigInteger, UTCDateTime)
_ITEM_TYPES = {
    column.name: _listed_type(column)
    for column in given_columns(_ITEMS)
    if column.name not in {"user_id", "order_id"}
}


def _insert_all() -> ClauseElement:
    """The whole order in one statement; each part is made from the one before, or not at all."""
    counter = _NEXT.cte("counter")
    row: dict[str, Any] = {
        **parameters_of(_ORDERS),
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
    item = listed(_ITEM_TYPES, _ITEM)
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
        for column in given_columns(_EVENTS)
    }
    row |= whose
    events = insert(_EVENTS).from_select(
        list(row), select(*row.values()).select_from(placed.join(announced, true()))
    )
    return select(placed.c.order_number).add_cte(
        items.cte("items"), words.cte("words"), events.cte("events")
    )


_INSERT_ALL = Prepared(_insert_all())

# What is told of each order in a list. The others of its columns are null when it is placed so.
_NULL = {"external_id", "data"}
_NUMBER = "order_number"
_ORDER_LISTS = {
    **{c.name: _listed_type(c) for c in given_columns(_ORDERS) if c.name not in {_NUMBER, *_NULL}},
    "words": Text(),
    **{
        _EVENT.format(c.name): _listed_type(c)
        for c in given_columns(_EVENTS)
        if c.name not in {"user_id", "order_id", *_NULL}
    },
}
# Which of its customer's orders among them it is, counted from 1, and how many of theirs there are.
_PLACES = {"place": Integer(), "places": Integer()}
_ITEM_LISTS = {**_ITEM_TYPES, "order_id": Text()}


def _insert_several(columns: Sequence[Any]) -> Select[*tuple[Any, ...]]:
    """Several orders in one statement; each part is made from the ones before.

    What it makes is called as the tables are. So the columns that are read find it there: the
    tables themselves do not show it before the statement's end.
    """
    lists = listed(_ORDER_LISTS | _PLACES, "{}")
    asked = select(*lists.c).cte("asked")
    # Nobody is waited for: that would keep waiting whoever is about another customer.
    free = (
        select(_COUNTERS.c.user_id)
        .join(asked, and_(asked.c.user_id == _COUNTERS.c.user_id, asked.c.place == _ONE))
        .order_by(_COUNTERS.c.user_id)
        .with_for_update(of=_COUNTERS, skip_locked=True)
        .cte("free")
    )
    counting = select(asked.c.user_id, asked.c.places).join(
        free, and_(asked.c.user_id == free.c.user_id, asked.c.place == _ONE)
    )
    given = upsert(tables.OrderCounter).from_select(["user_id", "last_order_number"], counting)
    counter = (
        given.on_conflict_do_update(
            index_elements=[_COUNTERS.c.user_id],
            set_={
                "last_order_number": _COUNTERS.c.last_order_number
                + given.excluded.last_order_number
            },
        )
        .returning(_COUNTERS.c.user_id, _COUNTERS.c.last_order_number)
        .cte("counter")
    )
    row: dict[str, Any] = {
        column.name: asked.c[column.name]
        for column in given_columns(_ORDERS)
        if column.name in _ORDER_LISTS
    }
    row["order_number"] = counter.c.last_order_number - asked.c.places + asked.c.place
    placed = (
        insert(_ORDERS)
        .from_select(
            list(row),
            select(*row.values())
            .join_from(asked, counter, asked.c.user_id == counter.c.user_id)
            .order_by(asked.c.n),
        )
        .returning(*_ORDERS.c)
        .cte("orders")
    )
    item = listed(_ITEM_LISTS, _ITEM)
    row = {"user_id": placed.c.user_id, **{name: item.c[name] for name in _ITEM_LISTS}}
    items = (
        insert(_ITEMS)
        .from_select(
            list(row),
            select(*row.values()).join_from(item, placed, item.c.order_id == placed.c.id),
        )
        .returning(*_ITEMS.c)
        .cte("order_items")
    )
    of_placed = asked.join(placed, asked.c.id == placed.c.id)
    whose: dict[str, Any] = {"user_id": placed.c.user_id, "order_id": placed.c.id}
    row = {**whose, "words": asked.c.words}
    words = insert(_WORDS).from_select(list(row), select(*row.values()).select_from(of_placed))
    # When all orders are there and before the first event gets its number, as for a single one.
    there = select(func.count().label("number")).select_from(placed).subquery("there")
    announced = (
        select(literal_column(event_order.ANNOUNCING))
        .select_from(there)
        .where(there.c.number >= _ONE)
        .cte("announced")
    )
    row = {
        column.name: asked.c[_EVENT.format(column.name)]
        for column in given_columns(_EVENTS)
        if _EVENT.format(column.name) in _ORDER_LISTS
    }
    row |= whose
    events = insert(_EVENTS).from_select(
        list(row),
        select(*row.values()).select_from(of_placed.join(announced, true())).order_by(asked.c.n),
    )
    return (
        select(*columns, (asked.c.n - _ONE).label("n"))
        .select_from(of_placed)
        .add_cte(items, words.cte("words"), events.cte("events"))
    )
