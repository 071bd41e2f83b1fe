"""The rows of `GET /orders/get_all`, which the database makes as finished JSON.

Source: wire contract, GET /orders/get_all: members, their order and their forms.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Select, bindparam, func, literal_column, select, text

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
_DAY_OF_SQLITE = (
    f"CASE substr(orders.created_at,6,2) {_MONTH} END||' '"
    "||(substr(orders.created_at,9,2)+0)||', '||(substr(orders.created_at,1,4)+0)"
)
_DAY_OF_POSTGRESQL = "to_char(orders.created_at AT TIME ZONE 'UTC','FMMonth FMDD, FMYYYY')"
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
    _DAY_OF_SQLITE,
    f"""(SELECT group_concat(item,char(30)) FROM (SELECT
json_object('productId',i.product_id,'image',i.image,'name',i.name,'price',{_PRICE_OF_SQLITE},
'quantity',i.quantity,'shipping',i.shipping) AS item FROM order_items AS i
WHERE i.user_id=orders.user_id AND i.order_id=orders.id ORDER BY i.position))""",  # noqa: S608
)
# As text as a whole: that is faster than the functions for JSON, which also put in spaces.
_COLUMNS_OF_POSTGRESQL = (
    _DAY_OF_POSTGRESQL,
    f"""(SELECT string_agg('{{"productId":"'||i.product_id
||'","image":'||coalesce(to_json(i.image)::text,'null')||',"name":'||to_json(i.name)::text
||',"price":'||{_PRICE_OF_POSTGRESQL}
||',"quantity":'||i.quantity||',"shipping":"'||i.shipping||'"}}',chr(30) ORDER BY i.position)
FROM order_items AS i WHERE i.user_id=orders.user_id AND i.order_id=orders.id)""",  # noqa: S608
)
# All rows as a whole, each an object. The items of one order are looked up after those of the one
# before, which a CROSS JOIN keeps to, and along the key that has them in their order.
_WHOLE = f"""json_group_array(json_object('orderId',o.id,'productId',i.product_id,'image',i.image,
'name',i.name,'price',{_PRICE_OF_SQLITE},'quantity',i.quantity,'shipping',i.shipping,
'status',o.status,'createdAt',o.day,'orderNum',o.order_number))"""
_ITEMS_OF_EACH = "CROSS JOIN order_items AS i ON i.user_id=o.user_id AND i.order_id=o.id"
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
        self._whole: Prepared | None = None

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

    def whole(self, principal: Principal) -> Bound | None:
        """The statement for how many orders there are, and all of their rows as JSON.

        There are `ORDERS_AT_ONCE` at the most. It takes less time than rows that Python puts
        together; None where the engine has no such statement.

        Args:
            principal: Whose orders, also for an administrator.

        Raises:
            Forbidden: the key lacks `orders:read`.
        """
        meaning = meaning_of(principal, OrderFilter(owner=principal.user_id))
        if self._engine != "sqlite":
            return None
        if self._whole is None:
            self._whole = Prepared(_select_whole(meaning))
        return self._whole.bind(self._engine, {"user": principal.user_id})

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


def _select_whole(meaning: Meaning) -> Select[*tuple[Any, ...]]:
    columns = tables.metadata.tables["orders"].c
    some = (
        select(
            columns.id,
            columns.user_id,
            columns.order_number,
            columns.status,
            literal_column(_DAY_OF_SQLITE).label("day"),
        )
        .where(matching_orders(meaning))
        .order_by(columns.order_number.desc())
        .limit(ORDERS_AT_ONCE)
    )
    counted = select(columns.id).where(matching_orders(meaning)).limit(ORDERS_AT_ONCE).subquery()
    number = select(func.count()).select_from(counted).scalar_subquery()
    found: Select[*tuple[Any, ...]] = select(number, literal_column(_WHOLE))
    return found.select_from(some.subquery("o")).suffix_with(text(_ITEMS_OF_EACH))


def inside(orders: Sequence[Sequence[Any]]) -> str:
    """The JSON of the rows of orders, without the brackets of their list."""
    pieces: list[str] = []
    for number, id_, status, day, items in orders:
        # An order without items has no row.
        if items is not None:
            begin = f'{{"orderId":"{id_}",'
            end = f',"status":"{status}","createdAt":"{day}","orderNum":{number}}}'
            pieces += (begin, items[1:-1].replace(_BETWEEN, f"{end},{begin}"), end, ",")
    return "".join(pieces[:-1])
