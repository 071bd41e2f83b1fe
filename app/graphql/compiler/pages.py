"""Pages of orders: each a statement, with their number and what is beyond an end beside its rows.

Where a statement is no round trip, those are statements of their own, which are simpler.
Which orders are meant, and who may see them, is `app.services.order_queries`' to say, as for every
other read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, TypeAlias

from graphql import FieldNode, GraphQLObjectType
from sqlalchemy import Select

from app.db.database import Database
from app.db.prepared import Bound, Prepared
from app.db.types import instant
from app.domain.errors import InvalidInput
from app.domain.ids import UserId
from app.domain.principal import Principal, Scope
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.roots import (
    Answer,
    Field,
    Reading,
    ReadingRoot,
    Reads,
    close,
    select_orders,
    values_of_items,
)
from app.graphql.compiler.rows import OneRow, Row, RowPlan, Rows
from app.graphql.inputs import OrderFilter
from app.graphql.pagination import encode_cursor, page_from_arguments
from app.services.order_queries import (
    Meaning,
    OrderSort,
    Page,
    Position,
    any_beyond,
    count_of,
    meaning_of,
    page_of,
)
from app.services.order_queries import OrderFilter as Conditions

_MAX_SHAPES = 64
_MAX_CALLERS = 256


class OrderPages(ReadingRoot):
    """`orders`, of the caller's or of all customers, and `orders` of one user."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._has_round_trips = field.rows.spelling.has_round_trips
        self._plan = RowPlan()
        # What stands before each part, and what makes the part.
        self._parts: list[tuple[str, _Part]] = []
        self._list_keys: list[str] = []
        self._statements: dict[object, Prepared] = {}
        # What the same arguments led to, by whose orders and who asks.
        self._asked_before: dict[tuple[UserId | None, UserId, bool], _Asked] = {}
        self._has_cursors = self._wants_total = self._wants_next = self._wants_previous = False
        rows, kind = field.rows, field.rows.kind("OrderConnection")
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
        asked = self._wanted(owner, caller, variables)
        found = yield asked.reads
        if asked.beside is not None:
            others = asked.beside.values_in(found[0])
            if others is None:
                others = yield Reads(asked.beside.reads(), asked.reads.short)
            found = [found[0], *others]
        return self._answer(found, asked)

    def at_once(
        self, caller: Principal | None, variables: Values, database: Database
    ) -> Answer | None:
        """The same. Generators would take a good part of the time of a small page."""
        if not database.reads_at_once:
            return None
        asked = self._wanted(None, caller, variables)
        found = database.at_once(asked.reads.statements) if asked.reads.short else None
        return None if found is None else self._answer(found, asked)

    def _wanted(
        self, owner: UserId | None, caller: Principal | None, variables: Values
    ) -> "_Asked":
        if caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        if not self._arguments.are_fixed:
            return self._asked(owner, caller, self._arguments(variables))
        about = (owner, caller.user_id, caller.is_admin)
        asked = self._asked_before.get(about)
        if asked is None:
            asked = self._asked(owner, caller, self._arguments.fixed)
            if len(self._asked_before) < _MAX_CALLERS:
                self._asked_before[about] = asked
        return asked

    def _answer(self, found: list[Sequence[Row]], asked: "_Asked") -> Answer:
        shown = self._shown(found, asked)
        pieces = ["{"]
        for lead, part in self._parts:
            pieces.append(lead)
            pieces += part(shown)
            pieces.append(",")
        close(pieces)
        count = len(shown.rows)
        characters = sum(map(len, pieces))
        values = count * self._plan.values + values_of_items(characters, pieces, self._plan)
        return Answer(pieces, values, dict.fromkeys(self._list_keys, range(count)))

    def _asked(self, owner: UserId | None, caller: Principal, given: Values) -> "_Asked":
        """What to read for some arguments.

        Raises:
            Declined: they are not for the compiler.
        """
        sort: OrderSort = given["sort"]
        try:
            wanted: OrderFilter | None = given.get("filter")
            conditions = wanted.conditions(owner) if wanted is not None else Conditions(owner)
            page = page_from_arguments(
                given.get("first"), given.get("after"), given.get("last"), given.get("before"), sort
            )
        except InvalidInput:
            raise Declined from None
        if conditions.customer_ids is not None and not caller.is_admin:
            raise Declined
        meaning = meaning_of(caller, conditions)
        shape, values = meaning.shape, meaning.parameters
        page_shape = (shape, sort, page.from_end, page.after is None, page.before is None)
        values["limit"] = page.size + 1
        for name, position in (("after", page.after), ("before", page.before)):
            if position is not None:
                values[f"{name}_key"] = position.key
                values[f"{name}_id"] = position.id
        around = self._around(meaning, page, sort, values)
        statement = partial(self._page_of, meaning, page, sort)
        if around and self._stand_beside(meaning, page):
            is_all = page.after is None and page.before is None
            beside = _Beside(len(around), partial(self._reads_of, around), is_all)
            make = partial(_with_values, statement, around)
            reads = [self._bound(shape and ("all", page_shape), make, around[-1].values)]
        else:
            beside = None
            reads = [self._bound(shape and ("page", page_shape), statement, values)]
            reads += self._reads_of(around)
        # Of all customers only the first pages are sure to be near.
        is_plain = meaning.conditions == _NO_CONDITIONS and not self._wants_total
        short = shape is not None and (meaning.users is not None or is_plain)
        return _Asked(Reads(reads, short), beside, page, sort)

    def _page_of(self, meaning: Meaning, page: Page, sort: OrderSort) -> Select[Any]:
        return page_of(select_orders(self._columns(sort)), meaning, page, sort)

    def _around(
        self, meaning: Meaning, page: Page, sort: OrderSort, values: Mapping[str, Any]
    ) -> list["_Value"]:
        """What is to be found of the list around a page, in the order in which it is shown."""
        shape = meaning.shape
        around = []
        if self._wants_total:
            kind = shape and ("count", shape)
            around.append(_Value(kind, partial(count_of, meaning), values))
        for edge, forward in ((self._before(page), False), (self._after(page), True)):
            if edge is not None:
                kind = shape and ("beyond", shape, sort, forward)
                make = partial(any_beyond, meaning, edge, sort, forward=forward)
                there = {**values, "edge_key": edge.key, "edge_id": edge.id}
                around.append(_Value(kind, make, there))
        return around

    def _before(self, page: Page) -> Position | None:
        """From where to look whether there are orders before the page."""
        return page.after if self._wants_previous else None

    def _after(self, page: Page) -> Position | None:
        """From where to look whether there are orders after it."""
        return page.before if self._wants_next else None

    def _stand_beside(self, meaning: Meaning, page: Page) -> bool:
        """Whether what is around a page is found by the statement of the page.

        Of one customer's orders all is on one server, even if they are spread over several.
        """
        return (
            self._has_round_trips
            and len(meaning.users or ()) == 1
            and (self._before(page) is None or self._after(page) is None)
        )

    def _reads_of(self, around: Sequence["_Value"]) -> list[Bound]:
        return [self._bound(one.shape, one.make, one.values) for one in around]

    def _shown(self, found: list[Sequence[Row]], asked: "_Asked") -> "_Shown":
        """What was found of it."""
        rows, *others = found
        page = asked.page
        total = others.pop(0)[0][0] if self._wants_total else 0
        looks_before = self._before(page) is not None
        looks_after = self._after(page) is not None
        has_previous = bool(others.pop(0)[0][0]) if looks_before else False
        has_next = bool(others.pop(0)[0][0]) if looks_after else False
        more = len(rows) > page.size
        if more:
            rows = rows[: page.size]
        if page.from_end:
            rows = rows[::-1]
            has_previous = has_previous or more
        else:
            has_next = has_next or more
        return _Shown(rows, asked.sort, total, has_next, has_previous)

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
                self._plan.take_in(plan)
                return lambda shown: ["[", *render.many(shown.rows), "]"]
            case "edges":
                return self._edges(rows, nodes)
            case "pageInfo":
                return self._page_info(rows, nodes)
            case "totalCount":
                self._wants_total = True
                return lambda shown: (str(shown.total),)
            case "__typename":
                return lambda _shown: (f'"{kind.name}"',)
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
                    members.append((lead, _of_row(rows.order(plan, found).one)))
                case "__typename":
                    members.append((lead, lambda _row, _sort: f'"{kind.name}"'))
                case _:
                    raise Declined
        self._plan.values += plan.values
        self._plan.take_in(plan)

        def edges(shown: _Shown) -> Sequence[str]:
            sort = shown.sort
            made = [
                f"{{{','.join([lead + member(row, sort) for lead, member in members])}}}"
                for row in shown.rows
            ]
            return "[", ",".join(made), "]"

        return edges

    def _page_info(self, rows: Rows, nodes: Sequence[FieldNode]) -> "_Part":
        kind = rows.kind("PageInfo")
        members: list[tuple[str, Callable[[_Shown], str]]] = []
        for key, found in rows.fields(RowPlan(), kind, nodes).items():
            name = found[0].name.value
            if name in {"startCursor", "endCursor"}:
                self._has_cursors = True
            elif name == "hasNextPage":
                self._wants_next = True
            elif name == "hasPreviousPage":
                self._wants_previous = True
            members.append((f'"{key}":', _PAGE_INFO[name]))
        return lambda shown: ("{", ",".join([lead + made(shown) for lead, made in members]), "}")


@dataclass(frozen=True, slots=True)
class _Asked:
    """What to read for a page; `beside` stands beside its rows, and is no read of its own."""

    reads: Reads
    beside: "_Beside | None"
    page: Page
    sort: OrderSort


class _Value(NamedTuple):
    """A value of the list around a page: what makes the statement that finds it, and with what."""

    shape: object
    make: Callable[[], Select[Any]]
    values: Mapping[str, Any]


def _with_values(make: Callable[[], Select[Any]], around: Sequence[_Value]) -> Select[Any]:
    """The statement of a page, with values at the end of each row."""
    columns = [one.make().correlate(None).scalar_subquery() for one in around]
    return make().add_columns(*columns)


class _Beside(NamedTuple):
    """Values that stand at the end of each row of a page: how many, and what else finds them.

    `is_all` is whether the page begins at an end of the list, so that the list is empty if it is.
    """

    number: int
    reads: Callable[[], Sequence[Bound]]
    is_all: bool

    def values_in(self, rows: Sequence[Row]) -> list[Sequence[Row]] | None:
        """What those reads would have found; None, if that can't be told."""
        if rows:
            return [[(value,)] for value in rows[0][-self.number :]]
        return [[(0,)]] * self.number if self.is_all else None


@dataclass(frozen=True, slots=True)
class _Shown:
    """A page that was read, and what is known of the list around it."""

    rows: Sequence[Row]
    sort: OrderSort
    total: int
    has_next: bool
    has_previous: bool


_Part: TypeAlias = Callable[[_Shown], Sequence[str]]
"""What makes a member of a page, in pieces."""

_NO_CONDITIONS = Conditions()


def _cursor(row: Row, sort: OrderSort) -> str:
    key = row[0] if isinstance(row[0], int) else instant(row[0])
    return f'"{encode_cursor(Position(key, row[1]), sort)}"'


def _of_row(render: OneRow) -> Callable[[Row, OrderSort], str]:
    return lambda row, _sort: render(row)


def _end_cursor(shown: _Shown, position: int) -> str:
    return _cursor(shown.rows[position], shown.sort) if shown.rows else "null"


def _boolean(value: bool) -> str:
    return "true" if value else "false"


_PAGE_INFO: Mapping[str, Callable[[_Shown], str]] = {
    "startCursor": lambda shown: _end_cursor(shown, 0),
    "endCursor": lambda shown: _end_cursor(shown, -1),
    "hasNextPage": lambda shown: _boolean(shown.has_next),
    "hasPreviousPage": lambda shown: _boolean(shown.has_previous),
    "__typename": lambda _shown: '"PageInfo"',
}
