"""One rule set, two doors: what one writes the other reads; who may do what, as one table."""

from typing import Any

import pytest

from tests.shop import LAMP, TABLE, Shop

ORDER = """{ orders(first: 100) { nodes { id number status address
  items { name image quantity shipping productId unitPrice { amount } } } } }"""
SHIPPING = {"NEXT_DAY": "Next day", "REGULAR": "Regular", "BUDGET": "Budget"}
ADD = """mutation ($input: AddOrderInput!) {
  addOrder(input: $input) { order { id } userErrors { code } } }"""


async def _both(shop: Shop) -> tuple[list[Any], list[Any]]:
    """The caller's orders through either door, in the words of REST."""
    rest = [
        (
            row["orderId"],
            row["orderNum"],
            row["status"],
            row["productId"],
            row["name"],
            row["image"],
            f"{row['price']:.2f}",
            row["quantity"],
            row["shipping"],
        )
        for row in (await shop.rest("GET", "/orders/get_all")).json()
    ]
    graphql = [
        (
            node["id"],
            node["number"],
            node["status"].lower(),
            item["productId"],
            item["name"],
            item["image"],
            item["unitPrice"]["amount"],
            item["quantity"],
            SHIPPING[item["shipping"]],
        )
        for node in (await shop.data(ORDER))["orders"]["nodes"]
        for item in node["items"]
    ]
    return rest, graphql


async def test_both_doors_tell_the_same_after_every_write(shop: Shop) -> None:
    await shop.add(TABLE, LAMP)
    rest, graphql = await _both(shop)
    assert rest == graphql
    assert len(rest) == 2
    sent = {
        "items": [{"productId": LAMP, "quantity": 7, "shipping": "NEXT_DAY"}],
        "address": "x",
    }
    added = (await shop.data(ADD, {"input": sent}))["addOrder"]["order"]["id"]
    rest, graphql = await _both(shop)
    assert rest == graphql
    assert (rest[0][0], rest[0][1], rest[0][7], rest[0][8]) == (added, 2, 7, "Next day")
    change = {"items": [{"orderId": added, "status": "delivery"}]}
    await shop.rest("POST", "/orders/change-status", change, key="admin")
    rest, graphql = await _both(shop)
    assert rest == graphql
    assert rest[0][2] == "delivery"
    await shop.rest("POST", "/orders/delete", {"orderId": [added]})
    rest, graphql = await _both(shop)
    assert rest == graphql
    assert [row[1] for row in rest] == [1, 1]


# What each caller gets: "yes", a refusal's code, or "unknown" where the order counts as none.
# Rows: caller; columns: read the customer's order, list, add, change its status, delete it;
# in GraphQL alone, before it is deleted and afterwards: correct its address, restore it.
RIGHTS = {
    "customer": ("yes", "yes", "yes", "FORBIDDEN", "yes"),
    "other": ("unknown", "yes", "yes", "FORBIDDEN", "unknown"),
    "admin": ("yes", "yes", "yes", "yes", "yes"),
    "reader": ("unknown", "yes", "FORBIDDEN", "FORBIDDEN", "FORBIDDEN"),
    "writer": ("FORBIDDEN", "FORBIDDEN", "yes", "FORBIDDEN", "unknown"),
    "ofk_wrong": ("UNAUTHENTICATED",) * 5,
    None: ("UNAUTHENTICATED",) * 5,
}
GRAPHQL_RIGHTS = {
    "customer": ("yes", "FORBIDDEN"),
    "other": ("unknown", "FORBIDDEN"),
    "admin": ("yes", "yes"),
    "reader": ("FORBIDDEN", "FORBIDDEN"),
    "writer": ("unknown", "FORBIDDEN"),
    "ofk_wrong": ("UNAUTHENTICATED",) * 2,
    None: ("UNAUTHENTICATED",) * 2,
}
STATUS_OF = {
    "FORBIDDEN": 403,
    "UNAUTHENTICATED": 403,
    "yes": 200,
    "unknown": 200,
}


@pytest.mark.parametrize("caller", list(RIGHTS), ids=str)
async def test_rights_by_graphql(shop: Shop, caller: str | None) -> None:
    await shop.add()
    [id_] = await shop.order_ids()
    before = await shop.everything()
    operations = [
        f'{{ found: order(id: "{id_}") {{ id }} }}',
        "{ found: orders { nodes { id } } }",
        f'mutation {{ found: addOrder(input: {{ address: "x", items: [{{ productId: "{TABLE}",'
        " shipping: BUDGET }] }) { order { id } } }",
        f'mutation {{ found: changeOrderStatus(input: {{ changes: [{{ orderId: "{id_}",'
        " status: DELIVERY }] }) { orders { id } } }",
        f'mutation {{ found: deleteOrders(input: {{ ids: ["{id_}"] }}) {{ deletedIds }} }}',
    ]
    outcomes = []
    for operation in operations:
        answer = await shop.graphql(operation, key=caller)
        if "errors" in answer:
            assert id_ not in str(answer)
            outcomes.append(answer["errors"][0]["extensions"]["code"])
        else:
            found = answer["data"]["found"]
            empty = found is None or found == {"deletedIds": []}
            outcomes.append("unknown" if empty else "yes")
    assert tuple(outcomes) == RIGHTS[caller]
    if "yes" not in outcomes[2:]:
        assert await shop.everything() == before


@pytest.mark.parametrize("caller", list(GRAPHQL_RIGHTS), ids=str)
async def test_rights_in_graphql_alone(shop: Shop, caller: str | None) -> None:
    await shop.add()
    await shop.add()
    id_, deleted = await shop.order_ids()
    await shop.rest("POST", "/orders/delete", {"orderId": [deleted]})
    outcomes = []
    for operation, changed in (
        (
            f'mutation {{ found: changeOrderAddress(input: {{ orderId: "{id_}", address: "new" }})'
            " { order { id } userErrors { code } } }",
            f"SELECT address = 'new' FROM orders WHERE id = '{id_}'",
        ),
        (
            f'mutation {{ found: restoreOrders(input: {{ ids: ["{deleted}"] }})'
            " { orders { id } userErrors { code } } }",
            f"SELECT count(*) FROM orders WHERE id = '{deleted}'",
        ),
    ):
        before = await shop.everything()
        answer = await shop.graphql(operation, key=caller)
        if "errors" in answer:
            outcomes.append(answer["errors"][0]["extensions"]["code"])
        else:
            codes = [error["code"] for error in answer["data"]["found"]["userErrors"]]
            outcomes.append({(): "yes", ("NOT_FOUND",): "unknown"}[tuple(codes)])
        if outcomes[-1] == "yes":
            assert await shop.rows(changed) == [(1,)]
        else:
            assert await shop.everything() == before
    assert tuple(outcomes) == GRAPHQL_RIGHTS[caller]


@pytest.mark.parametrize(
    ("name", "input_"),
    [
        ("addOrder", {"items": [], "address": ""}),
        ("changeOrderStatus", {"changes": []}),
        ("deleteOrders", {"ids": []}),
        ("changeOrderAddress", {"orderId": "x", "address": ""}),
        ("restoreOrders", {"ids": []}),
    ],
)
async def test_rights_come_before_the_input(shop: Shop, name: str, input_: Any) -> None:
    kind = f"{name[0].upper()}{name[1:]}Input"
    query = f"mutation ($i: {kind}!) {{ {name}(input: $i) {{ userErrors {{ code }} }} }}"
    answer = await shop.graphql(query, {"i": input_}, key="reader")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize("caller", list(RIGHTS), ids=str)
async def test_rights_by_rest(shop: Shop, caller: str | None) -> None:
    await shop.add()
    [id_] = await shop.order_ids()
    before = await shop.everything()
    item = {"product": TABLE, "shipping": "Budget"}
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/orders/get_all", None),
        ("POST", "/orders/add", {"items": [item], "address": "x"}),
        ("POST", "/orders/change-status", {"items": [{"orderId": id_, "status": "delivery"}]}),
        ("POST", "/orders/delete", {"orderId": [id_]}),
    ]
    for call, outcome in zip(calls, RIGHTS[caller][1:], strict=True):
        response = await shop.rest(*call, key=caller)
        expected = 401 if caller is None else STATUS_OF[outcome]
        assert response.status_code == expected, (call, response.text)
        if call[1] == "/orders/delete" and outcome == "unknown":
            assert response.json()["deletedCount"] == 0
    if "yes" not in RIGHTS[caller][2:]:
        assert await shop.everything() == before


async def test_each_change_names_its_door(shop: Shop) -> None:
    await shop.add()
    sent = {"items": [{"productId": LAMP, "shipping": "NEXT_DAY"}], "address": "x"}
    await shop.data(ADD, {"input": sent})
    assert await shop.rows("SELECT source FROM order_events ORDER BY seq") == [
        ("rest",),
        ("graphql",),
    ]
