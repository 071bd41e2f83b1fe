"""The mutations as tests send them, with their inputs in short."""

from collections.abc import Mapping
from typing import Any

from tests.shop import TABLE, Shop

_RESULTS = {
    "addOrder": "order { id number status address version externalId }",
    "changeOrderStatus": "orders { id status version }",
    "changeOrderAddress": "order { id address status version }",
    "deleteOrders": "deletedIds",
    "restoreOrders": "orders { id number status version }",
    "createApiKey": "apiKey { id } secret",
    "revokeApiKey": "apiKey { id revokedAt }",
}


def item(product: str = TABLE, **more: Any) -> dict[str, Any]:
    return {"productId": product, "shipping": "REGULAR", **more}


def new_order(address: str = "1 Main St", **more: Any) -> dict[str, Any]:
    return {"items": [item()], "address": address, **more}


def api_key(name: str = "a script", **more: Any) -> dict[str, Any]:
    return {"name": name, "scopes": ["ORDERS_READ"], **more}


def mutation(name: str) -> str:
    kind = f"{name[0].upper()}{name[1:]}Input"
    return f"""mutation ($input: {kind}!) {{
      {name}(input: $input) {{ {_RESULTS[name]} userErrors {{ code field message }} }} }}"""


async def write(
    shop: Shop,
    name: str,
    input_: Mapping[str, Any],
    *,
    key: str = "customer",
    headers: Mapping[str, str] | None = None,
) -> Any:
    """Send a mutation that fits the schema and return its payload."""
    body = {"query": mutation(name), "variables": {"input": input_}}
    response = await shop.rest("POST", "/graphql", body, key=key, headers=headers or {})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert "errors" not in answer, answer
    return answer["data"][name]


async def place(shop: Shop, *, key: str = "customer", **more: Any) -> Any:
    """Place an order, which must succeed, and return it."""
    payload = await write(shop, "addOrder", new_order(**more), key=key)
    assert payload["userErrors"] == []
    return payload["order"]


def problems(payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The code and field of each error."""
    return [(error["code"], ".".join(error["field"][1:])) for error in payload["userErrors"]]
