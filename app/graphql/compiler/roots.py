"""What a root field of an operation is to whoever compiles and answers it, and what they share."""

import math
from abc import ABC, abstractmethod
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from graphql import FieldNode, GraphQLObjectType
from sqlalchemy import Select, literal_column, select

from app.db import tables
from app.db.database import Database
from app.db.deadline import Deadline
from app.db.prepared import Bound
from app.domain.principal import Principal
from app.graphql.compiler.arguments import Members, Values, arguments_of
from app.graphql.compiler.rows import Row, RowPlan, Rows


class Reads(NamedTuple):
    """Statements to run. Short ones are known to take a few milliseconds at the most."""

    statements: Sequence[Bound]
    short: bool


class Answer(NamedTuple):
    """The JSON of a root field, in pieces, and how many values it has at the most.

    The pieces are put together once, at the end: a large answer is not copied at each level.
    `outline` is the same value as far as its price depends on it: objects and lengths of lists.
    """

    pieces: Sequence[str]
    values: int
    outline: Any


# Reckoning by length takes no time, and says up to three times too many. Where an answer may have
# fewer values than this, one that has too many for its length is left to the library.
_WORTH_COUNTING = 10_000

NOTHING: Mapping[str, Any] = {}
"""The outline of an object of which nothing counts."""

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

    def at_once(
        self, caller: Principal | None, variables: Values, database: Database
    ) -> Answer | None:
        """Answer the field without waiting for anything; None if that can't be.

        Raises:
            Declined: as for `answer`.
        """
        return None


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

    def at_once(
        self, caller: Principal | None, variables: Values, database: Database
    ) -> Answer | None:
        """Read, and answer the field, where the database can be asked like that."""
        if not database.reads_at_once:
            return None
        reading = self.read(caller, variables)
        try:
            reads = next(reading)
            while True:
                rows = database.at_once(reads.statements) if reads.short else None
                if rows is None:
                    return None
                reads = reading.send(rows)
        except StopIteration as done:
            found: Answer = done.value
            return found

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

    def arguments(self) -> Members:
        """What makes its arguments of the operation's variables."""
        node = self.nodes[0]
        return arguments_of(
            self.parent.fields[node.name.value],
            {one.name.value: one.value for one in node.arguments or ()},
        )


def select_orders(columns: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Columns of orders, as SQL; which orders is not said yet."""
    return select(*map(literal_column, columns or ["1"])).select_from(tables.Order)


def close(pieces: list[str]) -> None:
    """End an object: its beginning, and its members with a comma after each."""
    if len(pieces) > 1:
        pieces.pop()
    pieces.append("}")


def values_of_items(characters: int, pieces: Sequence[str], plan: RowPlan) -> int:
    """How many values the items of an answer have at the most, and its long texts.

    Args:
        characters: How long the answer is.
        pieces: The answer.
        plan: How its objects are read.
    """
    items = math.ceil(characters * plan.item_share)
    if items > _WORTH_COUNTING:
        # No item has fewer objects than its list is reckoned with: the braces can't be too few.
        objects = sum([piece.count("{") for piece in pieces])
        items = min(items, math.ceil(objects * plan.item_density))
    return items + characters // 100
