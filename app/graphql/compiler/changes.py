"""Root fields of mutations: the service's change, then its payload read in the same transaction."""

from collections.abc import Sequence

import orjson

from app.db.steps import Row, Steps
from app.domain.errors import InvalidInput, Problem
from app.domain.order import EventSource, NewOrder
from app.domain.principal import Principal, Scope
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.roots import Answer, Field, Root, Where
from app.graphql.compiler.rows import OneRow, RowPlan
from app.graphql.compiler.selection import below
from app.graphql.errors import user_errors
from app.graphql.idempotency_key import names_a_deleted_order
from app.graphql.inputs import AddOrderInput
from app.services import order_placing
from app.services.order_insertion import ReadBack

_NEEDED = {Scope.ORDERS_READ, Scope.ORDERS_WRITE}


class AddOrder(Root):
    """`addOrder(input:)`."""

    def __init__(self, field: Field) -> None:
        rows = field.rows
        self._arguments = field.arguments()
        self._plan = RowPlan()
        # Of the payload: what stands before each part, and the part, if it is always the same.
        self._errors: dict[str, Sequence[tuple[str, str]]] = {}
        self._parts: list[tuple[str, str]] = []
        kind = rows.kind("AddOrderPayload")
        self._renderers: dict[str, OneRow] = {}
        for key, found in rows.fields(RowPlan(), kind, field.nodes).items():
            name = found[0].name.value
            if name == "order":
                self._renderers[key] = rows.order(self._plan, found).one
            elif name == "userErrors":
                members = rows.selector.fields(rows.kind("UserError"), below(found))
                self._errors[key] = [(one, of[0].name.value) for one, of in members.items()]
            self._parts.append((key, name))
        self._payload = ReadBack(self._plan.columns)

    async def answer(self, caller: Principal | None, variables: Values, where: Where) -> Answer:
        """Place the order, or say why not. It declines before anything is begun, or not at all."""
        if caller is None or not caller.scopes >= _NEEDED:
            raise Declined
        given: AddOrderInput = self._arguments(variables)["input"]
        values = self._plan.values + self._plan.item_values * len(given.items)
        if 2 * values > where.most_values:
            raise Declined  # whether it is too much, the library says
        try:
            new = given.to_service()
            row = await where.database.perform(
                lambda: self._placing(caller, new, given.idempotency_key), where.until
            )
        except InvalidInput as error:
            json = self._payload_of(None, error.problems)
        else:
            json = self._payload_of(row, ())
        return Answer((json,), 0, orjson.loads(json))

    def _placing(self, caller: Principal, new: NewOrder, key: str | None) -> Steps[Row]:
        placed = yield from order_placing.placing_only(
            caller,
            new,
            source=EventSource.GRAPHQL,
            idempotency_key=key,
            reading=self._payload,
        )
        if placed is None:
            raise names_a_deleted_order()
        return placed.read_back

    def _payload_of(self, row: Row | None, problems: Sequence[Problem]) -> str:
        parts = []
        for key, name in self._parts:
            if name == "order":
                value = "null" if row is None else self._renderers[key](row)
            elif name == "userErrors":
                value = _errors(problems, self._errors[key])
            else:
                value = '"AddOrderPayload"'
            parts.append(f'"{key}":{value}')
        return f"{{{','.join(parts)}}}"


def _errors(problems: Sequence[Problem], members: Sequence[tuple[str, str]]) -> str:
    made = [
        {
            "code": error.code.name,
            "field": error.field,
            "message": error.message,
            "__typename": "UserError",
        }
        for error in user_errors(problems)
    ]
    return orjson.dumps([{key: error[name] for key, name in members} for error in made]).decode()
