"""Changing orders that exist: their status, their address, their deletion.

A change is decided on an order that was read, by a rule of `app.domain.changes`, and stored on
the condition that the order is still at that version; where it is not, it is read and decided
anew. Every change writes its event along with it.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from app.domain import clock
from app.domain.changes import (
    AddressChange,
    ErrorPolicy,
    StatusChange,
    Wanted,
    check_address_change,
    distinct_ids,
    new_address,
    new_status,
)
from app.domain.errors import Contended, InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId
from app.domain.order import EventSource, EventType, Order
from app.domain.principal import Principal, Scope
from app.domain.snapshots import order_snapshot
from app.services.events import NewEvent, record_events
from app.services.order_storage import accessible_by_id, delete_stored, store_changes
from app.services.search import index_orders

# How often an order may be changed by others between reading and storing it.
_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class StatusResult:
    """The orders now at the status asked for, in the order asked, and what was refused."""

    orders: tuple[Order, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class DeleteResult:
    """The ids of the orders that are gone now, in the order asked, and what was refused."""

    ids: tuple[OrderId, ...]
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class _Change:
    """An order before and after; the very same one where there was nothing to change."""

    before: Order
    after: Order


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of the orders wanted, in the order asked, and what was refused."""

    settled: tuple[_Change, ...]
    problems: tuple[Problem, ...]

    @property
    def changes(self) -> list[_Change]:
        """Those of the orders that are not what they were."""
        return [change for change in self.settled if change.after is not change.before]


def authorize_status_change(principal: Principal) -> None:
    """Let pass who may change the status of orders, before their input is looked at.

    Raises:
        Forbidden: the key lacks `admin`.
    """
    principal.require(Scope.ADMIN)


def authorize_correction(principal: Principal) -> None:
    """Let pass who may correct or delete orders, before their input is looked at.

    Raises:
        Forbidden: the key lacks `orders:write`.
    """
    principal.require(Scope.ORDERS_WRITE)


async def change_order_status(
    connection: AsyncConnection,
    principal: Principal,
    changes: Sequence[StatusChange],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
) -> StatusResult:
    """Set the status of anyone's orders. An order already at the status asked for is not changed.

    Args:
        connection: A transaction.
        principal: Who asks.
        changes: The new statuses, each order once.
        on_error: Whether one unknown or stale order refuses all, or is reported and passed over.
            A malformed or repeated id refuses all either way.
        source: The door that the call came through.

    Raises:
        Forbidden: the key lacks `admin`.
        InvalidInput: nothing was changed; see `on_error`.
        Contended: an order was changed by others again and again meanwhile.
    """
    authorize_status_change(principal)
    paths = [("changes", position) for position in range(len(changes))]
    ids = distinct_ids(
        ((*path, "order_id"), change.order_id) for path, change in zip(paths, changes, strict=True)
    )
    at = clock.now()

    def rule(change: StatusChange, path: tuple[str, int], order: Order) -> Order | Problem:
        return new_status(order, change, at, *path)

    outcome = await _change(
        connection,
        principal,
        [
            Wanted(order_id, (*path, "order_id"), partial(rule, change, path))
            for order_id, path, change in zip(ids, paths, changes, strict=True)
        ],
        partial(store_changes, column="status"),
        on_error=on_error,
    )
    events = [
        NewEvent(
            EventType.STATUS_CHANGED,
            change.after,
            change.after.version,
            change.before.status,
            change.after.status,
        )
        for change in outcome.changes
    ]
    await record_events(connection, events, actor_id=principal.user_id, source=source)
    return StatusResult(tuple(change.after for change in outcome.settled), outcome.problems)


async def change_order_address(
    connection: AsyncConnection, principal: Principal, change: AddressChange, *, source: EventSource
) -> Order:
    """Correct the address of one's own pending order, or as an administrator of anyone's.

    Args:
        connection: A transaction.
        principal: Who asks.
        change: The new address. The one that the order has already is no change.
        source: The door that the call came through.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: the address was refused, or the order: unknown (as another user's counts),
            stale, or not pending any more. Nothing was changed.
        Contended: the order was changed by others again and again meanwhile.
    """
    authorize_correction(principal)
    order_id = check_address_change(change)
    at = clock.now()
    outcome = await _change(
        connection,
        principal,
        [Wanted(order_id, ("order_id",), lambda order: new_address(order, change, at))],
        partial(store_changes, column="address"),
        on_error=ErrorPolicy.REJECT_ALL,
    )
    for changed in outcome.changes:
        order = changed.after
        await index_orders(connection, [order])
        data = {"from_address": changed.before.address, "to_address": order.address}
        event = NewEvent(
            EventType.ADDRESS_CHANGED, order, order.version, order.status, order.status, data
        )
        await record_events(connection, [event], actor_id=principal.user_id, source=source)
    return outcome.settled[0].after


async def delete_orders(
    connection: AsyncConnection,
    principal: Principal,
    order_ids: Sequence[str],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
) -> DeleteResult:
    """Delete one's own orders, or as an administrator anyone's. Their last event holds them whole.

    Args:
        connection: A transaction.
        principal: Who asks.
        order_ids: The orders, each once. Another user's order counts as unknown.
        on_error: Whether one unknown order refuses all, or is reported and passed over. A
            malformed or repeated id refuses all either way.
        source: The door that the call came through.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: nothing was deleted; see `on_error`.
        Contended: an order was changed by others again and again meanwhile.
    """
    authorize_correction(principal)
    paths = [("ids", position) for position in range(len(order_ids))]
    ids = distinct_ids(zip(paths, order_ids, strict=True))
    outcome = await _change(
        connection,
        principal,
        [
            Wanted(order_id, path, lambda order: replace(order, version=order.version + 1))
            for order_id, path in zip(ids, paths, strict=True)
        ],
        delete_stored,
        on_error=on_error,
    )
    events = [
        NewEvent(
            EventType.DELETED,
            change.before,
            change.after.version,
            change.before.status,
            None,
            {"order": order_snapshot(change.before)},
        )
        for change in outcome.changes
    ]
    await record_events(
        connection, events, actor_id=principal.user_id, source=source, occurred_at=clock.now()
    )
    return DeleteResult(tuple(change.before.id for change in outcome.settled), outcome.problems)


async def _change(
    connection: AsyncConnection,
    principal: Principal,
    wanted: Sequence[Wanted],
    store: Callable[[AsyncConnection, Sequence[Order]], Awaitable[set[OrderId]]],
    *,
    on_error: ErrorPolicy,
) -> _Outcome:
    """Read, decide by the rules, store; and anew for the orders that others changed in between.

    Args:
        connection: A transaction.
        principal: Who asks.
        wanted: The orders, each once.
        store: Carries out changes of orders that are still at the version before, and returns
            the ids of those.
        on_error: What becomes of the rest when an order can't be changed.

    Raises:
        InvalidInput: an order can't be changed, and that refuses all.
        Contended: an order was changed by others again and again meanwhile.
    """
    problems: dict[OrderId, Problem] = {}
    settled: dict[OrderId, _Change] = {}
    open_ones = wanted
    for _ in range(_ATTEMPTS):
        found = await accessible_by_id(connection, principal, [one.order_id for one in open_ones])
        decided: list[_Change] = []
        for one in open_ones:
            order = found.get(one.order_id)
            if order is None:
                problems[one.order_id] = Problem(ProblemCode.NOT_FOUND, one.path, "names no order")
                continue
            after = one.rule(order)
            if isinstance(after, Problem):
                problems[one.order_id] = after
            else:
                decided.append(_Change(order, after))
        refused = tuple(problems[one.order_id] for one in wanted if one.order_id in problems)
        if refused and on_error is ErrorPolicy.REJECT_ALL:
            raise InvalidInput(*refused)
        changes = [change for change in decided if change.after is not change.before]
        stored = await store(connection, [change.after for change in changes]) if changes else set()
        settled |= {
            change.before.id: change
            for change in decided
            if change.after is change.before or change.before.id in stored
        }
        open_ones = [
            one for one in open_ones if one.order_id not in settled and one.order_id not in problems
        ]
        if not open_ones:
            in_order = (settled[one.order_id] for one in wanted if one.order_id in settled)
            return _Outcome(tuple(in_order), refused)
    raise Contended
