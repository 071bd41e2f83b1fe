"""What is looked up by numbers and ids, and the catalogue: a statement for each kind of object."""

from collections.abc import Iterator, Sequence
from typing import Any

from graphql import FieldNode, GraphQLObjectType, get_named_type
from sqlalchemy import Integer, Select, bindparam, literal_column, select, union_all

from app.db import tables
from app.db.dialect import is_one_of
from app.db.prepared import Prepared
from app.domain.errors import InvalidInput
from app.domain.ids import UserId, parse_object_id
from app.domain.principal import Principal, Scope
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.roots import (
    NOTHING,
    Answer,
    Field,
    Reading,
    ReadingRoot,
    Reads,
    select_orders,
    values_of_items,
)
from app.graphql.compiler.rows import Row, RowPlan, Rows
from app.graphql.compiler.selection import below
from app.graphql.cost import values_of
from app.graphql.pagination import check_list, page_size
from app.services.order_queries import OrderFilter as Conditions
from app.services.order_queries import matching_orders, meaning_of
from app.services.products import by_name, live

_ORDERS = tables.metadata.tables["orders"]
_PRODUCTS = tables.metadata.tables["products"].alias("p")
_PRODUCTS_ASKED_FOR = is_one_of(_PRODUCTS.c.id, "ids")
# Whose ids are of other types, whether or not the caller may see them.
_ELSEWHERE = Prepared(
    union_all(
        *(
            select(table.c.id).where(is_one_of(table.c.id, "ids"))
            for table in (tables.metadata.tables[name] for name in ("users", "api_keys"))
        )
    )
)


class NumberedOrder:
    """`order(number:)` of the caller."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._plan = RowPlan()
        self._render = field.rows.order(self._plan, field.nodes).one
        self._statement: Prepared | None = None

    def of_user(self, owner: UserId, caller: Principal, variables: Values) -> Reading:
        """The order of the caller that has the number, or null."""
        if Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        if self._statement is None:
            number = _ORDERS.c.order_number == bindparam("number", type_=Integer())
            meaning = meaning_of(caller, Conditions(owner))
            found = select_orders(self._plan.columns).where(matching_orders(meaning), number)
            self._statement = Prepared(found)
        values = {"user": owner, "number": self._arguments(variables)["number"]}
        (rows,) = yield Reads((self._statement.bind(self._engine, values),), short=True)
        if not rows:
            return Answer(("null",), 0, None)
        pieces = (self._render(rows[0]),)
        return Answer(pieces, values_of_items(len(pieces[0]), pieces, self._plan), NOTHING)


class Products(ReadingRoot):
    """`products(ids:, first:)`. What words find is for the library."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._plan = RowPlan()
        column = field.rows.product(self._plan, field.nodes)
        found: Select[*tuple[Any, ...]] = select(literal_column(column)).select_from(_PRODUCTS)
        found = found.where(live(_PRODUCTS))
        self._first = Prepared(
            found.order_by(*by_name(_PRODUCTS)).limit(bindparam("limit", type_=Integer()))
        )
        self._by_ids = Prepared(
            found.where(_PRODUCTS_ASKED_FOR).order_by(*by_name(_PRODUCTS, looked_up=True))
        )

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The first ones by name, or those of some ids."""
        given = self._arguments(variables)
        if caller is None or Scope.ORDERS_READ not in caller.scopes or given.get("search"):
            raise Declined
        try:
            limit = page_size(given["first"], "first")
        except InvalidInput:
            raise Declined from None
        if given.get("ids") is None:
            bound = self._first.bind(self._engine, {"limit": limit})
        else:
            bound = self._by_ids.bind(self._engine, {"ids": _ids(given["ids"])})
        (rows,) = yield Reads((bound,), short=True)
        json = ",".join([row[0] for row in rows])
        values = len(rows) * self._plan.values + len(json) // 100
        return Answer(("[", json, "]"), values, range(len(rows)))


class ManyNodes(ReadingRoot):
    """`nodes(ids:)`, of orders and products."""

    def __init__(self, field: Field) -> None:
        rows = field.rows
        self._arguments = field.arguments()
        self._engine = rows.spelling.engine
        self._plan = RowPlan(["orders.id"])
        self._render = rows.order(self._plan, field.nodes).one
        # Each element counts as if it was of the type of which the most is asked for.
        node = get_named_type(field.parent.fields[field.nodes[0].name.value].type)
        possible = rows.selector.schema.get_possible_types(node)
        self._values = max(_values_below(rows, kind, field.nodes) for kind in possible)
        column = rows.product(RowPlan(), field.nodes)
        self._products = Prepared(
            select(_PRODUCTS.c.id, literal_column(column)).where(
                live(_PRODUCTS), _PRODUCTS_ASKED_FOR
            )
        )
        self._orders: dict[bool, Prepared] = {}

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The objects. If one is neither an order nor a product, all are for the library."""
        if caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        ids = _ids(self._arguments(variables)["ids"])
        orders = self._orders.get(caller.is_admin)
        if orders is None:
            conditions = matching_orders(meaning_of(caller, Conditions()))
            asked_for = is_one_of(_ORDERS.c.id, "ids")
            found = select_orders(self._plan.columns).where(conditions, asked_for)
            orders = self._orders[caller.is_admin] = Prepared(found)
        made = {}
        if ids:
            values = {"user": caller.user_id, "ids": ids}
            (rows,) = yield Reads((orders.bind(self._engine, values),), short=True)
            made = {row[0]: self._render(row) for row in rows}
        characters = sum(map(len, made.values()))
        most_values = values_of_items(characters, [*made.values()], self._plan)
        if others := [one for one in ids if one not in made]:
            bound = self._products.bind(self._engine, {"ids": others})
            (rows,) = yield Reads((bound,), short=True)
            made |= _by_id(rows)
        if others := [one for one in others if one not in made]:
            (rows,) = yield Reads((_ELSEWHERE.bind(self._engine, {"ids": others}),), short=True)
            if rows:
                raise Declined
        json = ",".join([made.get(one, "null") for one in ids])
        # What is asked for twice is shown twice.
        most_values *= max(map(ids.count, ids), default=1)
        return Answer(
            ("[", json, "]"),
            len(ids) * self._values + most_values + len(json) // 100,
            [NOTHING if one in made else None for one in ids],
        )


def _ids(texts: Sequence[str]) -> list[str]:
    try:
        check_list(len(texts), "ids")
    except InvalidInput:
        raise Declined from None
    ids = [one for one in map(parse_object_id, texts) if one is not None]
    if len(ids) < len(texts):
        raise Declined
    return ids


def _by_id(rows: Sequence[Row]) -> dict[str, str]:
    return {row[0]: row[1] for row in rows}


def _values_below(rows: Rows, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> int:
    """How many values an object of the type has at the most, with one element in each list."""
    return sum(_values_of_each(rows, kind, nodes))


def _values_of_each(
    rows: Rows, kind: GraphQLObjectType, nodes: Sequence[FieldNode]
) -> Iterator[int]:
    for found in rows.selector.fields(kind, below(nodes)).values():
        field: Any = kind.fields.get(found[0].name.value)
        yield 1 if field is None else values_of(field)
        inner = None if field is None else get_named_type(field.type)
        if isinstance(inner, GraphQLObjectType):
            yield _values_below(rows, inner, found)
