"""Bringing deleted orders back from the event log, whose last word on them holds them whole."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.steps import drive
from app.domain import clock
from app.domain.changes import ErrorPolicy, Looking, distinct_ids, overlook, restored
from app.domain.errors import Contended, InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId
from app.domain.order import EventSource, EventType, Order
from app.domain.principal import Principal, Scope
from app.services.events import NewEvent, last_deletions, record_events
from app.services.order_storage import accessible_by_id, store_where_free


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The orders that are back, in the order asked, and what was refused."""

    orders: tuple[Order, ...]
    problems: tuple[Problem, ...]


def authorize_restoring(principal: Principal) -> None:
    """Let pass who may bring orders back, before their input is looked at.

    Raises:
        Forbidden: the key lacks `admin`.
    """
    principal.require(Scope.ADMIN)


async def restore_orders(
    connection: AsyncConnection,
    principal: Principal,
    order_ids: Sequence[str],
    *,
    on_error: ErrorPolicy,
    source: EventSource,
    looking: Looking = overlook,
) -> RestoreResult:
    """Bring back anyone's deleted orders as they were; only their version has gone on.

    An order outlives its customer and its products, so it comes back without them too.

    Args:
        connection: A transaction.
        principal: Who asks.
        order_ids: The orders, each once.
        on_error: Whether one order that can't be brought back refuses all, or is reported and
            passed over. A malformed or repeated id refuses all either way.
        source: The door that the call came through.
        looking: Called before anything is stored; whatever it raises refuses all.

    Raises:
        Forbidden: the key lacks `admin`.
        InvalidInput: nothing was brought back; see `on_error`.
        Contended: an order was brought back and deleted by others meanwhile.
    """
    authorize_restoring(principal)
    ids = distinct_ids((("ids", position), order_id) for position, order_id in enumerate(order_ids))
    at = clock.now()
    deletions = await last_deletions(connection, ids)
    wanted = [
        restored(deletions[order_id].order, deletions[order_id].version, at)
        for order_id in ids
        if order_id in deletions
    ]
    looking(wanted)
    # Stored first and asked about afterwards: what is in an order's way may come at any moment.
    back = await store_where_free(connection, wanted)
    # Another one may have brought an order back and deleted it again since its deletion was read.
    # From here on it is there, for this transaction alone, and can't be deleted.
    latest = await last_deletions(connection, list(back))
    if any(latest[order_id].version != deletions[order_id].version for order_id in back):
        raise Contended
    problems = await _problems(connection, principal, ids, back, deletions)
    if problems and on_error is ErrorPolicy.REJECT_ALL:
        raise InvalidInput(*problems)
    orders = [back[order_id] for order_id in ids if order_id in back]
    events = [
        NewEvent(EventType.RESTORED, order, order.version, None, order.status) for order in orders
    ]
    await record_events(connection, events, actor_id=principal.user_id, source=source)
    return RestoreResult(tuple(orders), tuple(problems))


async def _problems(
    connection: AsyncConnection,
    principal: Principal,
    ids: Sequence[OrderId],
    back: Mapping[OrderId, Order],
    deleted: Collection[OrderId],
) -> list[Problem]:
    """Why those of the orders are not back that are not."""
    missing = [order_id for order_id in ids if order_id not in back]
    if not missing:
        return []
    there = await drive(connection, accessible_by_id(principal, missing))
    problems = []
    for position, order_id in enumerate(ids):
        if order_id in back:
            continue
        code = ProblemCode.CONFLICT
        if order_id in there:
            message = "names an order that is not deleted"
        elif order_id in deleted:
            # Its number it still has to itself: numbers are given once.
            message = "names an order whose external id is in use for another order by now"
        else:
            code, message = ProblemCode.NOT_FOUND, "names no order"
        problems.append(Problem(code, ("ids", position), message))
    return problems
