"""PostGraphile makes its own schema of the tables: the same requests in its words, and its answers.

What it answers is brought into the form of the others before it is compared with what the database
holds. Its cursors are its own; they are only looked for.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from app.domain.clock import rfc3339
from app.domain.money import decimal_amount
from bench.answers import cursor
from bench.requests import TYPENAME, graphql, new_order
from bench.shop import BenchShop

_FIELDS = """{ id: rowId number: orderNumber status address createdAt version totalMinor currency
  items: orderItemsByUserIdAndOrderId(orderBy: POSITION_ASC) {
    nodes { id: rowId name quantity shipping unitPriceMinor } } }"""
_ONE = f"""query ($user: String!, $id: String!) {{
  order: orderByUserIdAndRowId(userId: $user, rowId: $id) {_FIELDS} }}"""
_PAGE = f"""query ($user: String!) {{ orders: allOrders(
  first: 50, condition: {{ userId: $user }}, orderBy: [CREATED_AT_DESC, ROW_ID_DESC]
) {{ totalCount pageInfo {{ hasNextPage endCursor }} nodes {_FIELDS} }} }}"""
_ADD = """mutation ($input: AddOrderInput!) { addOrder(input: $input) {
  order: result { id: rowId number: orderNumber totalMinor } } }"""


def _one(shop: BenchShop, _buyers: Sequence[int]) -> list[bytes]:
    return [graphql(shop.key, _ONE, {"user": shop.user_id_of(1), "id": shop.order_id})]


def _page(shop: BenchShop, _buyers: Sequence[int]) -> list[bytes]:
    return [graphql(shop.key, _PAGE, {"user": shop.user_id_of(1)})]


def _typename(shop: BenchShop, _buyers: Sequence[int]) -> list[bytes]:
    return [graphql(shop.key, TYPENAME, {})]


def _add(shop: BenchShop, buyers: Sequence[int]) -> list[bytes]:
    return [
        graphql(
            shop.key_of(buyer),
            _ADD,
            {"input": {**new_order(shop), "userId": shop.user_id_of(buyer)}},
        )
        for buyer in buyers
    ]


REQUESTS: Mapping[str, Callable[[BenchShop, Sequence[int]], list[bytes]]] = {
    "one": _one,
    "page": _page,
    "typename": _typename,
    "add": _add,
}
"""By the names of the workloads. There is no REST path for all orders."""


def translated(answer: Any) -> object:
    """An answer in the form of the others'."""
    data = answer["data"]
    if "order" in data:
        return {"data": {"order": _order(data["order"])}}
    if "orders" in data:
        return {"data": {"orders": _orders(data["orders"])}}
    if "addOrder" in data:
        added = data["addOrder"]["order"]
        order = {
            "id": added["id"],
            "number": added["number"],
            "total": {"amount": decimal_amount(int(added["totalMinor"]))},
        }
        return {"data": {"addOrder": {"order": order, "userErrors": []}}}
    return answer


def _orders(page: Any) -> dict[str, object]:
    last, info = page["nodes"][-1], dict(page["pageInfo"])
    assert info["endCursor"]
    info["endCursor"] = cursor(datetime.fromisoformat(last["createdAt"]), last["id"])
    return {**page, "pageInfo": info, "nodes": [_order(one) for one in page["nodes"]]}


def _order(one: Any) -> dict[str, object]:
    order = dict(one)
    currency, total = order.pop("currency"), order.pop("totalMinor")
    return {
        **order,
        "status": _enum(order["status"]),
        "createdAt": rfc3339(datetime.fromisoformat(order["createdAt"])),
        "total": _money(total, currency),
        "items": [_item(dict(item), currency) for item in order["items"]["nodes"]],
    }


def _item(item: dict[str, Any], currency: str) -> dict[str, object]:
    price = item.pop("unitPriceMinor")
    return {**item, "shipping": _enum(item["shipping"]), "unitPrice": _money(price, currency)}


def _money(minor: str, currency: str) -> dict[str, str]:
    return {"amount": decimal_amount(int(minor)), "currencyCode": currency}


def _enum(text: str) -> str:
    return text.upper().replace(" ", "_")
