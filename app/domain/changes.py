"""The rules of changing orders: plain functions, apart from the statements that carry them out.

Each rule takes an order as it is stored and returns what is to become of it, or why it can't be
changed; who changes orders stores the outcome only where the order is still at the version that
the rule was given.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import TypeAlias

from app.domain.errors import InvalidInput, Problem, ProblemCode
from app.domain.ids import OrderId, parse_object_id
from app.domain.order import Order, OrderStatus, text_problem


class ErrorPolicy(Enum):
    """What becomes of the rest when one element of a list can't be changed."""

    REJECT_ALL = "reject_all"
    SKIP_FAILED = "skip_failed"


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A new status for one order, refused if `expected_version` is given and is not its version."""

    order_id: str
    status: OrderStatus
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class AddressChange:
    """A new address for one order; `expected_version` as in `StatusChange`."""

    order_id: str
    address: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """One order that a caller wants changed.

    `path` leads to the input that names it. `rule` gives the order as it is to be: the very same
    one where there is nothing to change.
    """

    order_id: OrderId
    path: tuple[str | int, ...]
    rule: Callable[[Order], Order | Problem]


Looking: TypeAlias = Callable[[Sequence[Order]], None]
"""Is told the orders that are about to be changed, or left as they are, as they are to be then."""


def overlook(_orders: Sequence[Order]) -> None:
    """Look at nothing."""


def distinct_ids(given: Iterable[tuple[tuple[str | int, ...], str]]) -> list[OrderId]:
    """The ids in canonical form; each comes with the path to it.

    Raises:
        InvalidInput: one is malformed or stands there twice.
    """
    ids: dict[str, None] = {}
    problems: list[Problem] = []
    for path, text in given:
        order_id = parse_object_id(text)
        if order_id is None:
            problems.append(Problem(ProblemCode.INVALID, path, "must be an id of 24 hex digits"))
        elif order_id in ids:
            problems.append(Problem(ProblemCode.INVALID, path, "names an order a second time"))
        else:
            ids[order_id] = None
    if problems:
        raise InvalidInput(*problems)
    return [OrderId(order_id) for order_id in ids]


def check_address_change(change: AddressChange) -> OrderId:
    """Check all of a new address that can be checked without the order.

    Returns:
        The order's id in canonical form.

    Raises:
        InvalidInput: with every problem, not just the first.
    """
    problems: list[Problem] = []
    order_id = parse_object_id(change.order_id)
    if order_id is None:
        path = ("order_id",)
        problems.append(Problem(ProblemCode.INVALID, path, "must be an id of 24 hex digits"))
    if refusal := text_problem(change.address):
        problems.append(Problem(ProblemCode.INVALID, ("address",), refusal))
    if problems or order_id is None:
        raise InvalidInput(*problems)
    return OrderId(order_id)


def new_status(
    order: Order, change: StatusChange, at: datetime, *path: str | int
) -> Order | Problem:
    """The order at the status asked for; any status may follow any other."""
    if stale := _stale(order, change.expected_version, *path):
        return stale
    if order.status is change.status:
        return order
    return replace(_changed(order, at), status=change.status)


def new_address(order: Order, change: AddressChange, at: datetime) -> Order | Problem:
    """The order with the address asked for, which can change only while the order is pending."""
    if stale := _stale(order, change.expected_version):
        return stale
    if order.status is not OrderStatus.PENDING:
        message = (
            f"names an order that is {order.status.name}: its address can be changed only while it"
            f" is {OrderStatus.PENDING.name}"
        )
        return Problem(ProblemCode.INVALID, ("order_id",), message)
    if order.address == change.address:
        return order
    return replace(_changed(order, at), address=change.address)


def restored(deleted: Order, deleting_version: int, at: datetime) -> Order:
    """The order as it was when it was deleted, at the version that follows the deletion's."""
    return replace(_changed(deleted, at), version=deleting_version + 1)


def _stale(order: Order, expected_version: int | None, *path: str | int) -> Problem | None:
    if expected_version in {None, order.version}:
        return None
    message = f"is not the order's version, which is {order.version}"
    return Problem(ProblemCode.CONFLICT, (*path, "expected_version"), message)


def _changed(order: Order, at: datetime) -> Order:
    # The clock may have been set back since the last change.
    return replace(order, version=order.version + 1, updated_at=max(at, order.updated_at))
