"""What the fields of the schema are in SQL, in each engine's words.

An expression is JSON, or a plain value that becomes JSON where it stands. Of what is put into it,
only keys come from a caller, and those are names of GraphQL: letters, digits and underscores.
Tables are called `orders`, `i` for an order's items, `p` for an item's product, `u` for a user.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum

from app.domain.order import OrderStatus, ShippingMethod

_FIRST_MOMENT = "'0001-01-01 00:00:00+00'::timestamptz"
_LAST_MOMENT = "'9999-12-31 23:59:59.999999+00'::timestamptz"
MAX_PAIRS = 40
"""The most fields of an object in one call. SQLite takes 63 and PostgreSQL 50."""


class Spelling(ABC):
    """How an engine writes JSON."""

    engine: str

    @abstractmethod
    def object(self, pairs: Sequence[str]) -> str:
        """An object of `'key',value` pairs."""

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
    def whole(self, json: str) -> str:
        """JSON as a column: text, as it goes into the answer."""

    @abstractmethod
    def one(self, select: str) -> str:
        """The JSON that a subquery finds, null if it finds no row."""

    def member(self, column: str, members: type[StrEnum]) -> str:
        """An enum's value by its name in the schema."""
        cases = " ".join(f"WHEN '{one.value}' THEN '{one.name}'" for one in members)
        return f"CASE {column} {cases} END"


class _SQLite(Spelling):
    engine = "sqlite"

    def object(self, pairs: Sequence[str]) -> str:
        return f"json_object({','.join(pairs)})"

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

    def whole(self, json: str) -> str:
        return json

    def one(self, select: str) -> str:
        # Some versions forget on the way out of a subquery that a text is JSON.
        return f"json(({select}))"


class _PostgreSQL(Spelling):
    engine = "postgresql"

    def object(self, pairs: Sequence[str]) -> str:
        return f"json_build_object({','.join(pairs)})"

    def amount(self, minor: str) -> str:
        return f"({minor}/100)::text||'.'||lpad(({minor}%100)::text,2,'0')"

    def instant(self, column: str) -> str:
        # The driver writes the first and the last moment of Python's as infinitely far away.
        finite = f"least(greatest({column},{_FIRST_MOMENT}),{_LAST_MOMENT})"
        return f"""to_char({finite} AT TIME ZONE 'UTC','YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"""

    def boolean(self, column: str) -> str:
        return column

    def items(self, item: str, join: str) -> str:
        return (
            f"(SELECT coalesce(json_agg({item} ORDER BY i.position),'[]')::text"  # noqa: S608
            f" FROM order_items AS i{join}"
            " WHERE i.user_id=orders.user_id AND i.order_id=orders.id)"
        )

    def whole(self, json: str) -> str:
        return f"({json})::text"

    def one(self, select: str) -> str:
        return f"({select})"


SPELLINGS: Mapping[str, Spelling] = {one.engine: one for one in (_SQLite(), _PostgreSQL())}
"""By the name of the engine."""


def order_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of an order."""
    return {
        "id": "orders.id",
        "number": "orders.order_number",
        "status": spelling.member("orders.status", OrderStatus),
        "address": "orders.address",
        "externalId": "orders.external_id",
        "createdAt": spelling.instant("orders.created_at"),
        "updatedAt": spelling.instant("orders.updated_at"),
        "version": "orders.version",
    }


def item_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of an item."""
    return {
        "id": "i.id",
        "name": "i.name",
        "image": "i.image",
        "quantity": "i.quantity",
        "shipping": spelling.member("i.shipping", ShippingMethod),
        "productId": "i.product_id",
    }


def product_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of a product; none of them is another one for another engine."""
    return {name: f"p.{name}" for name in ("id", "name", "description", "image")}


def user_fields(spelling: Spelling) -> Mapping[str, str]:
    """The plain fields of a user whom the caller may see all of."""
    return {
        "id": "u.id",
        "name": "u.name",
        "email": "u.email",
        "isAdmin": spelling.boolean("u.is_admin"),
    }
