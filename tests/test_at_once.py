"""What a server may answer while it reads a request is what the application answers."""

from typing import Any

import httpx
import pytest

from tests.graphql.writing import new_order
from tests.shop import UNKNOWN, InsideShop

ORDERS = """{ orders(first: 2) { totalCount pageInfo { endCursor hasNextPage }
  nodes { id items { name unitPrice { amount } } } } }"""

PLACED = "mutation ($input: AddOrderInput!) { addOrder(input: $input) { order { number } } }"
ONE = "query ($id: ID!) { order(id: $id) { id address items { name } } }"


async def both(shop: InsideShop, method: str, path: str, body: Any, **headers: str) -> Any:
    """An answer as the server has it at once, and as the application gives it."""
    sent = {"Authorization": shop.keys["customer"], "X-Request-Id": "r", **headers}
    assert (method.encode(), path.encode()) in shop.app.answers_at_once
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(shop.app), base_url="http://shop.example"
    ) as by_application:
        return [
            await client.request(method, path, json=body, headers=sent)
            for client in (shop.client, by_application)
        ]


async def own_order(shop: InsideShop) -> str | None:
    nodes = (await shop.data("{ orders { nodes { id } } }"))["orders"]["nodes"]
    return nodes[0]["id"] if nodes else None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Accept": "application/graphql-response+json"},
        {"Accept-Encoding": "identity"},
        {"Accept": "text/plain"},
        {"Authorization": "nobody's"},
    ],
)
@pytest.mark.parametrize("orders", [0, 1, 12])
async def test_both_ways_say_the_same(
    shop: InsideShop, orders: int, headers: dict[str, str]
) -> None:
    for _ in range(orders):
        await shop.add()
    requests: list[tuple[str, str, Any]] = [
        ("GET", "/orders/get_all", None),
        *(("POST", "/graphql", {"query": query}) for query in ("{ __typename }", ORDERS, "{ no }")),
        *(
            ("POST", "/graphql", {"query": ONE, "variables": {"id": one}})
            for one in ("", UNKNOWN, await own_order(shop))
        ),
    ]
    for method, path, body in requests:
        first, second = await both(shop, method, path, body, **headers)
        assert first.status_code == second.status_code
        assert first.headers == second.headers
        assert first.content == second.content


async def test_no_other_way_was_needed(shop: InsideShop, monkeypatch: pytest.MonkeyPatch) -> None:
    await shop.add()
    expected = await shop.data(ORDERS)
    rows = (await shop.rest("GET", "/orders/get_all")).json()

    async def unasked(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("app.middleware.Passage.__call__", unasked)
    # On PostgreSQL it has to be waited for, but in no other way; and so has what is changed.
    assert await shop.data(ORDERS) == expected
    if shop.database.reads_at_once:
        assert (await shop.rest("GET", "/orders/get_all")).json() == rows
    answer = await shop.data(PLACED, {"input": new_order()})
    assert answer["addOrder"]["order"]["number"] == 2
