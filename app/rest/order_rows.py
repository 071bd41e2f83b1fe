"""The rows of `GET /orders/get_all`, which the database makes as finished JSON.

Source: wire contract, GET /orders/get_all: members, their order and their forms.
"""

from collections.abc import Sequence
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
_MONTH = " ".join(f"WHEN '{number:02}' THEN '{name}'" for number, name in enumerate(_MONTHS, 1))
# A quotient of whole numbers rounds to the double nearest to the true price, whose shortest form is
# the price; whole dollars have no decimals.
_PRICE_OF_SQLITE = "iif(i.unit_price_minor%100,i.unit_price_minor/100.0,i.unit_price_minor/100)"
_PRICE_OF_POSTGRESQL = (
    "CASE WHEN i.unit_price_minor%100=0 THEN (i.unit_price_minor/100)::text"
    " ELSE (i.unit_price_minor::float8/100)::text END"
)
# The order of items must be said, though an index has it. Rows are put together as text:
# json_group_array would write each of them once more.
_ROWS_OF_SQLITE = f"""(SELECT '['||group_concat(item)||']' FROM (SELECT
json_object('orderId',i.order_id,'productId',i.product_id,'image',i.image,'name',i.name,
'price',{_PRICE_OF_SQLITE},'quantity',i.quantity,'shipping',i.shipping,'status',orders.status,
'createdAt',CASE substr(orders.created_at,6,2) {_MONTH} END||' '
||(substr(orders.created_at,9,2)+0)||', '||(substr(orders.created_at,1,4)+0),
'orderNum',orders.order_number) AS item FROM order_items AS i
WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position))"""  # noqa: S608
# As text as a whole: that is faster than the functions for JSON, which also put in spaces.
_ROWS_OF_POSTGRESQL = f"""(SELECT '['||string_agg('{{"orderId":"'||i.order_id
||'","productId":"'||i.product_id||'","image":'||coalesce(to_json(i.image)::text,'null')
||',"name":'||to_json(i.name)::text||',"price":'||{_PRICE_OF_POSTGRESQL}
||',"quantity":'||i.quantity||',"shipping":"'||i.shipping||'","status":"'||orders.status
||'","createdAt":"'||to_char(orders.created_at AT TIME ZONE 'UTC','FMMonth FMDD, FMYYYY')
||'","orderNum":'||orders.order_number||'}}',',' ORDER BY i.position)||']'
FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id)"""  # noqa: S608
_ROWS = {"sqlite": _ROWS_OF_SQLITE, "postgresql": _ROWS_OF_POSTGRESQL}


class OwnRows:
    """Reads the caller's orders, highest number first, some at a time.

    Args:
        engine: The engine of the database.
    """

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._columns = ("orders.order_number", _ROWS[engine])
        self._statements: dict[bool, Prepared] = {}

    def read(self, principal: Principal, below: int | None = None) -> Bound:
        """The statement for the next orders: number, and rows as the text of a JSON array.

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


def inside(rows: Sequence[Sequence[Any]]) -> str:
    """The JSON of rows, without the brackets of their list."""
    # An order without items has no row.
    return ",".join([json[1:-1] for _, json in rows if json is not None])
