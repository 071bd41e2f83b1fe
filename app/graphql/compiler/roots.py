"""Root fields of queries: each asks for statements, is sent their rows, and makes its JSON of them.

Which orders are meant, and who may see them, is `app.services.order_queries`' to say, as for every
other read.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from graphql import FieldNode, GraphQLObjectType
from sqlalchemy import Select, bindparam, literal_column, select

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.prepared import Bound, Prepared
from app.db.types import instant
from app.domain.errors import InvalidInput
from app.domain.ids import OrderId, UserId, parse_object_id
from app.domain.principal import Principal, Scope
from app.graphql.compiler.arguments import Declined, Values, arguments_of
from app.graphql.compiler.rows import Renderer, Row, RowPlan, Rows
from app.graphql.inputs import OrderFilter
from app.graphql.pagination import encode_cursor, page_from_arguments
from app.services.order_queries import (
    Meaning,
    OrderSort,
    Page,
    Position,
    any_beyond,
    count_of,
    matching_orders,
    meaning_of,
    page_of,
)
from app.services.order_queries import OrderFilter as Conditions

_MAX_SHAPES = 64


class Reads(NamedTuple):
    """Statements to run. Short ones are known to take a few milliseconds at the most."""

    statements: Sequence[Bound]
    short: bool


class Answer(NamedTuple):
    """The JSON of a root field, and how many values it has at the most.

    `outline` is the same value as far as its price depends on it: objects and lengths of lists.
    """

    json: str
    values: int
    outline: Any


Reading: TypeAlias = Generator[Reads, list[Sequence[Row]], Answer]


class Root(ABC):
    """A root field of one operation."""

    @abstractmethod
    async def answer(self, caller: Principal | None, variables: Values, where: "Where") -> Answer:
        """Answer the field.

        Args:
            caller: Who asks, None without a key that we know.
            variables: The operation's, as resolvers get them.
            where: The database, and what the answer may take.

        Raises:
            Declined: it is not for the compiler, and nothing was changed. That a key is missing or
                may not do this is for the library to say.
        """


@dataclass(frozen=True, slots=True)
class Where:
    """Where an operation is carried out, and within what.

    `most_values` is how many values its answer may have.
    """

    database: Database
    until: Deadline
    most_values: int


class ReadingRoot(Root):
    """A root field that only reads."""

    @abstractmethod
    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """Ask for rows, and make the field's answer of them.

        Raises:
            Declined: as for `answer`.
        """

    async def answer(self, caller: Principal | None, variables: Values, where: Where) -> Answer:
        """Read, and answer the field."""
        reading = self.read(caller, variables)
        try:
            reads = next(reading)
            while True:
                rows = await where.database.fetch(reads.statements, where.until, short=reads.short)
                reads = reading.send(rows)
        except StopIteration as done:
            found: Answer = done.value
            return found


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a root type as it is selected: all nodes that ask for it."""

    rows: Rows
    parent: GraphQLObjectType
    nodes: Sequence[FieldNode]

    def arguments(self) -> Callable[[Values], Values]:
        """What makes its arguments of the operation's variables."""
        node = self.nodes[0]
        return arguments_of(
            self.parent.fields[node.name.value],
            {one.name.value: one.value for one in node.arguments or ()},
        )


class TypeName(ReadingRoot):
    """`__typename`: needs no key, and reads nothing."""

    def __init__(self, field: Field) -> None:
        self._answer = Answer(f'"{field.parent.name}"', 0, None)

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The name of the root type."""
        yield from ()
        return self._answer


class OneOrder(ReadingRoot):
    """`order(id:)`."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._plan = RowPlan()
        self._render = field.rows.order(self._plan, field.nodes)
        self._statements: dict[bool, Prepared] = {}

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The order, or null."""
        order_id = parse_object_id(self._arguments(variables)["id"])
        if order_id is None or caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        answer = yield from self.look_up(caller, OrderId(order_id))
        return answer

    def look_up(self, caller: Principal, order_id: OrderId) -> Reading:
        """The order of an id."""
        is_admin = caller.is_admin
        statement = self._statements.get(is_admin)
        if statement is None:
            meaning = meaning_of(caller, Conditions(ids=(order_id,)))
            found = select_orders(self._plan.columns).where(matching_orders(meaning))
            statement = self._statements[is_admin] = Prepared(found)
        bound = statement.bind(self._engine, {"user": caller.user_id, "ids_1": order_id})
        ((rows,),) = ((yield Reads((bound,), short=True)),)
        if not rows:
            return Answer("null", 0, None)
        json = self._render(rows[0])
        return Answer(json, _values_of_items(json, self._plan), _NOTHING)


class OrderPages(ReadingRoot):
    """`orders`, of the caller's or of all customers, and `orders` of one user."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._plan = RowPlan()
        # What stands before each part, and what makes the part.
        self._parts: list[tuple[str, _Part]] = []
        self._list_keys: list[str] = []
        self._statements: dict[object, Prepared] = {}
        self._has_cursors = self._wants_total = self._wants_next = self._wants_previous = False
        rows, kind = field.rows, field.rows.kind("OrderConnection")
        self._cursor_columns = 0
        columns = self._plan.columns
        # The position comes first, where the cursors are made of it.
        columns += ["", ""]
        for key, found in rows.fields(RowPlan(), kind, field.nodes).items():
            self._parts.append((f'"{key}":', self._part(rows, kind, found)))
            if found[0].name.value in {"nodes", "edges"}:
                self._list_keys.append(key)
        if not self._has_cursors:
            columns[:2] = ["NULL", "NULL"]

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The page."""
        answer = yield from self.of_user(None, caller, variables)
        return answer

    def of_user(self, owner: UserId | None, caller: Principal | None, variables: Values) -> Reading:
        """The page of one user's orders, or of all that the caller may see."""
        if caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        given = self._arguments(variables)
        sort: OrderSort = given["sort"]
        try:
            conditions = (given.get("filter") or _NO_FILTER).conditions(owner)
            page = page_from_arguments(
                given.get("first"), given.get("after"), given.get("last"), given.get("before"), sort
            )
        except InvalidInput:
            raise Declined from None
        if conditions.customer_ids is not None and not caller.is_admin:
            raise Declined
        meaning = meaning_of(caller, conditions)
        shown = yield from self._look_up(meaning, page, sort)
        parts = [lead + part(shown) for lead, part in self._parts]
        json = f"{{{','.join(parts)}}}"
        count = len(shown.rows)
        values = count * self._plan.values + _values_of_items(json, self._plan)
        return Answer(json, values, dict.fromkeys(self._list_keys, range(count)))

    def _look_up(
        self, meaning: Meaning, page: Page, sort: OrderSort
    ) -> Generator[Reads, list[Sequence[Row]], "_Shown"]:
        shape, values = meaning.shape, meaning.parameters
        page_shape = (shape, sort, page.from_end, page.after is None, page.before is None)
        values["limit"] = page.size + 1
        for name, position in (("after", page.after), ("before", page.before)):
            if position is not None:
                values[f"{name}_key"] = position.key
                values[f"{name}_id"] = position.id
        reads = [
            self._bound(
                shape and ("page", page_shape),
                lambda: page_of(select_orders(self._columns(sort)), meaning, page, sort),
                values,
            )
        ]
        if self._wants_total:
            reads.append(self._bound(shape and ("count", shape), lambda: count_of(meaning), values))
        before, after = (
            (page.after if self._wants_previous else None),
            (page.before if self._wants_next else None),
        )
        for edge, forward in ((before, False), (after, True)):
            if edge is not None:
                beyond = {**values, "edge_key": edge.key, "edge_id": edge.id}
                reads.append(
                    self._bound(
                        shape and ("beyond", shape, sort, forward),
                        lambda edge=edge, forward=forward: any_beyond(  # type: ignore[misc]
                            meaning, edge, sort, forward=forward
                        ),
                        beyond,
                    )
                )
        # Of all customers only the first pages are sure to be near.
        is_plain = meaning.conditions == _NO_CONDITIONS and not self._wants_total
        short = shape is not None and (meaning.users is not None or is_plain)
        found = yield Reads(reads, short)
        rows, *others = found
        total = others.pop(0)[0][0] if self._wants_total else 0
        has_previous = bool(others.pop(0)[0][0]) if before is not None else False
        has_next = bool(others.pop(0)[0][0]) if after is not None else False
        more = len(rows) > page.size
        rows = rows[: page.size]
        if page.from_end:
            rows = rows[::-1]
            has_previous = has_previous or more
        else:
            has_next = has_next or more
        return _Shown(rows, sort, total, has_next, has_previous)

    def _bound(
        self, shape: object, make: Callable[[], Select[*tuple[Any, ...]]], values: Mapping[str, Any]
    ) -> Bound:
        """The statement of a shape; one that is made for its values alone is not kept."""
        statement = self._statements.get(shape) if shape is not None else None
        if statement is None:
            statement = Prepared(make())
            if shape is not None and len(self._statements) < _MAX_SHAPES:
                self._statements[shape] = statement
        return statement.bind(self._engine, values)

    def _columns(self, sort: OrderSort) -> Sequence[str]:
        columns = list(self._plan.columns)
        if self._has_cursors:
            columns[:2] = [f"orders.{sort.key}", "orders.id"]
        return columns

    def _part(self, rows: Rows, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> "_Part":
        match nodes[0].name.value:
            case "nodes":
                plan = self._element_plan()
                render = rows.order(plan, nodes)
                self._plan.values += plan.values
                self._plan.take_in(plan.item_values, plan.item_density)
                return lambda shown: f"[{','.join(map(render, shown.rows))}]"
            case "edges":
                return self._edges(rows, nodes)
            case "pageInfo":
                return self._page_info(rows, nodes)
            case "totalCount":
                self._wants_total = True
                return lambda shown: str(shown.total)
            case "__typename":
                return lambda _shown: f'"{kind.name}"'
        raise Declined

    def _element_plan(self) -> RowPlan:
        return RowPlan(self._plan.columns)

    def _edges(self, rows: Rows, nodes: Sequence[FieldNode]) -> "_Part":
        kind = rows.kind("OrderEdge")
        plan = self._element_plan()
        members: list[tuple[str, Callable[[Row, OrderSort], str]]] = []
        for key, found in rows.fields(plan, kind, nodes).items():
            lead = f'"{key}":'
            match found[0].name.value:
                case "cursor":
                    self._has_cursors = True
                    members.append((lead, _cursor))
                case "node":
                    members.append((lead, _of_row(rows.order(plan, found))))
                case "__typename":
                    members.append((lead, lambda _row, _sort: f'"{kind.name}"'))
                case _:
                    raise Declined
        self._plan.values += plan.values
        self._plan.take_in(plan.item_values, plan.item_density)

        def edges(shown: _Shown) -> str:
            sort = shown.sort
            made = [
                f"{{{','.join([lead + member(row, sort) for lead, member in members])}}}"
                for row in shown.rows
            ]
            return f"[{','.join(made)}]"

        return edges

    def _page_info(self, rows: Rows, nodes: Sequence[FieldNode]) -> "_Part":
        kind = rows.kind("PageInfo")
        members: list[tuple[str, _Part]] = []
        for key, found in rows.fields(RowPlan(), kind, nodes).items():
            name = found[0].name.value
            if name in {"startCursor", "endCursor"}:
                self._has_cursors = True
            elif name == "hasNextPage":
                self._wants_next = True
            elif name == "hasPreviousPage":
                self._wants_previous = True
            members.append((f'"{key}":', _PAGE_INFO[name]))
        return lambda shown: f"{{{','.join([lead + member(shown) for lead, member in members])}}}"


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page that was read, and what is known of the list around it."""

    rows: Sequence[Row]
    sort: OrderSort
    total: int
    has_next: bool
    has_previous: bool


_Part: TypeAlias = Callable[[_Shown], str]

_NO_FILTER = OrderFilter()
_NO_CONDITIONS = Conditions()
_NOTHING: Mapping[str, Any] = {}


def _cursor(row: Row, sort: OrderSort) -> str:
    key = row[0] if isinstance(row[0], int) else instant(row[0])
    return f'"{encode_cursor(Position(key, row[1]), sort)}"'


def _of_row(render: Renderer) -> Callable[[Row, OrderSort], str]:
    return lambda row, _sort: render(row)


def _end_cursor(shown: _Shown, position: int) -> str:
    return _cursor(shown.rows[position], shown.sort) if shown.rows else "null"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


_PAGE_INFO: Mapping[str, _Part] = {
    "startCursor": lambda shown: _end_cursor(shown, 0),
    "endCursor": lambda shown: _end_cursor(shown, -1),
    "hasNextPage": lambda shown: _boolean(shown.has_next),
    "hasPreviousPage": lambda shown: _boolean(shown.has_previous),
    "__typename": lambda _shown: '"PageInfo"',
}


class Me(ReadingRoot):
    """`me`: the caller, with pages of their orders."""

    def __init__(self, field: Field) -> None:
        rows = field.rows
        self._engine = rows.spelling.engine
        kind = rows.kind("User")
        fields = rows.fields(RowPlan(), kind, field.nodes)
        pages = {
            key: OrderPages(Field(rows, kind, found))
            for key, found in fields.items()
            if found[0].name.value == "orders"
        }
        plain = {key: found for key, found in fields.items() if key not in pages}
        columns = [
            rows.spelling.whole(rows.spelling.object([f"'{key}',{value}"]))
            for key, value in rows.user(RowPlan(), plain).items()
        ]
        # In the order of the answer: a column of the user's row, or a page.
        self._members: list[tuple[str, int | OrderPages]] = []
        for key in fields:
            page = pages.get(key)
            column = sum(isinstance(member, int) for _, member in self._members)
            self._members.append((key, column if page is None else page))
        user = tables.metadata.tables["users"].alias("u")
        self._statement = Prepared(
            select(*map(literal_column, columns or ["1"]))
            .select_from(user)
            .where(user.c.id == bindparam("user", None, type_=user.c.id.type))
        )

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The caller's account."""
        if caller is None:
            raise Declined
        bound = self._statement.bind(self._engine, {"user": caller.user_id})
        ((rows,),) = ((yield Reads((bound,), short=True)),)
        if not rows:
            raise Declined
        parts, values, outline = [], 0, {}
        for key, member in self._members:
            if isinstance(member, int):
                parts.append(rows[0][member][1:-1])
                continue
            answer = yield from member.of_user(caller.user_id, caller, variables)
            parts.append(f'"{key}":{answer.json}')
            values += answer.values
            outline[key] = answer.outline
        return Answer(f"{{{','.join(parts)}}}", values, outline)


class AnyNode(ReadingRoot):
    """`node(id:)`, of an order or a product."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._order = OneOrder(field)
        product = tables.metadata.tables["products"].alias("p")
        column = field.rows.spelling.whole(field.rows.product(RowPlan(), field.nodes))
        self._product = Prepared(
            select(literal_column(column))
            .select_from(product)
            .where(
                product.c.id == bindparam("id", None, type_=product.c.id.type),
                product.c.deleted_at.is_(None),
            )
        )

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The object. What is no order and no product is for the library to find."""
        object_id = parse_object_id(self._arguments(variables)["id"])
        if object_id is None or caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        answer = yield from self._order.look_up(caller, OrderId(object_id))
        if answer.outline is not None:
            return answer
        bound = self._product.bind(self._engine, {"id": object_id})
        ((rows,),) = ((yield Reads((bound,), short=True)),)
        if not rows:
            raise Declined
        return Answer(rows[0][0], 0, _NOTHING)


def select_orders(columns: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Columns of orders, as SQL; which orders is not said yet."""
    return select(*map(literal_column, columns or ["1"])).select_from(tables.Order)


def _values_of_items(json: str, plan: RowPlan) -> int:
    """How many values the items of an answer have at the most, and its long texts."""
    # No item has fewer objects than its list is reckoned with: the braces can't be too few.
    items = math.ceil(json.count("{") * plan.item_density) if plan.item_density else 0
    return items + len(json) // 100


QUERIES: Mapping[str, Callable[[Field], Root]] = {
    "__typename": TypeName,
    "me": Me,
    "node": AnyNode,
    "order": OneOrder,
    "orders": OrderPages,
}
"""The root fields of queries that are compiled."""
