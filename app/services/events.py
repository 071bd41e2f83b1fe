"""The log of what happened to orders, written in the transaction of the change itself.

One row serves history, subscriptions, other systems and the recovery of a deleted order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Insert,
    Row,
    Select,
    Subquery,
    exists,
    func,
    insert,
    literal,
    literal_column,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel import col

from app.db import event_order, tables
from app.db.bulk import insert_rows
from app.db.prepared import Prepared, insertion_of, parameters_of
from app.db.steps import AtOnce, Statement, Steps
from app.domain.errors import InvalidInput, ProblemCode
from app.domain.ids import EventPosition, OrderId, UserId, new_object_id
from app.domain.order import EventSource, EventType, Order, OrderEvent, OrderStatus
from app.domain.principal import Principal, Scope
from app.domain.snapshots import order_from_snapshot

# The columns of `_select_events`, for `_event_from_row`.
_EventSelect: TypeAlias = Select[
    int, str, str, str, str, str, str | None, str | None, str, datetime
]
_EventRow: TypeAlias = Row[int, str, str, str, str, str, str | None, str | None, str, datetime]

_EVENTS = tables.metadata.tables["order_events"]
_INSERT = insertion_of(_EVENTS)


def _announce_and_insert() -> Insert:
    """One event in one round trip: there is no row of it, and no number, without what announces."""
    announced = select(literal_column(event_order.ANNOUNCING)).cte("announced")
    row = parameters_of(_EVENTS)
    return insert(_EVENTS).from_select(list(row), select(*row.values()).select_from(announced))


_ANNOUNCE_AND_INSERT = Prepared(_announce_and_insert())

START = EventPosition(0)
"""Before the first event of the log."""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """What happened to one order. `order` is as it is after the change (before, if deleted)."""

    type: EventType
    order: Order
    version: int
    from_status: OrderStatus | None
    to_status: OrderStatus | None
    data: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Deletion:
    """An order as it was when it was deleted, and the version that its deletion made."""

    order: Order
    version: int


async def record_events(
    connection: AsyncConnection,
    events: Sequence[NewEvent],
    *,
    source: EventSource,
    actor_id: str | None = None,
    occurred_at: datetime | None = None,
) -> None:
    """Append events to the log, in the order given.

    Args:
        connection: The connection whose transaction makes the changes.
        events: What happened.
        source: The door that the changes came through.
        actor_id: The user who did it; by default each order's own.
        occurred_at: When; by default the moment at which each order last changed.
    """
    if not events:
        return
    await event_order.announce(connection)
    rows = event_rows(events, actor_id=actor_id, source=source, occurred_at=occurred_at)
    await insert_rows(connection, tables.OrderEvent, rows)


def recording(
    events: Sequence[NewEvent],
    *,
    source: EventSource,
    actor_id: str | None = None,
    occurred_at: datetime | None = None,
) -> Steps[None]:
    """The same as steps of a change. The arguments are those of `record_events`."""
    rows = list(event_rows(events, actor_id=actor_id, source=source, occurred_at=occurred_at))
    match rows:
        case []:
            pass
        case [row]:
            yield AtOnce(lambda: Statement(_ANNOUNCE_AND_INSERT, row), lambda: _announced(row))
        case _:
            yield event_order.ANNOUNCE
            yield Statement(_INSERT, rows=rows)


def _announced(row: Mapping[str, Any]) -> Steps[Sequence[Any]]:
    yield event_order.ANNOUNCE
    return (yield Statement(_INSERT, row))


def event_rows(
    events: Iterable[NewEvent],
    *,
    source: EventSource,
    actor_id: str | None = None,
    occurred_at: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """The rows of the log that events are."""
    for event in events:
        yield {
            "id": new_object_id(),
            "user_id": event.order.user_id,
            "order_id": event.order.id,
            "order_version": event.version,
            "type": event.type.value,
            "source": source.value,
            "from_status": event.from_status,
            "to_status": event.to_status,
            "actor_id": actor_id or event.order.user_id,
            "occurred_at": occurred_at or event.order.updated_at,
            "data": event.data,
        }


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events are meant; None is no condition. `owner` is the customer of the order."""

    owner: UserId | None = None
    order_id: OrderId | None = None
    types: tuple[EventType, ...] | None = None

    def takes(self, event: OrderEvent) -> bool:
        """Whether the event is meant."""
        return (
            (self.owner is None or event.user_id == self.owner)
            and (self.order_id is None or event.order_id == self.order_id)
            and (self.types is None or event.type in self.types)
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events in the log's order, and whether more follow.

    `settled` is up to where the log was complete when it was read; None for its end.
    """

    events: tuple[OrderEvent, ...]
    more: bool
    settled: int | None = None


def visible_events(
    principal: Principal,
    *,
    order_id: OrderId | None = None,
    types: Iterable[EventType] | None = None,
) -> EventFilter:
    """The filter that every read of events starts from: of one's own orders, all with `admin`.

    Events of a deleted order stay visible to whom the order was.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)
    return EventFilter(
        owner=None if principal.is_admin else principal.user_id,
        order_id=order_id,
        types=None if types is None else tuple(dict.fromkeys(types)),
    )


def all_events(principal: Principal, *, types: Iterable[EventType] | None = None) -> EventFilter:
    """The filter for the whole log, or for some types of it.

    Raises:
        Forbidden: the key lacks `admin`.
    """
    principal.require(Scope.ADMIN)
    return visible_events(principal, types=types)


async def events_after(
    connection: AsyncConnection,
    position: EventPosition,
    wanted: EventFilter,
    size: int,
    *,
    until: EventPosition | None = None,
) -> EventPage:
    """The next events past a position, oldest first, without a gap.

    Complete: no event will ever turn up before the last one returned; see `app.db.event_order`.

    Args:
        connection: Where to read.
        position: Where the reader stands.
        wanted: Which events.
        size: How many at the most.
        until: Read no further than to here, this event included.
    """
    row = tables.OrderEvent
    conditions = [col(row.seq) > position.seq]
    settled = await event_order.settled_until(connection)
    ends = [seq for seq in (settled, until and until.seq) if seq is not None]
    if ends:
        conditions.append(col(row.seq) <= min(ends))
    if wanted.owner is not None:
        conditions.append(col(row.user_id) == wanted.owner)
    if wanted.order_id is not None:
        conditions.append(col(row.order_id) == wanted.order_id)
    if wanted.types is None or wanted.owner is not None or wanted.order_id is not None:
        if wanted.types is not None:
            conditions.append(col(row.type).in_([type_.value for type_ in wanted.types]))
        statement = _select_events(*conditions).order_by(col(row.seq)).limit(size + 1)
    else:
        statement = _events_of_types(wanted.types, conditions, size + 1)
    events = tuple(_event_from_row(found) for found in await connection.execute(statement))
    return EventPage(events[:size], len(events) > size, settled)


async def events_of_orders(
    connection: AsyncConnection,
    principal: Principal,
    order_ids: Sequence[OrderId],
    *,
    after: EventPosition,
    size: int,
) -> dict[OrderId, EventPage]:
    """The next events of each order past a position, in one statement for all orders.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    row = tables.OrderEvent
    conditions = [col(row.order_id).in_(order_ids), col(row.seq) > after.seq]
    if (owner := visible_events(principal).owner) is not None:
        conditions.append(col(row.user_id) == owner)
    place = func.row_number().over(partition_by=col(row.order_id), order_by=col(row.seq))
    numbered = _select_events(*conditions).add_columns(place.label("place")).subquery()
    statement = (
        select(*(column for column in numbered.c if column.name != "place"))
        .where(numbered.c.place <= size + 1)
        .order_by(numbered.c.seq)
    )
    found: dict[OrderId, list[OrderEvent]] = {order_id: [] for order_id in order_ids}
    for one in await connection.execute(statement):
        event = _event_from_row(one)
        found[event.order_id].append(event)
    return {
        order_id: EventPage(tuple(events[:size]), more=len(events) > size)
        for order_id, events in found.items()
    }


async def first_positions(
    connection: AsyncConnection, principal: Principal, order_ids: Sequence[OrderId]
) -> dict[OrderId, EventPosition]:
    """Where the history of each order begins; an order without any event is left out.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    row = tables.OrderEvent
    statement = (
        select(col(row.order_id), func.min(row.seq))
        .where(col(row.order_id).in_(order_ids))
        .group_by(col(row.order_id))
    )
    if (owner := visible_events(principal).owner) is not None:
        statement = statement.where(col(row.user_id) == owner)
    return {
        OrderId(order_id): EventPosition(seq)
        for order_id, seq in await connection.execute(statement)
        if seq is not None
    }


async def last_position(connection: AsyncConnection) -> EventPosition:
    """Where the log ends: what a reader who begins here can get is new to everybody.

    The position of an event that is there: a number that was given and not used may be given again
    after a crash of the server.
    """
    statement = select(func.max(tables.OrderEvent.seq))
    settled = await event_order.settled_until(connection)
    if settled is not None:
        statement = statement.where(col(tables.OrderEvent.seq) <= settled)
    return EventPosition(await connection.scalar(statement) or START.seq)


async def last_deletions(
    connection: AsyncConnection, order_ids: Sequence[OrderId]
) -> dict[OrderId, Deletion]:
    """The last deletion of each order, also of one that is back; without those never deleted."""
    row = tables.OrderEvent
    last = (
        select(func.max(row.seq))
        .where(col(row.order_id).in_(order_ids), col(row.type) == EventType.DELETED.value)
        .group_by(col(row.order_id))
    )
    statement = select(col(row.order_version), col(row.data)).where(col(row.seq).in_(last))
    found: dict[OrderId, Deletion] = {}
    for version, data in await connection.execute(statement):
        order = order_from_snapshot((data or {})["order"])
        found[order.id] = Deletion(order, version)
    return found


async def check_order_is_known(
    connection: AsyncConnection, wanted: EventFilter, *path: str
) -> None:
    """Refuse an order of whose history the caller may see nothing, as if it did not exist.

    Args:
        connection: Where to read.
        wanted: The filter, with an order.
        *path: The input that names it.

    Raises:
        InvalidInput: there is no such order, or it is another customer's.
    """
    row, order = tables.OrderEvent, tables.Order
    logged = exists(literal(1)).where(col(row.order_id) == wanted.order_id)
    # An imported order may have no event yet.
    placed = exists(literal(1)).where(col(order.id) == wanted.order_id)
    if wanted.owner is not None:
        logged = logged.where(col(row.user_id) == wanted.owner)
        placed = placed.where(col(order.user_id) == wanted.owner)
    if not await connection.scalar(select(logged | placed)):
        raise InvalidInput.single("names no order", *path, code=ProblemCode.NOT_FOUND)


def _select_events(*conditions: ColumnElement[bool]) -> _EventSelect:
    row = tables.OrderEvent
    return select(
        # The column's type has None in it, for rows that are not written yet.
        type_coerce(row.seq, BigInteger).label("seq"),
        col(row.id),
        col(row.user_id),
        col(row.order_id),
        col(row.type),
        col(row.source),
        col(row.from_status),
        col(row.to_status),
        col(row.actor_id),
        col(row.occurred_at),
    ).where(*conditions)


def _events_of_types(
    types: Sequence[EventType], conditions: Sequence[ColumnElement[bool]], size: int
) -> Any:
    """The first events of several types: each type's by its index, then merged.

    One condition for all types would read the log from the position to the next such event, and
    there may be none in millions.
    """
    row = tables.OrderEvent
    parts: list[Subquery] = [
        _select_events(col(row.type) == type_.value, *conditions)
        .order_by(col(row.seq))
        .limit(size)
        .subquery()
        for type_ in types
    ]
    if not parts:
        return _select_events(literal(False))
    merged = union_all(*(select(part) for part in parts)).subquery()
    return select(merged).order_by(merged.c.seq).limit(size)


def _event_from_row(row: _EventRow) -> OrderEvent:
    seq, id_, user_id, order_id, type_, source, from_status, to_status, actor_id, at = row
    return OrderEvent(
        position=EventPosition(seq),
        id=id_,
        user_id=UserId(user_id),
        order_id=OrderId(order_id),
        type=EventType(type_),
        source=EventSource(source),
        from_status=None if from_status is None else OrderStatus(from_status),
        to_status=None if to_status is None else OrderStatus(to_status),
        actor_id=UserId(actor_id),
        occurred_at=at,
    )
