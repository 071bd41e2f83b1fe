"""The four paths: exact bodies, the contract's edges, and bad input as a table."""

import re
from typing import Any

import pytest

from tests.shop import CUSTOMER, LAMP, STOOL, TABLE, UNKNOWN, Shop

JSON = "application/json; charset=utf-8"
ITEM = {"product": TABLE, "quantity": 2, "shipping": "Regular"}
ORDER = {"items": [ITEM], "address": "1 Main St, Carlton"}


async def _date(shop: Shop, number: int, created_at: str, *, user: str = CUSTOMER) -> None:
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql(
            "UPDATE orders SET created_at = ? WHERE user_id = ? AND order_number = ?",
            (created_at, user, number),
        )


class TestGetAll:
    async def test_no_orders(self, shop: Shop) -> None:
        response = await shop.rest("GET", "/orders/get_all")
        assert (response.status_code, response.content) == (200, b"[]")
        assert response.headers["content-type"] == JSON

    async def test_rows_are_byte_exact(self, shop: Shop) -> None:
        await shop.rest(
            "POST",
            "/orders/add",
            {
                "items": [
                    {"product": TABLE, "quantity": 4, "shipping": "Regular"},
                    {"product": STOOL, "quantity": 1, "shipping": "Next day"},
                ],
                "address": "a",
            },
        )
        await shop.add(LAMP)
        await _date(shop, 1, "2024-11-30T23:59:59.999000Z")
        await _date(shop, 2, "2024-12-01T00:00:00.000000Z")
        first, second = await shop.order_ids()
        response = await shop.rest("GET", "/orders/get_all")
        assert response.headers["content-type"] == JSON
        assert response.text == (
            f'[{{"orderId":"{second}","productId":"{LAMP}","image":"lamp.webp","name":"lamp",'
            '"price":0.1,"quantity":2,"shipping":"Regular","status":"pending",'
            '"createdAt":"December 1, 2024","orderNum":2},'
            f'{{"orderId":"{first}","productId":"{TABLE}","image":"1700110836527.webp",'
            '"name":"brown table","price":30,"quantity":4,"shipping":"Regular","status":"pending",'
            '"createdAt":"November 30, 2024","orderNum":1},'
            f'{{"orderId":"{first}","productId":"{STOOL}","image":null,"name":"stool",'
            '"price":19.99,"quantity":1,"shipping":"Next day","status":"pending",'
            '"createdAt":"November 30, 2024","orderNum":1}]'
        )

    async def test_only_ones_own_also_for_an_administrator(self, shop: Shop) -> None:
        await shop.add(key="customer")
        await shop.add(key="other")
        assert (await shop.rest("GET", "/orders/get_all", key="admin")).json() == []
        assert len((await shop.rest("GET", "/orders/get_all", key="other")).json()) == 1

    async def test_numbers_stay_when_an_order_is_deleted(self, shop: Shop) -> None:
        for _ in range(3):
            await shop.add()
        ids = await shop.order_ids()
        await shop.rest("POST", "/orders/delete", {"orderId": [ids[1]]})
        await shop.add()
        rows = (await shop.rest("GET", "/orders/get_all")).json()
        assert [row["orderNum"] for row in rows] == [4, 3, 1]

    async def test_what_was_bought_stays_when_the_product_changes(self, shop: Shop) -> None:
        await shop.add(TABLE)
        before = (await shop.rest("GET", "/orders/get_all")).json()
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql(
                "UPDATE products SET name = 'new', price_minor = 1, deleted_at = created"
                " FROM (SELECT '2025-01-01T00:00:00.000000Z' AS created)"
            )
        assert (await shop.rest("GET", "/orders/get_all")).json() == before

    async def test_query_parameters_are_ignored(self, shop: Shop) -> None:
        await shop.add()
        response = await shop.rest("GET", "/orders/get_all?limit=0&userId=x")
        assert len(response.json()) == 1


class TestAdd:
    async def test_success_is_byte_exact(self, shop: Shop) -> None:
        response = await shop.rest("POST", "/orders/add", ORDER)
        assert (response.status_code, response.content) == (200, b"ORDER SUCCESS")
        assert response.headers["content-type"] == "text/plain; charset=utf-8"

    @pytest.mark.parametrize(
        ("item", "quantity"),
        [({}, 1), ({"quantity": 2.0}, 2), ({"quantity": 2147483647}, 2147483647)],
    )
    async def test_quantities(self, shop: Shop, item: dict[str, Any], quantity: int) -> None:
        body = {"items": [{"product": LAMP, "shipping": "Budget", **item}], "address": "x"}
        assert (await shop.rest("POST", "/orders/add", body)).status_code == 200
        [row] = (await shop.rest("GET", "/orders/get_all")).json()
        assert (row["quantity"], row["shipping"]) == (quantity, "Budget")

    @pytest.mark.parametrize(
        "address", [" 1 Main\r\nSt ", "Straße 🏠 é é", "\u2028</script>\x01", "x" * 90_000]
    )
    async def test_address_is_kept_byte_for_byte(self, shop: Shop, address: str) -> None:
        await shop.add(address=address)
        data = await shop.data("{ orders { nodes { address } } }")
        assert data["orders"]["nodes"] == [{"address": address}]

    async def test_the_same_product_twice_stays_two_rows_in_order(self, shop: Shop) -> None:
        await shop.add(TABLE, STOOL, TABLE)
        rows = (await shop.rest("GET", "/orders/get_all")).json()
        assert [row["productId"] for row in rows] == [TABLE, STOOL, TABLE]

    async def test_many_items_keep_their_order(self, shop: Shop) -> None:
        wanted = [TABLE, STOOL, LAMP] * 34
        await shop.add(*wanted)
        rows = (await shop.rest("GET", "/orders/get_all")).json()
        assert [row["productId"] for row in rows] == wanted

    async def test_unknown_fields_are_ignored(self, shop: Shop) -> None:
        body = {
            "items": [{**ITEM, "price": 0.01, "_id": UNKNOWN, "name": "free"}],
            "address": "x",
            "user": UNKNOWN,
            "status": "completed",
            "_id": UNKNOWN,
            "createdAt": "2001-01-01",
            "orderNum": 99,
        }
        assert (await shop.rest("POST", "/orders/add", body)).status_code == 200
        [row] = (await shop.rest("GET", "/orders/get_all")).json()
        assert (row["price"], row["status"], row["orderNum"]) == (30, "pending", 1)
        assert row["orderId"] != UNKNOWN

    async def test_ids_are_taken_in_any_letter_case(self, shop: Shop) -> None:
        await shop.add(TABLE.upper())
        [row] = (await shop.rest("GET", "/orders/get_all")).json()
        assert row["productId"] == TABLE

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({"address": "x"}, "items is missing."),
            ({"items": None, "address": "x"}, "items must be a list."),
            ({"items": ITEM, "address": "x"}, "items must be a list."),
            ({"items": [], "address": "x"}, "items must hold at least one item."),
            ({"items": [None], "address": "x"}, "items[0] must be an object."),
            ({"items": [[]], "address": "x"}, "items[0] must be an object."),
            ({"items": [ITEM]}, "address is missing."),
            ({"items": [ITEM], "address": ""}, "address must not be blank."),
            ({"items": [ITEM], "address": " \n "}, "address must not be blank."),
            ({"items": [ITEM], "address": 5}, "address must be a string."),
            ({"items": [ITEM], "address": True}, "address must be a string."),
            ({"items": [ITEM], "address": None}, "address must be a string."),
            ({"items": [ITEM], "address": "a\0b"}, "address must not contain the character NUL."),
        ],
    )
    async def test_bad_bodies(self, shop: Shop, body: Any, message: str) -> None:
        await self._refused(shop, body, message)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"product": UNKNOWN}, "items[1].product names no product."),
            ({"product": "table12chars"}, "items[1].product must be an id of 24 hex digits."),
            ({"product": TABLE + "\n"}, "items[1].product must be an id of 24 hex digits."),
            ({"product": 5}, "items[1].product must be a string."),
            ({"product": None}, "items[1].product must be a string."),
            (
                {"shipping": "regular"},
                "items[1].shipping must be 'Next day', 'Regular' or 'Budget'.",
            ),
            ({"shipping": None}, "items[1].shipping must be 'Next day', 'Regular' or 'Budget'."),
            ({"quantity": None}, "items[1].quantity must be a whole number."),
            ({"quantity": ""}, "items[1].quantity must be a whole number."),
            ({"quantity": "2"}, "items[1].quantity must be a whole number."),
            ({"quantity": True}, "items[1].quantity must be a whole number."),
            ({"quantity": 1.5}, "items[1].quantity must be a whole number."),
            ({"quantity": 0}, "items[1].quantity must be a whole number from 1 to 2147483647."),
            ({"quantity": -1}, "items[1].quantity must be a whole number from 1 to 2147483647."),
            ({"quantity": 2**31}, "items[1].quantity must be a whole number from 1 to 2147483647."),
            ({"quantity": 1e308}, "items[1].quantity must be a whole number from 1 to 2147483647."),
        ],
    )
    async def test_bad_items(self, shop: Shop, change: dict[str, Any], message: str) -> None:
        await self._refused(shop, {"items": [ITEM, {**ITEM, **change}], "address": "x"}, message)

    @pytest.mark.parametrize("field", ["product", "shipping"])
    async def test_missing_fields_of_items(self, shop: Shop, field: str) -> None:
        item = {name: value for name, value in ITEM.items() if name != field}
        await self._refused(
            shop, {"items": [item], "address": "x"}, f"items[0].{field} is missing."
        )

    async def test_a_total_that_no_order_can_hold(self, shop: Shop) -> None:
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE products SET price_minor = 900000000000000")
        body = {"items": [{**ITEM, "quantity": 2147483647}], "address": "x"}
        await self._refused(shop, body, "items add up to more than an order can hold.")

    async def _refused(self, shop: Shop, body: Any, message: str) -> None:
        before = await shop.everything()
        response = await shop.rest("POST", "/orders/add", body)
        assert (response.status_code, response.json()) == (400, {"msg": message})
        assert await shop.everything() == before


class TestChangeStatus:
    async def _change(self, shop: Shop, *items: Any, key: str = "admin") -> Any:
        return await shop.rest("POST", "/orders/change-status", {"items": list(items)}, key=key)

    async def test_answer_is_byte_exact(self, shop: Shop) -> None:
        await shop.add(TABLE, STOOL)
        await _date(shop, 1, "2024-11-30T17:08:56.120000Z")
        [id_] = await shop.order_ids()
        items = await shop.rows("SELECT id FROM order_items ORDER BY position")
        response = await self._change(shop, {"orderId": id_.upper(), "status": "completed"})
        assert response.status_code == 200
        assert response.headers["content-type"] == JSON
        assert response.text == (
            f'[{{"_id":"{id_}","user":"{CUSTOMER}","items":['
            f'{{"product":"{TABLE}","quantity":2,"shipping":"Regular","_id":"{items[0][0]}"}},'
            f'{{"product":"{STOOL}","quantity":2,"shipping":"Regular","_id":"{items[1][0]}"}}],'
            '"status":"completed","address":"1 Main St","createdAt":"2024-11-30T17:08:56.120Z",'
            '"__v":1}]'
        )

    async def test_any_status_to_any_and_the_same_again_is_no_change(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        seen = []
        for status in ("completed", "pending", "pending", "delivery", "completed"):
            [order] = (await self._change(shop, {"orderId": id_, "status": status})).json()
            seen.append((order["status"], order["__v"]))
        assert seen == [
            ("completed", 1),
            ("pending", 2),
            ("pending", 2),
            ("delivery", 3),
            ("completed", 4),
        ]

    async def test_orders_come_by_ascending_id_each_once(self, shop: Shop) -> None:
        for key in ("customer", "other", "customer"):
            await shop.add(key=key)
        ids = sorted([*await shop.order_ids(), *await shop.order_ids(key="other")])
        items = [{"orderId": id_, "status": "delivery"} for id_ in reversed(ids)]
        response = await self._change(shop, *items, *items)
        assert [order["_id"] for order in response.json()] == ids

    async def test_the_last_of_twins_wins(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        response = await self._change(
            shop,
            {"orderId": id_, "status": "completed"},
            {"orderId": id_.upper(), "status": "delivery"},
        )
        assert [(o["status"], o["__v"]) for o in response.json()] == [("delivery", 1)]

    async def test_unknown_ids_are_ignored(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        both = await self._change(
            shop,
            {"orderId": UNKNOWN, "status": "delivery"},
            {"orderId": id_, "status": "delivery"},
        )
        assert [order["_id"] for order in both.json()] == [id_]
        only = await self._change(shop, {"orderId": UNKNOWN, "status": "delivery"})
        assert (only.status_code, only.content) == (200, b"[]")
        none = await self._change(shop)
        assert (none.status_code, none.content) == (200, b"[]")

    async def test_more_ids_than_a_statement_can_hold(self, shop: Shop) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        items = [{"orderId": f"{n:024x}", "status": "delivery"} for n in range(12_000)]
        response = await self._change(shop, *items, {"orderId": id_, "status": "delivery"})
        assert [order["_id"] for order in response.json()] == [id_]

    @pytest.mark.parametrize("key", ["customer", "other", "writer", "reader"])
    async def test_only_for_administrators(self, shop: Shop, key: str) -> None:
        await shop.add()
        before = await shop.everything()
        for content in (b"{", b'{"items":[]}'):
            response = await shop.rest(
                "POST",
                "/orders/change-status",
                key=key,
                content=content,
                headers={"Content-Type": "application/json"},
            )
            assert response.status_code == 403
            assert response.content == b'{"msg":"unauthorized user, you are not an administrator"}'
        assert await shop.everything() == before

    @pytest.mark.parametrize(
        ("item", "message"),
        [
            (
                {"orderId": UNKNOWN, "status": "shipped"},
                "items[1].status must be 'pending', 'delivery' or 'completed'.",
            ),
            (
                {"orderId": UNKNOWN, "status": "Pending"},
                "items[1].status must be 'pending', 'delivery' or 'completed'.",
            ),
            ({"orderId": UNKNOWN}, "items[1].status is missing."),
            ({"status": "pending"}, "items[1].orderId is missing."),
            (
                {"orderId": "abcdefghijkl", "status": "pending"},
                "items[1].orderId must be an id of 24 hex digits.",
            ),
            ({"orderId": 7, "status": "pending"}, "items[1].orderId must be a string."),
            (None, "items[1] must be an object."),
        ],
    )
    async def test_one_bad_item_changes_nothing(self, shop: Shop, item: Any, message: str) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        before = await shop.everything()
        response = await self._change(shop, {"orderId": id_, "status": "completed"}, item)
        assert (response.status_code, response.json()) == (400, {"msg": message})
        assert await shop.everything() == before


class TestDelete:
    async def _delete(self, shop: Shop, *ids: Any, key: str = "customer") -> Any:
        return await shop.rest("POST", "/orders/delete", {"orderId": list(ids)}, key=key)

    async def test_answer_is_byte_exact(self, shop: Shop) -> None:
        await shop.add()
        await shop.add()
        first, second = await shop.order_ids()
        response = await self._delete(shop, first, second.upper(), first, UNKNOWN)
        assert response.headers["content-type"] == JSON
        assert response.content == b'{"acknowledged":true,"deletedCount":2}'
        assert (await shop.rest("GET", "/orders/get_all")).json() == []

    async def test_an_empty_list(self, shop: Shop) -> None:
        response = await self._delete(shop)
        assert response.content == b'{"acknowledged":true,"deletedCount":0}'

    async def test_anothers_order_counts_as_unknown(self, shop: Shop) -> None:
        await shop.add(key="other")
        [id_] = await shop.order_ids(key="other")
        before = await shop.everything()
        response = await self._delete(shop, id_)
        assert response.json() == {"acknowledged": True, "deletedCount": 0}
        assert await shop.everything() == before

    async def test_an_administrator_deletes_anyones(self, shop: Shop) -> None:
        await shop.add(key="other")
        [id_] = await shop.order_ids(key="other")
        response = await self._delete(shop, id_, key="admin")
        assert response.json() == {"acknowledged": True, "deletedCount": 1}
        assert await shop.order_ids(key="other") == []

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            ({}, "orderId is missing."),
            ({"orderId": None}, "orderId must be a list."),
            ({"orderId": UNKNOWN}, "orderId must be a list."),
            ({"orderId": [UNKNOWN, 5]}, "orderId[1] must be a string."),
            ({"orderId": [UNKNOWN, "abcdefghijkl"]}, "orderId[1] must be an id of 24 hex digits."),
            ({"orderId": [UNKNOWN + "\n"]}, "orderId[0] must be an id of 24 hex digits."),
        ],
    )
    async def test_bad_bodies_delete_nothing(self, shop: Shop, body: Any, message: str) -> None:
        await shop.add()
        [id_] = await shop.order_ids()
        if isinstance(body.get("orderId"), list):
            body = {"orderId": [*body["orderId"], id_]}
        before = await shop.everything()
        response = await shop.rest("POST", "/orders/delete", body)
        assert (response.status_code, response.json()) == (400, {"msg": message})
        assert await shop.everything() == before


async def test_answers_show_nothing_of_the_inside(shop: Shop) -> None:
    async with shop.database.transaction() as connection:
        await connection.exec_driver_sql("UPDATE api_keys SET scopes = 'nonsense'")
    response = await shop.rest("GET", "/orders/get_all")
    assert (response.status_code, response.json()) == (500, {"msg": "request error"})
    assert not re.search(r"Traceback|SELECT|\.py|nonsense", response.text)
