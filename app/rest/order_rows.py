"""The rows of `GET /orders/get_all`, which the database makes as finished JSON.

Source: wire contract, GET /orders/get_all: members, their order and their forms.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Integer, Select, bindparam, literal_column, select

from app.db import tables
from app.db.prepared import Bound, Prepared
from app.domain.principal import Principal
from app.services.order_queries import Meaning, OrderFilter, matching_orders, meaning_of

ORDERS_AT_ONCE = 500
"""Some milliseconds of work for orders of a few items."""

_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July", "August"),
    *("September", "October", "November", "December"),
)
# A quotient of whole numbers rounds to the double nearest to the true price, whose shortest form is
# the price; whole dollars have no decimals. Of a large one newer libraries write 17 digits, so it
# is put together from its 15, as many as any double keeps.
_PRICE_OF_SQLITE = (
    "CASE WHEN i.unit_price_minor%100=0 THEN i.unit_price_minor/100"
    " WHEN i.unit_price_minor<10000000000000 THEN i.unit_price_minor/100.0"
    " ELSE json(rtrim(printf('%d.%02d',i.unit_price_minor/100,i.unit_price_minor%100),'0')) END"
)
_PRICE_OF_POSTGRESQL = (
    "CASE WHEN i.unit_price_minor%100=0 THEN (i.unit_price_minor/100)::text"
    " ELSE (i.unit_price_minor::float8/100)::text END"
)
# What stands between two items: as JSON has it, no text inside of them holds such a character.
_BETWEEN = "}\x1e{"
# The day of an order, and its items; what all of its rows say of the order is put in by Python,
# once for it. The order of items must be said, though an index has it.
_COLUMNS_OF_SQLITE = (
    "substr(orders.created_at,1,10)",
    f"""(SELECT group_concat(item,char(30)) FROM (SELECT
json_object('productId',i.product_id,'image',i.image,'name',i.name,'price',{_PRICE_OF_SQLITE},
'quantity',i.quantity,'shipping',i.shipping) AS item FROM order_items AS i
WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position))""",  # noqa: S608
)
# As text as a whole: that is faster than the functions for JSON, which also put in spaces.
_COLUMNS_OF_POSTGRESQL = (
    "to_char(orders.created_at AT TIME ZONE 'UTC','YYYY-MM-DD')",
    f"""(SELECT string_agg('{{"productId":"'||i.product_id
||'","image":'||coalesce(to_json(i.image)::text,'null')||',"name":'||to_json(i.name)::text
||',"price":'||{_PRICE_OF_POSTGRESQL}
||',"quantity":'||i.quantity||',"shipping":"'||i.shipping||'"}}',chr(30) ORDER BY i.position)
FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id)""",  # noqa: S608
)
_COLUMNS = {"sqlite": _COLUMNS_OF_SQLITE, "postgresql": _COLUMNS_OF_POSTGRESQL}


class OwnRows:
    """Reads the caller's orders, highest number first, some at a time.

    Args:
        engine: The engine of the database.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._columns = (
            *("orders.order_number", "orders.id", "orders.status"),
            *_COLUMNS[engine],
        )
        self._statements: dict[bool, Prepared] = {}

    def read(self, principal: Principal, below: int | None = None) -> Bound:
        """The statement for the next orders: number, and what `inside` makes rows of.

        Args:
            principal: Whose orders, also for an administrator.
            below: The lowest number so far.

        Raises:
            Forbidden: the key lacks `orders:read`.
        """
        meaning = meaning_of(principal, OrderFilter(owner=principal.user_id))
        statement = self._statements.get(below is None)
        if statement is None:
            statement = Prepared(self._select(meaning, is_first=below is None))
            self._statements[below is None] = statement
        return statement.bind(self._engine, {"user": principal.user_id, "below": below})

    def _select(self, meaning: Meaning, *, is_first: bool) -> Select[*tuple[Any, ...]]:
        number = tables.metadata.tables["orders"].c.order_number
        statement: Select[*tuple[Any, ...]] = (
            select(*map(literal_column, self._columns))
            .select_from(tables.Order)
            .where(matching_orders(meaning))
            .order_by(number.desc())
            .limit(ORDERS_AT_ONCE)
        )
        if is_first:
            return statement
        return statement.where(number < bindparam("below", None, type_=Integer))


def inside(orders: Sequence[Sequence[Any]]) -> str:
    """The JSON of the rows of orders, without the brackets of their list."""
    pieces: list[str] = []
    for number, id_, status, day, items in orders:
        # An order without items has no row.
        if items is not None:
            begin = f'{{"orderId":"{id_}",'
            end = f',"status":"{status}","createdAt":"{_long_date(day)}","orderNum":{number}}}'
            pieces += (begin, items[1:-1].replace(_BETWEEN, f"{end},{begin}"), end, ",")
    return "".join(pieces[:-1])


@lru_cache(maxsize=4_096)
def _long_date(day: str) -> str:
    """A day as `January 2, 2026`."""
    year, month, of_month = map(int, day.split("-"))
    return f"{_MONTHS[month - 1]} {of_month}, {year}"
