"""The root fields of queries that are compiled."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import bindparam, literal_column, select

from app.db import tables
from app.db.database import Database
from app.db.prepared import Bound, Prepared
from app.domain.ids import OrderId, parse_object_id
from app.domain.principal import Principal, Scope
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.lookups import ManyNodes, NumberedOrder, Products
from app.graphql.compiler.pages import OrderPages
from app.graphql.compiler.roots import (
    NOTHING,
    Answer,
    Field,
    Reading,
    ReadingRoot,
    Reads,
    Root,
    close,
    select_orders,
    values_of_items,
)
from app.graphql.compiler.rows import Row, RowPlan
from app.services.order_queries import OrderFilter as Conditions
from app.services.order_queries import matching_orders, meaning_of

_NO_ORDER = Answer(("null",), 0, None)


class TypeName(ReadingRoot):
    """`__typename`: needs no key, and reads nothing."""

    def __init__(self, field: Field) -> None:
        self._answer = Answer((f'"{field.parent.name}"',), 0, None)

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The name of the root type."""
        yield from ()
        return self._answer

    def at_once(
        self, caller: Principal | None, variables: Values, database: Database
    ) -> Answer | None:
        """The same."""
        return self._answer


class OneOrder(ReadingRoot):
    """`order(id:)`."""

    def __init__(self, field: Field) -> None:
        self._id_of = field.arguments().one("id")
        self._engine = field.rows.spelling.engine
        self._plan = RowPlan()
        self._render = field.rows.order(self._plan, field.nodes).one
        self._statements: dict[bool, Prepared] = {}

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The order, or null."""
        (rows,) = yield Reads((self._wanted(caller, variables),), short=True)
        return self._found(rows)

    def at_once(
        self, caller: Principal | None, variables: Values, database: Database
    ) -> Answer | None:
        """The same. A generator would take a tenth of the time."""
        if not database.reads_at_once:
            return None
        found = database.at_once((self._wanted(caller, variables),))
        return None if found is None else self._found(found[0])

    def look_up(self, caller: Principal, order_id: OrderId) -> Reading:
        """The order of an id."""
        (rows,) = yield Reads((self._by_id(caller, order_id),), short=True)
        return self._found(rows)

    def _wanted(self, caller: Principal | None, variables: Values) -> Bound:
        order_id = parse_object_id(self._id_of(variables))
        if order_id is None or caller is None or Scope.ORDERS_READ not in caller.scopes:
            raise Declined
        return self._by_id(caller, OrderId(order_id))

    def _by_id(self, caller: Principal, order_id: OrderId) -> Bound:
        statement = self._statements.get(caller.is_admin)
        if statement is None:
            meaning = meaning_of(caller, Conditions(ids=(order_id,)))
            found = select_orders(self._plan.columns).where(matching_orders(meaning))
            statement = self._statements[caller.is_admin] = Prepared(found, for_several=True)
        return statement.bind(self._engine, {"user": caller.user_id, "ids_1": order_id})

    def _found(self, rows: Sequence[Row]) -> Answer:
        if not rows:
            return _NO_ORDER
        pieces = (self._render(rows[0]),)
        return Answer(pieces, values_of_items(len(pieces[0]), pieces, self._plan), NOTHING)


_OF_ORDERS: Mapping[str, Callable[[Field], OrderPages | NumberedOrder]] = {
    "order": NumberedOrder,
    "orders": OrderPages,
}


class Me(ReadingRoot):
    """`me`: the caller, with pages of their orders, and orders by their numbers."""

    def __init__(self, field: Field) -> None:
        rows = field.rows
        self._engine = rows.spelling.engine
        kind = rows.kind("User")
        fields = rows.fields(RowPlan(), kind, field.nodes)
        of_orders = {
            key: _OF_ORDERS[found[0].name.value](Field(rows, kind, found))
            for key, found in fields.items()
            if found[0].name.value in _OF_ORDERS
        }
        plain = {key: found for key, found in fields.items() if key not in of_orders}
        columns = [
            rows.spelling.object([(key, value)])
            for key, value in rows.user(RowPlan(), plain).items()
        ]
        # In the order of the answer: a column of the user's row, or what reads orders.
        self._members: list[tuple[str, int | OrderPages | NumberedOrder]] = []
        for key in fields:
            reading = of_orders.get(key)
            column = sum(isinstance(member, int) for _, member in self._members)
            self._members.append((key, column if reading is None else reading))
        user = tables.metadata.tables["users"].alias("u")
        self._statement = Prepared(
            select(*map(literal_column, columns or ["1"]))
            .select_from(user)
            .where(user.c.id == bindparam("user", None, type_=user.c.id.type)),
            for_several=True,
        )

    def read(self, caller: Principal | None, variables: Values) -> Reading:
        """The caller's account."""
        if caller is None:
            raise Declined
        bound = self._statement.bind(self._engine, {"user": caller.user_id})
        (rows,) = yield Reads((bound,), short=True)
        if not rows:
            raise Declined
        pieces, values, outline = ["{"], 0, {}
        for key, member in self._members:
            if isinstance(member, int):
                pieces.append(rows[0][member][1:-1])
            else:
                answer = yield from member.of_user(caller.user_id, caller, variables)
                pieces.append(f'"{key}":')
                pieces += answer.pieces
                values += answer.values
                outline[key] = answer.outline
            pieces.append(",")
        close(pieces)
        return Answer(pieces, values, outline)


class AnyNode(ReadingRoot):
    """`node(id:)`, of an order or a product."""

    def __init__(self, field: Field) -> None:
        self._arguments = field.arguments()
        self._engine = field.rows.spelling.engine
        self._order = OneOrder(field)
        product = tables.metadata.tables["products"].alias("p")
        column = field.rows.product(RowPlan(), field.nodes)
        self._product = Prepared(
            select(literal_column(column))
            .select_from(product)
            .where(
                product.c.id == bindparam("id", None, type_=product.c.id.type),
                product.c.deleted_at.is_(None),
            ),
            for_several=True,
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
        (rows,) = yield Reads((bound,), short=True)
        if not rows:
            raise Declined
        return Answer((rows[0][0],), 0, NOTHING)


QUERIES: Mapping[str, Callable[[Field], Root]] = {
    "__typename": TypeName,
    "me": Me,
    "node": AnyNode,
    "nodes": ManyNodes,
    "order": OneOrder,
    "orders": OrderPages,
    "products": Products,
}
"""The root fields of queries that are compiled."""
