"""What the fields of the schema are in SQL, in each engine's words.

An expression is the value of a member of an object. On SQLite that is JSON, or a plain value that
becomes JSON where it stands. On PostgreSQL it is JSON as text, never NULL, or a whole number:
putting text together is faster there than the functions for JSON, which also write spaces. Of what
is put into it, only keys come from a caller, and those are names of GraphQL: letters, digits and
underscores.
Tables are called `orders`, `i` for an order's items, `p` for an item's product, `u` for a user.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TypeAlias

from app.domain.order import OrderStatus, ShippingMethod

_FIRST_MOMENT = "'0001-01-01 00:00:00+00'::timestamptz"
_LAST_MOMENT = "'9999-12-31 23:59:59.999999+00'::timestamptz"
MAX_PAIRS = 40
"""The most fields of an object in one call. SQLite takes 63."""

Pair: TypeAlias = tuple[str, str]
"""A key, and the expression of its value."""


class Spelling(ABC):
    """How an engine writes JSON."""

    engine: str
    has_round_trips: bool
    """Whether a statement is sent to a server, so that few of them are better than simple ones."""

    @abstractmethod
    def object(self, pairs: Sequence[Pair]) -> str:
        """An object of keys and values."""

    @abstractmethod
    def text(self, column: str) -> str:
        """Any text, or null."""

    @abstractmethod
    def token(self, column: str) -> str:
        """A text of letters, digits and spaces; never null."""

    @abstractmethod
    def name(self, name: str) -> str:
        """Always the same name."""

    @abstractmethod
    def unless(self, condition: str, value: str) -> str:
        """A value, or null if a condition holds."""

    @abstractmethod
    def amount(self, minor: str) -> str:
        """Minor units as a decimal string, `30.00`."""

    @abstractmethod
    def instant(self, column: str) -> str:
        """An instant as RFC 3339 with milliseconds."""

    @abstractmethod
    def boolean(self, column: str) -> str:
        """A truth value."""

    @abstractmethod
    def items(self, item: str, join: str) -> str:
        """An order's items in their order, each as `item`: a JSON array, a column of its own."""

    @abstractmethod
    def one(self, select: str) -> str:
        """The JSON that a subquery finds, null if it finds no row."""

    def member(self, column: str, members: type[StrEnum]) -> str:
        """An enum's value by its name in the schema."""
        cases = " ".join(f"WHEN '{one.value}' THEN {self.name(one.name)}" for one in members)
        return f"CASE {column} {cases} END"


class _SQLite(Spelling):
    engine = "sqlite"
    has_round_trips = False

    def object(self, pairs: Sequence[Pair]) -> str:
        members = [f"'{key}',{value}" for key, value in pairs]
        return f"json_object({','.join(members)})"

    def text(self, column: str) -> str:
        return column

    def token(self, column: str) -> str:
        return column

    def name(self, name: str) -> str:
        return f"'{name}'"

    def unless(self, condition: str, value: str) -> str:
        return f"CASE WHEN {condition} THEN NULL ELSE {value} END"

    def amount(self, minor: str) -> str:
        return f"printf('%d.%02d',{minor}/100,{minor}%100)"

    def instant(self, column: str) -> str:
        return f"substr({column},1,23)||'Z'"

    def boolean(self, column: str) -> str:
        return f"json(CASE WHEN {column} THEN 'true' ELSE 'false' END)"

    def items(self, item: str, join: str) -> str:
        # The order of several rows must be said, though an index has it. Objects are put together
        # as text: json_group_array would write each of them once more.
        return (
            f"(SELECT '['||coalesce(group_concat(item),'')||']' FROM (SELECT {item} AS item"  # noqa: S608
            f" FROM order_items AS i{join}"
            " WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position))"
        )

    def one(self, select: str) -> str:
        # Some versions forget on the way out of a subquery that a text is JSON.
        return f"json(({select}))"


class _PostgreSQL(Spelling):
    engine = "postgresql"
    has_round_trips = True

    def object(self, pairs: Sequence[Pair]) -> str:
        if not pairs:
            return "'{}'"
        members = "||',".join('"' + f"{key}\":'||{value}" for key, value in pairs)
        return f"""'{{{members}||'}}'"""

    def text(self, column: str) -> str:
        return f"coalesce(to_json({column})::text,'null')"

    def token(self, column: str) -> str:
        return f"""'"'||{column}||'"'"""

    def name(self, name: str) -> str:
        return f"""'"{name}"'"""

    def unless(self, condition: str, value: str) -> str:
        return f"CASE WHEN {condition} THEN 'null' ELSE {value} END"

    def amount(self, minor: str) -> str:
        return self.token(f"({minor}/100)||'.'||lpad(({minor}%100)::text,2,'0')")

    def instant(self, column: str) -> str:
        # The driver writes the first and the last moment of Python's as infinitely far away.
        finite = f"least(greatest({column},{_FIRST_MOMENT}),{_LAST_MOMENT})"
        return self.token(
            f"""to_char({finite} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""
        )

    def boolean(self, column: str) -> str:
        return f"{column}::text"

    def items(self, item: str, join: str) -> str:
        return (
            f"(SELECT '['||coalesce(string_agg({item},',' ORDER BY i.position),'')||']'"  # noqa: S608
            f" FROM order_items AS i{join}"
            " WHERE i.user_id=orders.user_id AND i.order_id=orders.id)"
        )

    def one(self, select: str) -> str:
        return f"coalesce(({select}),'null')"


SPELLINGS: Mapping[str, Spelling] = {one.engine: one for one in (_SQLite(), _PostgreSQL())}
"""By the name of the engine."""


def order_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of an order."""
    return {
        "id": spelling.token("orders.id"),
        "number": "orders.order_number",
        "status": spelling.member("orders.status", OrderStatus),
        "address": spelling.text("orders.address"),
        "externalId": spelling.text("orders.external_id"),
        "createdAt": spelling.instant("orders.created_at"),
        "updatedAt": spelling.instant("orders.updated_at"),
        "version": "orders.version",
    }


def item_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of an item."""
    return {
        "id": spelling.token("i.id"),
        "name": spelling.text("i.name"),
        "image": spelling.text("i.image"),
        "quantity": "i.quantity",
        "shipping": spelling.member("i.shipping", ShippingMethod),
        "productId": spelling.token("i.product_id"),
    }


def product_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of a product."""
    return {
        "id": spelling.token("p.id"),
        **{name: spelling.text(f"p.{name}") for name in ("name", "description", "image")},
    }


def user_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of a user whom the caller may see all of."""
    return {
        "id": spelling.token("u.id"),
        "name": spelling.text("u.name"),
        "email": spelling.text("u.email"),
        "isAdmin": spelling.boolean("u.is_admin"),
    }
