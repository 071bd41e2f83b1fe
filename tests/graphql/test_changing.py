"""The mutations: payloads, userErrors, onError, versions, events."""

import json
from typing import Any

import pytest

from tests.shop import ADMIN, CUSTOMER, LAMP, STOOL, TABLE, UNKNOWN, Shop

ADD = """mutation ($input: AddOrderInput!) { addOrder(input: $input) {
  order { id number status address version total { amount } createdAt updatedAt
    items { name quantity shipping product { name } } customer { id } }
  userErrors { code field message } } }"""
CHANGE = """mutation ($input: ChangeOrderStatusInput!) { changeOrderStatus(input: $input) {
  orders { id status version } userErrors { code field message } } }"""
DELETE = """mutation ($input: DeleteOrdersInput!) { deleteOrders(input: $input) {
  deletedIds userErrors { code field message } } }"""
EVENTS = """SELECT order_id, type, source, from_status, to_status, order_version, actor_id
  FROM order_events ORDER BY seq"""


def item(product: str = TABLE, **more: Any) -> dict[str, Any]:
    return {"productId": product, "shipping": "REGULAR", **more}


class TestAddOrder:
    async def test_the_new_order_comes_back(self, shop: Shop) -> None:
        sent = {
            "items": [item(TABLE, quantity=3), item(LAMP, shipping="NEXT_DAY")],
            "address": " 1 Main St ",
        }
        payload = (await shop.data(ADD, {"input": sent}))["addOrder"]
        assert payload["userErrors"] == []
        order = payload["order"]
        created = order.pop("createdAt")
        assert order.pop("updatedAt") == created
        assert order == {
            "id": (await shop.order_ids())[0],
            "number": 1,
            "status": "PENDING",
            "address": " 1 Main St ",
            "version": 0,
            "total": {"amount": "90.10"},
            "items": [
                {
                    "name": "brown table",
                    "quantity": 3,
                    "shipping": "REGULAR",
                    "product": {"name": "brown table"},
                },
                {
                    "name": "lamp",
                    "quantity": 1,
                    "shipping": "NEXT_DAY",
                    "product": {"name": "lamp"},
                },
            ],
            "customer": {"id": CUSTOMER},
        }
        assert await shop.rows(EVENTS) == [
            (order["id"], "created", "graphql", None, "pending", 0, CUSTOMER)
        ]

    async def test_every_problem_is_told_at_once(self, shop: Shop) -> None:
        before = await shop.everything()
        sent = {"items": [item("x"), item(quantity=0)], "address": "\n"}
        payload = (await shop.data(ADD, {"input": sent}))["addOrder"]
        assert payload == {
            "order": None,
            "userErrors": [
                {
                    "code": "INVALID",
                    "field": ["input", "items", "0", "productId"],
                    "message": "items[0].productId must be an id of 24 hex digits.",
                },
                {
                    "code": "OUT_OF_RANGE",
                    "field": ["input", "items", "1", "quantity"],
                    "message": "items[1].quantity must be a whole number from 1 to 2147483647.",
                },
                {
                    "code": "INVALID",
                    "field": ["input", "address"],
                    "message": "address must not be blank.",
                },
            ],
        }
        assert await shop.everything() == before

    @pytest.mark.parametrize(
        ("sent", "code", "field"),
        [
            ({"items": [], "address": "x"}, "OUT_OF_RANGE", ["input", "items"]),
            ({"items": [item()] * 101, "address": "x"}, "OUT_OF_RANGE", ["input", "items"]),
            (
                {"items": [item(), item(UNKNOWN)], "address": "x"},
                "NOT_FOUND",
                ["input", "items", "1", "productId"],
            ),
            ({"items": [item()], "address": "a\0"}, "INVALID", ["input", "address"]),
        ],
    )
    async def test_refusals(self, shop: Shop, sent: Any, code: str, field: list[str]) -> None:
        before = await shop.everything()
        payload = (await shop.data(ADD, {"input": sent}))["addOrder"]
        assert payload["order"] is None
        assert [(e["code"], e["field"]) for e in payload["userErrors"]] == [(code, field)]
        assert await shop.everything() == before

    @pytest.mark.parametrize(
        "sent",
        [
            {"items": [item(quantity=2**31)], "address": "x"},
            {"items": [item(quantity=1.5)], "address": "x"},
            {"items": [item(quantity=None)], "address": "x"},
            {"items": [item(shipping="Regular")], "address": "x"},
            {"items": [item(price=1)], "address": "x"},
            {"items": [item()]},
        ],
    )
    async def test_what_does_not_fit_the_schema(self, shop: Shop, sent: Any) -> None:
        before = await shop.everything()
        answer = await shop.graphql(ADD, {"input": sent})
        assert "data" not in answer
        assert {e["extensions"]["code"] for e in answer["errors"]} == {"BAD_USER_INPUT"}
        assert await shop.everything() == before


class TestChangeOrderStatus:
    async def _orders(self, shop: Shop, count: int = 2) -> list[str]:
        for _ in range(count):
            await shop.add()
        return await shop.order_ids()

    async def _change(self, shop: Shop, *changes: Any, on_error: str | None = None) -> Any:
        sent: dict[str, Any] = {"changes": list(changes)}
        if on_error:
            sent["onError"] = on_error
        return (await shop.data(CHANGE, {"input": sent}, key="admin"))["changeOrderStatus"]

    async def test_many_at_once_in_input_order(self, shop: Shop) -> None:
        first, second = await self._orders(shop)
        payload = await self._change(
            shop,
            {"orderId": second, "status": "COMPLETED", "expectedVersion": 0},
            {"orderId": first.upper(), "status": "PENDING"},
        )
        assert payload == {
            "orders": [
                {"id": second, "status": "COMPLETED", "version": 1},
                {"id": first, "status": "PENDING", "version": 0},
            ],
            "userErrors": [],
        }
        # Setting the status that it has already is no change, and makes no event.
        assert (await shop.rows(EVENTS))[2:] == [
            (second, "status_changed", "graphql", "pending", "completed", 1, ADMIN)
        ]

    async def test_one_failure_changes_nothing(self, shop: Shop) -> None:
        first, second = await self._orders(shop)
        before = await shop.everything()
        payload = await self._change(
            shop,
            {"orderId": first, "status": "DELIVERY"},
            {"orderId": UNKNOWN, "status": "DELIVERY"},
            {"orderId": second, "status": "DELIVERY", "expectedVersion": 4},
        )
        assert payload == {
            "orders": [],
            "userErrors": [
                {
                    "code": "NOT_FOUND",
                    "field": ["input", "changes", "1", "orderId"],
                    "message": "changes[1].orderId names no order.",
                },
                {
                    "code": "CONFLICT",
                    "field": ["input", "changes", "2", "expectedVersion"],
                    "message": "changes[2].expectedVersion is not the order's version, which is 0.",
                },
            ],
        }
        assert await shop.everything() == before

    async def test_skip_failed_changes_the_others(self, shop: Shop) -> None:
        first, second = await self._orders(shop)
        payload = await self._change(
            shop,
            {"orderId": UNKNOWN, "status": "DELIVERY"},
            {"orderId": first, "status": "DELIVERY", "expectedVersion": 1},
            {"orderId": second, "status": "DELIVERY"},
            on_error="SKIP_FAILED",
        )
        assert payload["orders"] == [{"id": second, "status": "DELIVERY", "version": 1}]
        assert [e["code"] for e in payload["userErrors"]] == ["NOT_FOUND", "CONFLICT"]

    @pytest.mark.parametrize("on_error", ["REJECT_ALL", "SKIP_FAILED"])
    async def test_malformed_input_changes_nothing_at_all(self, shop: Shop, on_error: str) -> None:
        [first] = await self._orders(shop, 1)
        before = await shop.everything()
        many = [{"orderId": f"{n:024x}", "status": "DELIVERY"} for n in range(100)]
        good = {"orderId": first, "status": "DELIVERY"}
        for bad, field in (
            ([{"orderId": "x", "status": "DELIVERY"}], ["input", "changes", "1", "orderId"]),
            ([{**good, "orderId": first.upper()}], ["input", "changes", "1", "orderId"]),
            (many, ["input", "changes"]),
        ):
            payload = await self._change(shop, good, *bad, on_error=on_error)
            assert payload["orders"] == []
            assert [e["field"] for e in payload["userErrors"]] == [field]
        payload = await self._change(shop, on_error=on_error)
        assert [e["code"] for e in payload["userErrors"]] == ["OUT_OF_RANGE"]
        assert await shop.everything() == before


class TestDeleteOrders:
    async def _delete(self, shop: Shop, *ids: str, key: str = "customer", **more: Any) -> Any:
        sent = {"ids": list(ids), **more}
        return (await shop.data(DELETE, {"input": sent}, key=key))["deleteOrders"]

    async def test_many_at_once_in_input_order(self, shop: Shop) -> None:
        await shop.add(TABLE, STOOL)
        await shop.add()
        first, second = await shop.order_ids()
        payload = await self._delete(shop, second, first)
        assert payload == {"deletedIds": [second, first], "userErrors": []}
        assert await shop.rows("SELECT count(*) FROM orders") == [(0,)]
        assert await shop.rows("SELECT count(*) FROM order_items") == [(0,)]
        assert (await shop.rows(EVENTS))[2:] == [
            (second, "deleted", "graphql", "pending", None, 1, CUSTOMER),
            (first, "deleted", "graphql", "pending", None, 1, CUSTOMER),
        ]

    async def test_the_last_event_holds_the_whole_order(self, shop: Shop) -> None:
        await shop.add(TABLE, STOOL, address="é\n")
        [id_] = await shop.order_ids()
        query = "SELECT CAST(data AS TEXT) FROM order_events"
        items = await shop.rows("SELECT id FROM order_items ORDER BY position")
        await self._delete(shop, id_)
        [data] = (await shop.rows(query))[-1]
        assert json.loads(data)["order"]["items"][1]["name"] == "stool"
        assert all(item_id in data for (item_id,) in items)
        assert '"address": "\\u00e9\\n"' in data

    async def test_policies(self, shop: Shop) -> None:
        await shop.add()
        await shop.add(key="other")
        [mine], [others] = await shop.order_ids(), await shop.order_ids(key="other")
        before = await shop.everything()
        payload = await self._delete(shop, mine, others)
        assert payload == {
            "deletedIds": [],
            "userErrors": [
                {
                    "code": "NOT_FOUND",
                    "field": ["input", "ids", "1"],
                    "message": "ids[1] names no order.",
                }
            ],
        }
        assert await shop.everything() == before
        payload = await self._delete(shop, others, mine, onError="SKIP_FAILED")
        assert payload["deletedIds"] == [mine]
        assert [e["field"] for e in payload["userErrors"]] == [["input", "ids", "0"]]
        assert await shop.order_ids(key="other") == [others]

    async def test_bounds(self, shop: Shop) -> None:
        for ids in ([], [f"{n:024x}" for n in range(101)]):
            payload = await self._delete(shop, *ids)
            assert [e["code"] for e in payload["userErrors"]] == ["OUT_OF_RANGE"]
        payload = await self._delete(shop, UNKNOWN, UNKNOWN, onError="SKIP_FAILED")
        assert [e["message"] for e in payload["userErrors"]] == [
            "ids[1] names an order a second time."
        ]
