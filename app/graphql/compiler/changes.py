"""Root fields of mutations: the service's change, then its payload read in the same transaction.

They decline before anything is begun, or when the orders are known and nothing is stored yet, and
never after that. What is read is as the change left it, since nobody else can change it before the
commit; orders that a change left as they were are held to the version that it saw.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import orjson
from graphql import get_named_type
from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import tables
from app.db.dialect import is_one_of
from app.db.prepared import Prepared
from app.db.steps import Row, Statement, Steps, drive
from app.domain.changes import Looking
from app.domain.errors import AppError, Contended, InvalidInput, Problem
from app.domain.order import EventSource, NewOrder, Order
from app.domain.principal import Principal, Scope
from app.graphql.answer_size import TEXT_LENGTH
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.roots import Answer, Field, Root, Where, select_orders
from app.graphql.compiler.rows import Renderer, RowPlan
from app.graphql.compiler.selection import below
from app.graphql.errors import user_errors
from app.graphql.idempotency_key import names_a_deleted_order
from app.graphql.inputs import (
    AddOrderInput,
    ChangeOrderAddressInput,
    ChangeOrderStatusInput,
    DeleteOrdersInput,
    RestoreOrdersInput,
)
from app.services import order_changes, order_placing, order_restoring
from app.services.order_insertion import ReadBack

_SHOWING = frozenset({Scope.ORDERS_READ, Scope.ORDERS_WRITE})
_FOR_ANYBODY = frozenset({Scope.ORDERS_READ, Scope.ADMIN})


class _TooMuch(AppError):
    """The answer may have more values than it may: the library says whether it has."""


class _Outcome(NamedTuple):
    """What came of a change: rows of the orders to be shown, or ids; and what was refused."""

    rows: Sequence[Row] = ()
    problems: Sequence[Problem] = ()
    ids: Sequence[str] = ()


class _Payload:
    """What is selected of a payload.

    Args:
        field: The field that it is the value of.
        columns: Columns that are read of orders besides, before all others.
    """

    def __init__(self, field: Field, columns: Sequence[str]) -> None:
        rows = field.rows
        name = get_named_type(field.parent.fields[field.nodes[0].name.value].type).name
        self.plan = RowPlan([*columns])
        self.shows_orders = False
        self._values_of_problem = 0
        self._parts: list[tuple[str, Callable[[_Outcome], str]]] = []
        for key, found in rows.fields(RowPlan(), rows.kind(name), field.nodes).items():
            match found[0].name.value:
                case "order":
                    part = _one(rows.order(self.plan, found))
                    self.shows_orders = True
                case "orders":
                    part = _all(rows.order(self.plan, found))
                    self.shows_orders = True
                case "deletedIds":
                    part = _ids
                case "userErrors":
                    fields = rows.selector.fields(rows.kind("UserError"), below(found))
                    part = _problems([(one, of[0].name.value) for one, of in fields.items()])
                    # A message may be long enough to count as one more.
                    self._values_of_problem += 2 * len(fields)
                case _:
                    part = _always(f'"{name}"')
            self._parts.append((f'"{key}":', part))

    def json(self, outcome: _Outcome) -> str:
        """The payload."""
        return f"{{{','.join([lead + part(outcome) for lead, part in self._parts])}}}"

    def values_of(self, orders: Sequence[Order]) -> int:
        """About how many values it has for so many orders."""
        each, of_item = self.plan.values, self.plan.item_values
        values = 0
        for order in orders:
            values += each * (1 + len(order.address) // TEXT_LENGTH)
            values += of_item * sum(1 + len(item.name) // TEXT_LENGTH for item in order.items)
        return values

    def values_of_problems(self, number: int) -> int:
        """How many values it has for so many problems at the most."""
        return number * self._values_of_problem


def _one(renderer: Renderer) -> Callable[[_Outcome], str]:
    return lambda outcome: renderer.one(outcome.rows[0]) if outcome.rows else "null"


def _all(renderer: Renderer) -> Callable[[_Outcome], str]:
    return lambda outcome: f"[{''.join(renderer.many(outcome.rows))}]"


def _ids(outcome: _Outcome) -> str:
    return orjson.dumps(outcome.ids).decode()


def _always(value: str) -> Callable[[_Outcome], str]:
    return lambda _outcome: value


def _problems(members: Sequence[tuple[str, str]]) -> Callable[[_Outcome], str]:
    def errors(outcome: _Outcome) -> str:
        made = [
            {
                "code": error.code.name,
                "field": error.field,
                "message": error.message,
                "__typename": "UserError",
            }
            for error in user_errors(outcome.problems)
        ]
        return orjson.dumps(
            [{key: error[name] for key, name in members} for error in made]
        ).decode()

    return errors


class _Change(Root):
    """A root field that changes something. Subclasses say which scopes its callers need."""

    needed: ClassVar[frozenset[Scope]]
    # Orders by their ids, and what tells whether they are still as they were.
    columns: ClassVar[Sequence[str]] = ()

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._payload = _Payload(field, self.columns)

    async def answer(self, caller: Principal | None, variables: Values, where: Where) -> Answer:
        """Make the change, or say why not. It declines before anything is stored, or not at all."""
        if caller is None or not caller.scopes >= self.needed:
            raise Declined
        try:
            outcome = await self._made(caller, self._arguments(variables)["input"], where)
        except InvalidInput as error:
            outcome = _Outcome(problems=error.problems)
        except _TooMuch:
            raise Declined from None
        json = self._payload.json(outcome)
        return Answer((json,), 0, orjson.loads(json))

    @abstractmethod
    async def _made(self, caller: Principal, given: Any, where: Where) -> _Outcome:
        """Make the change.

        Args:
            caller: Who asks. They have the scopes.
            given: The input, as resolvers get it.
            where: The database, and what the answer may take.

        Raises:
            InvalidInput: it was refused, and nothing was changed.
            _TooMuch: nothing was changed.
        """


class AddOrder(_Change):
    """`addOrder(input:)`."""

    needed = _SHOWING

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        self._reading = ReadBack(self._payload.plan.columns)

    async def _made(self, caller: Principal, given: AddOrderInput, where: Where) -> _Outcome:
        plan = self._payload.plan
        if 2 * (plan.values + plan.item_values * len(given.items)) > where.most_values:
            raise _TooMuch
        new = given.to_service()
        row = await where.database.perform(
            lambda: self._placing(caller, new, given.idempotency_key), where.until
        )
        return _Outcome((row,))

    def _placing(self, caller: Principal, new: NewOrder, key: str | None) -> Steps[Row]:
        placed = yield from order_placing.placing_only(
            caller,
            new,
            source=EventSource.GRAPHQL,
            idempotency_key=key,
            reading=self._reading,
        )
        if placed is None:
            raise names_a_deleted_order()
        return placed.read_back


_ORDERS = tables.metadata.tables["orders"]
_ARE_ASKED_FOR = is_one_of(_ORDERS.c.id, "ids")
_OF_USER = _ORDERS.c.user_id == bindparam("user_id")


class _ChangeOfOrders(_Change):
    """A change of orders that are there, or were."""

    columns = ("orders.id", "orders.version")

    def __init__(self, field: Field) -> None:
        super().__init__(field)
        found = select_orders(self._payload.plan.columns).where(_ARE_ASKED_FOR)
        # By whether they are all of one customer. Where it can be, the customer is named: all rows
        # that are theirs lie together.
        self._statements = {True: Prepared(found.where(_OF_USER)), False: Prepared(found)}

    def _limit(self, number: int, where: Where) -> Looking:
        """What holds the orders that will be shown to the limit on values.

        Args:
            number: How many may be refused.
            where: What the answer may take.

        Raises:
            _TooMuch: what is refused may already be too much.
        """
        problems = self._payload.values_of_problems(number)
        # Twice: texts of products and customers are not known beforehand.
        most_values = where.most_values // 2
        if problems > most_values:
            raise _TooMuch

        def look(orders: Sequence[Order]) -> None:
            if problems + self._payload.values_of(orders) > most_values:
                raise _TooMuch

        return look

    def _reading(self, orders: Sequence[Order]) -> Steps[Sequence[Row]]:
        """The rows of orders that were changed, or left as they were, in their order.

        Raises:
            Contended: one that was left as it was is not like that any more.
        """
        if not orders or not self._payload.shows_orders:
            return ()
        users = {order.user_id for order in orders}
        values = {"ids": [order.id for order in orders], "user_id": orders[0].user_id}
        rows = yield Statement(self._statements[len(users) == 1], values)
        row_of: Mapping[str, Row] = {row[0]: row for row in rows}
        found = [row_of[order.id] for order in orders if order.id in row_of]
        if [row[1] for row in found] != [order.version for order in orders]:
            raise Contended
        return found


class ChangeOrderStatus(_ChangeOfOrders):
    """`changeOrderStatus(input:)`."""

    needed = _FOR_ANYBODY

    async def _made(
        self, caller: Principal, given: ChangeOrderStatusInput, where: Where
    ) -> _Outcome:
        changes = given.to_service()
        looking = self._limit(len(changes), where)

        def changing() -> Steps[_Outcome]:
            result = yield from order_changes.changing_status(
                caller,
                changes,
                on_error=given.on_error,
                source=EventSource.GRAPHQL,
                looking=looking,
            )
            return _Outcome((yield from self._reading(result.orders)), result.problems)

        is_short = len(changes) <= order_changes.SHORT
        return await where.database.perform(changing, where.until, short=is_short)


class ChangeOrderAddress(_ChangeOfOrders):
    """`changeOrderAddress(input:)`."""

    needed = _SHOWING

    async def _made(
        self, caller: Principal, given: ChangeOrderAddressInput, where: Where
    ) -> _Outcome:
        change = given.to_service()
        looking = self._limit(_PROBLEMS_OF_ONE, where)

        def changing() -> Steps[_Outcome]:
            order = yield from order_changes.changing_address(
                caller, change, source=EventSource.GRAPHQL, looking=looking
            )
            return _Outcome((yield from self._reading([order])))

        return await where.database.perform(changing, where.until)


# Of the id and the address; every other one alone.
_PROBLEMS_OF_ONE = 2


class DeleteOrders(_ChangeOfOrders):
    """`deleteOrders(input:)`."""

    needed = frozenset({Scope.ORDERS_WRITE})

    async def _made(self, caller: Principal, given: DeleteOrdersInput, where: Where) -> _Outcome:
        ids = given.to_service()
        self._limit(len(ids), where)
        result = await where.database.perform(
            lambda: order_changes.deleting(
                caller, ids, on_error=given.on_error, source=EventSource.GRAPHQL
            ),
            where.until,
            short=len(ids) <= order_changes.SHORT,
        )
        return _Outcome(problems=result.problems, ids=result.ids)


class RestoreOrders(_ChangeOfOrders):
    """`restoreOrders(input:)`."""

    needed = _FOR_ANYBODY

    async def _made(self, caller: Principal, given: RestoreOrdersInput, where: Where) -> _Outcome:
        ids = given.to_service()
        looking = self._limit(len(ids), where)

        async def restore(connection: AsyncConnection) -> _Outcome:
            result = await order_restoring.restore_orders(
                connection,
                caller,
                ids,
                on_error=given.on_error,
                source=EventSource.GRAPHQL,
                looking=looking,
            )
            return _Outcome(await drive(connection, self._reading(result.orders)), result.problems)

        return await where.database.write(restore, where.until)


CHANGES: Mapping[str, Callable[[Field], Root]] = {
    "addOrder": AddOrder,
    "changeOrderAddress": ChangeOrderAddress,
    "changeOrderStatus": ChangeOrderStatus,
    "deleteOrders": DeleteOrders,
    "restoreOrders": RestoreOrders,
}
"""The root fields of mutations that are compiled."""
