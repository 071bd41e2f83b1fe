"""The event log in GraphQL: whole for administrators, an order's own for who may see it."""

from typing import Any

import pytest

from tests.shop import CUSTOMER, LAMP, STOOL, Shop, counted_statements

EVENTS = """query ($first: Int, $after: String, $types: [OrderEventType!]) {
  events(first: $first, after: $after, types: $types) {
    edges { cursor node { type orderId } }
    nodes { id type orderId fromStatus toStatus source createdAt actor { id } order { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  } }"""
HISTORIES = """query ($first: Int, $after: String) { orders(sort: CREATED_AT_ASC) { nodes {
  number events(first: $first, after: $after) {
    edges { cursor } nodes { type order { number } actor { name email } }
    pageInfo { hasNextPage hasPreviousPage endCursor } } } } }"""


async def _page(shop: Shop, **variables: Any) -> Any:
    return (await shop.data(EVENTS, variables, key="admin"))["events"]


async def _busy_shop(shop: Shop) -> list[str]:
    """Three orders: one as placed, one changed twice, one changed and deleted."""
    for product in (LAMP, STOOL, LAMP):
        await shop.add(product)
    ids = await shop.order_ids()
    for status in ("delivery", "completed"):
        items = [{"orderId": ids[1], "status": status}]
        await shop.rest("POST", "/orders/change-status", {"items": items}, key="admin")
    items = [{"orderId": ids[2], "status": "delivery"}]
    await shop.rest("POST", "/orders/change-status", {"items": items}, key="admin")
    await shop.data(
        "mutation ($ids: [ID!]!) { deleteOrders(input: { ids: $ids }) { deletedIds } }",
        {"ids": [ids[2]]},
    )
    return ids


class TestTheLog:
    async def test_everything_in_order(self, shop: Shop) -> None:
        a, b, c = await _busy_shop(shop)
        page = await _page(shop)
        seen = [
            (event["type"], event["orderId"], event["fromStatus"], event["toStatus"])
            for event in page["nodes"]
        ]
        assert seen == [
            ("CREATED", a, None, "PENDING"),
            ("CREATED", b, None, "PENDING"),
            ("CREATED", c, None, "PENDING"),
            ("STATUS_CHANGED", b, "PENDING", "DELIVERY"),
            ("STATUS_CHANGED", b, "DELIVERY", "COMPLETED"),
            ("STATUS_CHANGED", c, "PENDING", "DELIVERY"),
            ("DELETED", c, "DELIVERY", None),
        ]
        assert [event["source"] for event in page["nodes"]] == ["REST"] * 6 + ["GRAPHQL"]
        assert page["nodes"][0]["actor"] == {"id": CUSTOMER}
        assert page["nodes"][0]["order"] == {"number": 1}
        assert page["nodes"][-1]["order"] is None
        assert page["pageInfo"]["hasNextPage"] is False

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
    @pytest.mark.parametrize("types", [None, ["STATUS_CHANGED", "DELETED"], ["RESTORED"], []])
    async def test_a_walk_over_the_pages(
        self, shop: Shop, size: int, types: list[str] | None
    ) -> None:
        await _busy_shop(shop)
        whole = await _page(shop, types=types)
        walked: list[Any] = []
        after = None
        while True:
            page = await _page(shop, first=size, after=after, types=types)
            walked += page["nodes"]
            cursors = [edge["cursor"] for edge in page["edges"]]
            assert page["pageInfo"]["hasPreviousPage"] is (after is not None)
            assert page["pageInfo"]["startCursor"] == (cursors[0] if cursors else None)
            after = page["pageInfo"]["endCursor"]
            assert after == (cursors[-1] if cursors else None)
            if not page["pageInfo"]["hasNextPage"]:
                break
        assert walked == whole["nodes"]
        log = ["CREATED"] * 3 + ["STATUS_CHANGED"] * 3 + ["DELETED"]
        expected = log if types is None else [type_ for type_ in log if type_ in types]
        assert [event["type"] for event in walked] == expected

    async def test_a_cursor_of_another_list_is_a_place_in_this_one(self, shop: Shop) -> None:
        await _busy_shop(shop)
        first = (await _page(shop, first=1))["pageInfo"]["endCursor"]
        page = await _page(shop, after=first, types=["DELETED"])
        assert [event["type"] for event in page["nodes"]] == ["DELETED"]
        # There is something before it in the log, but nothing of this type.
        assert page["pageInfo"]["hasPreviousPage"] is False

    async def test_a_page_is_a_statement_and_one_for_each_kind_of_thing(self, shop: Shop) -> None:
        await _busy_shop(shop)
        with counted_statements() as statements:
            await _page(shop)
        assert len(statements) == 4  # the key, events, their orders, their actors

    @pytest.mark.parametrize("key", ["customer", "reader", "writer"])
    async def test_only_for_administrators(self, shop: Shop, key: str) -> None:
        answer = await shop.graphql(EVENTS, key=key)
        assert answer["data"] is None
        assert answer["errors"][0]["extensions"] == {"code": "FORBIDDEN", "requiredScope": "admin"}

    @pytest.mark.parametrize(
        ("variables", "message"),
        [
            ({"first": 101}, "first must be from 0 to 100, not 101."),
            ({"first": -1}, "first must be from 0 to 100, not -1."),
            ({"after": "x"}, "after is not a cursor of events."),
            ({"after": ""}, "after is not a cursor of events."),
            ({"after": "ZXZlbnQ6LTE"}, "after is not a cursor of events."),  # event:-1
            ({"after": "ZXZlbnQ6MDE"}, "after is not a cursor of events."),  # event:01
            ({"after": "MQ"}, "after is not a cursor of events."),  # 1
            (
                {"after": "ZXZlbnQ6OTIyMzM3MjAzNjg1NDc3NTgwOA"},  # event:9223372036854775808
                "after is not a cursor of events.",
            ),
            ({"after": "é" * 30}, "after is not a cursor of events."),
        ],
    )
    async def test_bad_arguments(
        self, shop: Shop, variables: dict[str, object], message: str
    ) -> None:
        answer = await shop.graphql(EVENTS, variables, key="admin")
        assert answer["data"] is None
        assert answer["errors"][0]["message"] == message
        assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"

    async def test_no_events(self, shop: Shop) -> None:
        page = await _page(shop)
        assert page["nodes"] == []
        assert page["pageInfo"] == {
            "hasNextPage": False,
            "hasPreviousPage": False,
            "startCursor": None,
            "endCursor": None,
        }


class TestAnOrdersHistory:
    async def test_of_all_orders_in_one_statement(self, shop: Shop) -> None:
        await _busy_shop(shop)
        with counted_statements() as statements:
            data = await shop.data(HISTORIES)
        # The key, the orders, their events, the events' orders, the actors.
        assert len(statements) == 5
        first, second = data["orders"]["nodes"]
        assert [event["type"] for event in first["events"]["nodes"]] == ["CREATED"]
        assert [event["type"] for event in second["events"]["nodes"]] == [
            "CREATED",
            "STATUS_CHANGED",
            "STATUS_CHANGED",
        ]
        assert {event["order"]["number"] for event in second["events"]["nodes"]} == {2}

    async def test_a_customer_learns_who_it_was_but_not_their_address(self, shop: Shop) -> None:
        await _busy_shop(shop)
        second = (await shop.data(HISTORIES))["orders"]["nodes"][1]
        actors = [event["actor"] for event in second["events"]["nodes"]]
        admin = {"name": "Admin", "email": None}
        assert actors == [{"name": "Customer", "email": "customer@shop.example"}, admin, admin]
        second = (await shop.data(HISTORIES, key="admin"))["orders"]["nodes"][1]
        assert second["events"]["nodes"][1]["actor"]["email"] == "admin@shop.example"

    async def test_pages(self, shop: Shop) -> None:
        await _busy_shop(shop)
        first, second = (await shop.data(HISTORIES, {"first": 1}))["orders"]["nodes"]
        end = second["events"]["pageInfo"].pop("endCursor")
        assert second["events"]["pageInfo"] == {"hasNextPage": True, "hasPreviousPage": False}
        assert first["events"]["pageInfo"]["hasNextPage"] is False
        with counted_statements() as statements:
            data = await shop.data(HISTORIES, {"first": 1, "after": end})
        assert len(statements) == 6  # and where each history begins
        first, second = data["orders"]["nodes"]
        assert second["events"]["nodes"][0]["type"] == "STATUS_CHANGED"
        assert second["events"]["pageInfo"] == {
            "hasNextPage": True,
            "hasPreviousPage": True,
            "endCursor": second["events"]["edges"][0]["cursor"],
        }
        assert first["events"]["nodes"] == []
        assert first["events"]["pageInfo"]["hasPreviousPage"] is True

    async def test_aliases_with_other_pages(self, shop: Shop) -> None:
        _, order_id, _ = await _busy_shop(shop)
        query = """query ($id: ID!) { order(id: $id) {
          one: events(first: 1) { nodes { type } } none: events(first: 0) { nodes { type } }
          all: events(first: null) { nodes { type } } } }"""
        order = (await shop.data(query, {"id": order_id}))["order"]
        assert [len(order[alias]["nodes"]) for alias in ("one", "none", "all")] == [1, 0, 3]

    async def test_pages_count_as_list_elements(self, shop: Shop) -> None:
        history = "orders(first: 50) { nodes { events(first: 100) { nodes { id } } } }"
        assert "errors" not in await shop.graphql(f"{{ {history} }}")
        answer = await shop.graphql(f"{{ a: {history} b: {history} }}")
        assert answer["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
