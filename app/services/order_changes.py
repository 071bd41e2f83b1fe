"""Changing orders that exist: their status, their address, their deletion.

A change is decided on an order that was read, by a rule of `app.domain.changes`, and stored on
the condition that the order is still at that version; where it is not, it is read and decided
anew. Every change writes its event along with it.

All of it is steps, that `app.db` carries out. Callers who read the orders in the same transaction
may look at them before anything is stored, and refuse.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from app.db.steps import Steps
from app.domain import clock
from app.domain.changes import (
    AddressChange,
    ErrorPolicy,
    Looking,
    StatusChange,
    Wanted,
    check_address_change,
    distinct_ids,
    new_address,
    new_status,
    overlook,
)
from app.domain.errors import Contended, InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId
from app.domain.order import EventSource, EventType, Order
from app.domain.principal import Principal, Scope
from app.domain.snapshots import order_snapshot
from app.services.events import NewEvent, recording
from app.services.order_storage import accessible_by_id, deleting_stored, storing_changes
from app.services.search import indexing

SHORT = 20
"""So many orders are changed in a few milliseconds."""
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


def changing_status(
    principal: Principal,
    changes: Sequence[StatusChange],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
    looking: Looking = overlook,
) -> Steps[StatusResult]:
    """Set the status of anyone's orders. An order already at the status asked for is not changed.

    Args:
        principal: Who asks.
        changes: The new statuses, each order once.
        on_error: Whether one unknown or stale order refuses all, or is reported and passed over.
            A malformed or repeated id refuses all either way.
        source: The door that the call came through.
        looking: Called before anything is stored; whatever it raises refuses all.

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

    outcome = yield from _changing(
        principal,
        [
            Wanted(order_id, (*path, "order_id"), partial(rule, change, path))
            for order_id, path, change in zip(ids, paths, changes, strict=True)
        ],
        partial(storing_changes, column="status"),
        on_error=on_error,
        looking=looking,
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
    yield from recording(events, actor_id=principal.user_id, source=source)
    return StatusResult(tuple(change.after for change in outcome.settled), outcome.problems)


def changing_address(
    principal: Principal,
    change: AddressChange,
    *,
    source: EventSource,
    looking: Looking = overlook,
) -> Steps[Order]:
    """Correct the address of one's own pending order, or as an administrator of anyone's.

    Args:
        principal: Who asks.
        change: The new address. The one that the order has already is no change.
        source: The door that the call came through.
        looking: Called before anything is stored; whatever it raises refuses all.

    Raises:
        Forbidden: the key lacks `orders:write`.
        InvalidInput: the address was refused, or the order: unknown (as another user's counts),
            stale, or not pending any more. Nothing was changed.
        Contended: the order was changed by others again and again meanwhile.
    """
    authorize_correction(principal)
    order_id = check_address_change(change)
    at = clock.now()
    outcome = yield from _changing(
        principal,
        [Wanted(order_id, ("order_id",), lambda order: new_address(order, change, at))],
        partial(storing_changes, column="address"),
        on_error=ErrorPolicy.REJECT_ALL,
        looking=looking,
    )
    for changed in outcome.changes:
        order = changed.after
        yield from indexing(order)
        data = {"from_address": changed.before.address, "to_address": order.address}
        event = NewEvent(
            EventType.ADDRESS_CHANGED, order, order.version, order.status, order.status, data
        )
        yield from recording([event], actor_id=principal.user_id, source=source)
    return outcome.settled[0].after


def deleting(
    principal: Principal,
    order_ids: Sequence[str],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
) -> Steps[DeleteResult]:
    """Delete one's own orders, or as an administrator anyone's. Their last event holds them whole.

    Args:
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
    outcome = yield from _changing(
        principal,
        [
            Wanted(order_id, path, lambda order: replace(order, version=order.version + 1))
            for order_id, path in zip(ids, paths, strict=True)
        ],
        deleting_stored,
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
    yield from recording(events, actor_id=principal.user_id, source=source, occurred_at=clock.now())
    return DeleteResult(tuple(change.before.id for change in outcome.settled), outcome.problems)


def _changing(
    principal: Principal,
    wanted: Sequence[Wanted],
    store: Callable[[Sequence[Order]], Steps[set[OrderId]]],
    *,
    on_error: ErrorPolicy,
    looking: Looking = overlook,
) -> Steps[_Outcome]:
    """Read, decide by the rules, store; and anew for the orders that others changed in between.

    Args:
        principal: Who asks.
        wanted: The orders, each once.
        store: Carries out changes of orders that are still at the version before, and returns
            the ids of those.
        on_error: What becomes of the rest when an order can't be changed.
        looking: Called before anything is stored.

    Raises:
        InvalidInput: an order can't be changed, and that refuses all.
        Contended: an order was changed by others again and again meanwhile.
    """
    problems: dict[OrderId, Problem] = {}
    settled: dict[OrderId, _Change] = {}
    open_ones = wanted
    for attempt in range(_ATTEMPTS):
        found = yield from accessible_by_id(principal, [one.order_id for one in open_ones])
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
        if attempt == 0:
            looking([change.after for change in decided])
        changes = [change.after for change in decided if change.after is not change.before]
        stored: set[OrderId] = set()
        if changes:
            stored = yield from store(changes)
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
