"""From what is selected of an object to the columns that hold it as finished JSON.

The columns of one object are put together here: it is cut at each list inside of it, because JSON
that stands in JSON is written twice by the engine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import FieldNode, GraphQLObjectType

from app.graphql.compiler.arguments import Declined
from app.graphql.compiler.selection import Fields, Selector, below
from app.graphql.compiler.spelling import (
    MAX_PAIRS,
    Pair,
    Spelling,
    item_fields,
    order_fields,
    product_fields,
    user_fields,
)
from app.graphql.cost import values_of

Row: TypeAlias = Sequence[Any]
"""A row as the driver has it."""

OneRow: TypeAlias = Callable[[Row], str]
"""What makes the JSON of an object from its row."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Makes the JSON of objects from their rows.

    Of many, it may make pieces that are put together with everything else, which takes a third of
    the time; `between` is what stands between an object without its brace, which is its row's
    column `first`, and the column `second`, after which it ends.
    """

    one: OneRow
    between: tuple[int, str, int] | None = None

    def many(self, rows: Sequence[Row]) -> list[str]:
        """The elements of a list, in pieces."""
        if self.between is None:
            return [",".join([self.one(row) for row in rows])]
        first, lead, second = self.between
        made = [f"{row[first][:-1]}{lead}{row[second]}}}" for row in rows]
        return [",".join(made)]


_PRODUCT = " LEFT JOIN products AS p ON p.id=i.product_id AND p.deleted_at IS NULL"


@dataclass(slots=True)
class RowPlan:
    """How an object is read.

    `values` is how many values it counts as against the limit of an answer, and `item_values` how
    many each of its items does; `item_density` is how many that is at the most for each JSON object
    that an item has, and `item_share` for each character.
    """

    columns: list[str] = field(default_factory=list)
    values: int = 0
    item_values: int = 0
    item_density: float = 0.0
    item_share: float = 0.0

    def take_in(self, of_items: "RowPlan") -> None:
        """Add the lists of items of another plan."""
        self.item_values += of_items.item_values
        self.item_density = max(self.item_density, of_items.item_density)
        self.item_share = max(self.item_share, of_items.item_share)


@dataclass(frozen=True, slots=True)
class Rows:
    """Plans objects of one selection for one engine."""

    selector: Selector
    spelling: Spelling

    def order(self, plan: RowPlan, nodes: Sequence[FieldNode]) -> Renderer:
        """An order: its columns are added to the plan.

        Raises:
            Declined: something is selected that is not in its row.
        """
        kind = self.kind("Order")
        plain = order_fields(self.spelling)
        pieces = _Pieces(self.spelling, plan.columns)
        for key, found in self.fields(plan, kind, nodes).items():
            name = found[0].name.value
            if name == "items":
                pieces.add_list(key, self._items(plan, found))
            elif name == "total":
                pieces.add(key, self._money(plan, found, "orders.total_minor", "orders.currency"))
            elif name == "customer":
                pieces.add(key, self._customer(plan, found))
            else:
                pieces.add(key, self._plain(kind, name, plain))
        return pieces.renderer()

    def user(self, plan: RowPlan, fields: Fields) -> Mapping[str, str]:
        """The plain fields of a user whom the caller may see all of, by their keys."""
        kind, plain = self.kind("User"), user_fields(self.spelling)
        return {key: self._plain(kind, found[0].name.value, plain) for key, found in fields.items()}

    def product(self, plan: RowPlan, nodes: Sequence[FieldNode]) -> str:
        """A product, as an object."""
        kind = self.kind("Product")
        plain = product_fields(self.spelling)
        pairs = []
        for key, found in self.fields(plan, kind, nodes).items():
            name = found[0].name.value
            if name == "price":
                pairs.append((key, self._money(plan, found, "p.price_minor", "p.currency")))
            else:
                pairs.append((key, self._plain(kind, name, plain)))
        return self._object(pairs)

    def kind(self, name: str) -> GraphQLObjectType:
        """A type of the schema by its name."""
        kind = self.selector.schema.get_type(name)
        if not isinstance(kind, GraphQLObjectType):
            raise TypeError(f"{name} is no object type")
        return kind

    def fields(self, plan: RowPlan, kind: GraphQLObjectType, nodes: Sequence[FieldNode]) -> Fields:
        """What is selected of an object, counted among the values of the plan."""
        found = self.selector.fields(kind, below(nodes))
        plan.values += _count(kind, found)
        return found

    def _items(self, plan: RowPlan, nodes: Sequence[FieldNode]) -> str:
        kind = self.kind("OrderItem")
        plain = item_fields(self.spelling)
        currency = "orders.currency"
        inside = RowPlan()
        pairs = []
        join = ""
        objects = 0
        fields = self.fields(inside, kind, nodes)
        for key, found in fields.items():
            name = found[0].name.value
            if name == "unitPrice":
                value = self._money(inside, found, "i.unit_price_minor", currency)
                objects += 1
            elif name == "total":
                value = self._money(inside, found, "(i.unit_price_minor*i.quantity)", currency)
                objects += 1
            elif name == "product":
                # It may be null, and is no object then.
                join = _PRODUCT
                value = self.spelling.unless("p.id IS NULL", self.product(inside, found))
            else:
                value = self._plain(kind, name, plain)
            pairs.append((key, value))
        # Braces, and of each pair its quotes, colon, comma and a value of one character.
        shortest = len("{}") + sum(len(key) + len('"":0,') for key in fields) - len(",")
        plan.take_in(
            RowPlan(
                item_values=inside.values,
                item_density=inside.values / (1 + objects),
                item_share=inside.values / shortest,
            )
        )
        return self.spelling.items(self._object(pairs), join)

    def _customer(self, plan: RowPlan, nodes: Sequence[FieldNode]) -> str:
        fields = self.fields(plan, self.kind("User"), nodes)
        pairs = list(self.user(plan, fields).items())
        found = f"SELECT {self._object(pairs)} FROM users AS u WHERE u.id=orders.user_id"  # noqa: S608
        return self.spelling.one(found)

    def _money(self, plan: RowPlan, nodes: Sequence[FieldNode], minor: str, currency: str) -> str:
        kind = self.kind("Money")
        plain = {
            "amount": self.spelling.amount(minor),
            "currencyCode": self.spelling.text(currency),
        }
        pairs = [
            (key, self._plain(kind, found[0].name.value, plain))
            for key, found in self.fields(plan, kind, nodes).items()
        ]
        return self._object(pairs)

    def _plain(self, kind: GraphQLObjectType, name: str, plain: Mapping[str, str]) -> str:
        if name == "__typename":
            return self.spelling.name(kind.name)
        if name not in plain:
            raise Declined
        return plain[name]

    def _object(self, pairs: Sequence[Pair]) -> str:
        if len(pairs) > MAX_PAIRS:
            raise Declined
        return self.spelling.object(pairs)


def _count(kind: GraphQLObjectType, fields: Fields) -> int:
    """How many values the fields count as; what is no field of the type, its name, is one."""
    names = [found[0].name.value for found in fields.values()]
    return sum(values_of(kind.fields[name]) if name in kind.fields else 1 for name in names)


class _Pieces:
    """An object in the making: runs of pairs, each a column, and lists between them."""

    def __init__(self, spelling: Spelling, columns: list[str]) -> None:
        self._spelling = spelling
        self._columns = columns
        self._pairs: list[Pair] = []
        # What stands before each column, where the column is, and whether its braces go.
        self._pieces: list[tuple[str, int, bool]] = []

    def add(self, key: str, value: str) -> None:
        """Add a field."""
        self._pairs.append((key, value))
        if len(self._pairs) == MAX_PAIRS:
            self._cut()

    def add_list(self, key: str, column: str) -> None:
        """Add a list, which is a column of its own."""
        self._cut()
        self._add_column(f'"{key}":', column, is_object=False)

    def renderer(self) -> Renderer:
        """What makes the object."""
        self._cut()
        match self._pieces:
            case []:
                return Renderer(lambda _row: "{}")
            case [("", only, True)]:
                return Renderer(lambda row: row[only])
            case [("", first, True), (lead, second, False)]:
                return Renderer(
                    lambda row: f"{row[first][:-1]}{lead}{row[second]}}}", (first, lead, second)
                )
            case pieces:
                return Renderer(_joiner(pieces))

    def _cut(self) -> None:
        if self._pairs:
            column = self._spelling.object(self._pairs)
            self._add_column("", column, is_object=True)
            self._pairs = []

    def _add_column(self, lead: str, column: str, *, is_object: bool) -> None:
        comma = "," if self._pieces else ""
        self._pieces.append((comma + lead, len(self._columns), is_object))
        self._columns.append(column)


def _joiner(pieces: Sequence[tuple[str, int, bool]]) -> OneRow:
    def joined(row: Row) -> str:
        found = [
            f"{lead}{row[column][1:-1] if is_object else row[column]}"
            for lead, column, is_object in pieces
        ]
        return f"{{{''.join(found)}}}"

    return joined
