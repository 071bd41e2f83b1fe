"""The parts that every read of orders is made of: who may see, which, in what order, from where.

Nothing here does input or output.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    UnaryExpression,
    and_,
    bindparam,
    exists,
    false,
    func,
    literal,
    select,
    true,
    tuple_,
)
from sqlmodel import col

from app.db import tables
from app.db.dialect import ends_key, tested_only
from app.db.search import words_begin_with
from app.domain.ids import OrderId, ProductId, UserId
from app.domain.order import Order, OrderStatus, ShippingMethod
from app.domain.principal import Principal, Scope

_ORDERS = tables.metadata.tables["orders"]
_ITEMS = tables.metadata.tables["order_items"]

Selected = TypeVar("Selected", bound=Select[*tuple[Any, ...]])


class OrderSort(Enum):
    """How a list of orders is sorted; ties are broken by id, in the same direction.

    Each value is the attribute of `Order`, and column of its table, that is sorted by, and whether
    the greatest comes first.
    """

    CREATED_AT_ASC = ("created_at", False)
    CREATED_AT_DESC = ("created_at", True)
    UPDATED_AT_ASC = ("updated_at", False)
    UPDATED_AT_DESC = ("updated_at", True)
    TOTAL_ASC = ("total_minor", False)
    TOTAL_DESC = ("total_minor", True)

    @property
    def key(self) -> str:
        """What is sorted by."""
        return self.value[0]

    @property
    def descending(self) -> bool:
        """Whether the greatest comes first."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class OrderFilter:
    """Which orders are meant; all conditions must hold, None is no condition.

    The `*_to` are the first instants left out. `words` are those of `domain.words`.
    """

    owner: UserId | None = None
    ids: tuple[OrderId, ...] | None = None
    statuses: tuple[OrderStatus, ...] | None = None
    shipping: tuple[ShippingMethod, ...] | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    updated_from: datetime | None = None
    updated_to: datetime | None = None
    product_ids: tuple[ProductId, ...] | None = None
    customer_ids: tuple[UserId, ...] | None = None
    external_ids: tuple[str, ...] | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a filter means for a caller: of whose orders, and which of these.

    `users` are those whose orders alone can match; None is all users.
    """

    users: tuple[UserId, ...] | None
    conditions: OrderFilter

    @property
    def shape(self) -> tuple[object, ...] | None:
        """What a statement depends on beside the values of its parameters; None if on these too."""
        conditions = self.conditions
        if conditions.words:
            return None
        return (
            None if self.users is None else len(self.users),
            _length(conditions.ids),
            _length(conditions.statuses),
            _length(conditions.shipping),
            conditions.created_from is None,
            conditions.created_to is None,
            conditions.updated_from is None,
            conditions.updated_to is None,
            _length(conditions.product_ids),
            _length(conditions.external_ids),
        )

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for a statement made for another filter of the same shape."""
        conditions = self.conditions
        found: dict[str, Any] = {
            "created_at_from": conditions.created_from,
            "created_at_to": conditions.created_to,
            "updated_at_from": conditions.updated_from,
            "updated_at_to": conditions.updated_to,
        }
        if self.users is not None and len(self.users) == 1:
            found["user"] = self.users[0]
        for name, values in (
            ("users", self.users),
            ("ids", conditions.ids),
            ("statuses", conditions.statuses),
            ("methods", conditions.shipping),
            ("products", conditions.product_ids),
            ("external_ids", conditions.external_ids),
        ):
            for position, value in enumerate(values or (), start=1):
                found[f"{name}_{position}"] = value
        if conditions.statuses:
            found["status"] = conditions.statuses[0]
        return found


def _length(values: Sequence[object] | None) -> int | None:
    return None if values is None else len(values)


@dataclass(frozen=True, slots=True)
class Position:
    """Where an order stands in a sorted list; it stays meaningful when that order is deleted."""

    key: datetime | int
    id: str


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a sorted list is meant: `size` orders between two positions.

    They are the first ones after `after`, or with `from_end` the last ones before `before`.
    """

    size: int
    after: Position | None = None
    before: Position | None = None
    from_end: bool = False


def position_of(order: Order, sort: OrderSort) -> Position:
    """Where the order stands in a list of that sort."""
    return Position(getattr(order, sort.key), order.id)


def accessible_orders(principal: Principal) -> ColumnElement[bool]:
    """The condition that every access starts from: one's own orders, all for administrators."""
    if principal.is_admin:
        return literal(True)
    return col(tables.Order.user_id) == principal.user_id


def visible_orders(principal: Principal) -> ColumnElement[bool]:
    """The condition that every read starts from.

    Raises:
        Forbidden: the key lacks `orders:read`.
    """
    principal.require(Scope.ORDERS_READ)
    return accessible_orders(principal)


def meaning_of(principal: Principal, conditions: OrderFilter) -> Meaning:
    """What the filter means for the caller.

    Raises:
        Forbidden: the key lacks `orders:read`, or `admin` for the orders of other customers.
    """
    principal.require(Scope.ORDERS_READ)
    if set(conditions.customer_ids or ()) - {principal.user_id}:
        principal.require(Scope.ADMIN)
    limits = [
        None if principal.is_admin else (principal.user_id,),
        None if conditions.owner is None else (conditions.owner,),
        conditions.customer_ids,
    ]
    given = [set(users) for users in limits if users is not None]
    return Meaning(tuple(sorted(set.intersection(*given))) if given else None, conditions)


def matching_orders(meaning: Meaning, *, sort: OrderSort | None = None) -> ColumnElement[bool]:
    """Those of the visible orders that meet all conditions of a filter.

    Args:
        meaning: The filter, as `meaning_of` the caller's.
        sort: How they are read, if by the page. Then the rows are walked in that order along its
            index, and tested, until the page is full; unless a condition that few orders meet
            leads to them directly: those are looked up, and sorted.
    """
    users, conditions = meaning.users, meaning.conditions
    if users is not None and not users:
        return false()
    looked_up = _looked_up(conditions, users)
    indexed = _indexed(conditions, users, sort, walking=not looked_up)

    def column(name: str) -> ColumnElement[Any]:
        plain = _ORDERS.c[name]
        return plain if name in indexed else tested_only(plain)

    clauses = [*looked_up]
    if users is not None:
        clauses.append(_of_users(_ORDERS.c.user_id, users))
    if conditions.statuses is not None:
        statuses = [status.value for status in conditions.statuses]
        # One value and not a list of one: rows of an index are sorted behind a single value only.
        clauses.append(
            column("status") == _value("status", statuses[0], _ORDERS.c.status)
            if len(statuses) == 1
            else column("status").in_(_values("statuses", statuses, _ORDERS.c.status))
        )
    if conditions.shipping is not None:
        clauses.append(_shipped_by(conditions.shipping))
    clauses += _within("created_at", column, conditions.created_from, conditions.created_to)
    clauses += _within("updated_at", column, conditions.updated_from, conditions.updated_to)
    return and_(true(), *clauses)


def _value(name: str, value: object, column: ColumnElement[Any]) -> BindParameter[Any]:
    """A value as a parameter with a name, by which another one can take its place."""
    return bindparam(name, value, type_=column.type)


def _values(name: str, values: Iterable[object], column: ColumnElement[Any]) -> BindParameter[Any]:
    return bindparam(name, list(values), type_=column.type, expanding=True)


def _of_users(column: ColumnElement[Any], users: tuple[UserId, ...]) -> ColumnElement[bool]:
    if len(users) == 1:
        return column == _value("user", users[0], column)
    return column.in_(_values("users", users, column))


def _looked_up(
    conditions: OrderFilter, users: tuple[UserId, ...] | None
) -> list[ColumnElement[bool]]:
    """The conditions that few orders meet, each with an index that leads to them."""
    order, item, words = _ORDERS.c, _ITEMS.c, tables.OrderWords
    key = tuple_(order.user_id, order.id)
    clauses: list[ColumnElement[bool]] = []
    if conditions.ids is not None and len(conditions.ids) == 1 and len(users or ()) == 1:
        clauses.append(ends_key(order.id, _value("ids_1", conditions.ids[0], order.id)))
    elif conditions.ids is not None:
        clauses.append(order.id.in_(_values("ids", conditions.ids, order.id)))
    if conditions.external_ids is not None:
        external_ids = _values("external_ids", conditions.external_ids, order.external_id)
        clauses.append(order.external_id.in_(external_ids))
    if conditions.product_ids is not None:
        bought = select(item.user_id, item.order_id).where(
            item.product_id.in_(_values("products", conditions.product_ids, item.product_id))
        )
        if users is not None:
            bought = bought.where(_of_users(item.user_id, users))
        clauses.append(key.in_(bought))
    if conditions.words:
        owner = users[0] if users is not None and len(users) == 1 else None
        found = select(col(words.user_id), col(words.order_id)).where(
            words_begin_with(conditions.words, owner)
        )
        clauses.append(key.in_(found))
    return clauses


def _indexed(
    conditions: OrderFilter,
    users: tuple[UserId, ...] | None,
    sort: OrderSort | None,
    *,
    walking: bool,
) -> set[str]:
    """The columns that the other conditions may use an index of."""
    if not walking:
        return set()
    if sort is None:
        # The index on the status leads to the orders of all users.
        return {"created_at", "updated_at"} | ({"status"} if users is None else set())
    one_status = conditions.statuses is not None and len(conditions.statuses) == 1
    if users is None and one_status and sort.key == "created_at":
        return {"status", "created_at"}
    return {sort.key}


def _within(
    name: str,
    column: Callable[[str], ColumnElement[Any]],
    start: datetime | None,
    end: datetime | None,
) -> list[ColumnElement[bool]]:
    plain = _ORDERS.c[name]
    clauses = []
    if start is not None:
        clauses.append(column(name) >= _value(f"{name}_from", start, plain))
    if end is not None:
        clauses.append(column(name) < _value(f"{name}_to", end, plain))
    return clauses


def _shipped_by(methods: Sequence[ShippingMethod]) -> ColumnElement[bool]:
    order, item = _ORDERS.c, _ITEMS.c
    return exists(literal(1)).where(
        item.user_id == order.user_id,
        item.order_id == order.id,
        item.shipping.in_(_values("methods", [one.value for one in methods], item.shipping)),
    )


def beyond(
    name: str, position: Position, sort: OrderSort, *, ascending: bool, inclusive: bool = False
) -> ColumnElement[bool]:
    """The orders past a position, in a direction.

    Args:
        name: What the position is called among the statement's parameters.
        position: Where to stand.
        sort: What the list is sorted by.
        ascending: Towards the greater ones.
        inclusive: Whether an order at the position itself counts too.
    """
    key, id_ = _sort_columns(sort)
    here = tuple_(key, id_)
    there = tuple_(_value(f"{name}_key", position.key, key), _value(f"{name}_id", position.id, id_))
    if ascending:
        return here >= there if inclusive else here > there
    return here <= there if inclusive else here < there


def page_of(statement: Selected, meaning: Meaning, page: Page, sort: OrderSort) -> Selected:
    """The statement for a page, and one order more, which tells whether the list goes on.

    With `from_end` the rows come in the order opposite to the list's.
    """
    ascending = sort.descending is page.from_end
    statement = statement.where(matching_orders(meaning, sort=sort))
    if page.after is not None:
        statement = statement.where(
            beyond("after", page.after, sort, ascending=not sort.descending)
        )
    if page.before is not None:
        statement = statement.where(beyond("before", page.before, sort, ascending=sort.descending))
    limit = bindparam("limit", page.size + 1, type_=Integer)
    return statement.order_by(*sorted_by(sort, ascending=ascending)).limit(limit)


def any_beyond(
    meaning: Meaning, position: Position, sort: OrderSort, *, forward: bool
) -> Select[bool]:
    """Whether the list has an order at the position or past it.

    Args:
        meaning: Which orders the list holds.
        position: Where to stand in the list.
        sort: How it is sorted.
        forward: Look towards the end of the list, else towards its beginning.
    """
    past = beyond("edge", position, sort, ascending=forward is not sort.descending, inclusive=True)
    found = exists(literal(1)).where(matching_orders(meaning, sort=sort)).where(past)
    # Of its own orders, also as a part of a statement that reads some.
    return select(found.correlate(None))


def count_of(meaning: Meaning) -> Select[int]:
    """How many orders there are."""
    return select(func.count()).select_from(tables.Order).where(matching_orders(meaning))


def sorted_by(sort: OrderSort, *, ascending: bool) -> Sequence[UnaryExpression[Any]]:
    """What to ORDER BY for a list of that sort, in either direction."""
    return [column.asc() if ascending else column.desc() for column in _sort_columns(sort)]


def _sort_columns(sort: OrderSort) -> tuple[ColumnElement[Any], ...]:
    return _ORDERS.c[sort.key], _ORDERS.c.id
