"""`restoreOrders`: what was deleted comes back as it was, and its history goes on."""

import asyncio
from typing import Any

import pytest

from tests.graphql.writing import item, place, problems, write
from tests.shop import ADMIN, LAMP, STOOL, TABLE, UNKNOWN, Shop, counted_statements, open_client

WHOLE = """query ($id: ID!) { order(id: $id) {
  id number status address externalId createdAt updatedAt version total { amount currencyCode }
  customer { id } items { id name image quantity shipping productId unitPrice { amount } }
  events { nodes { type fromStatus toStatus source actor { id } } } } }"""
HISTORY = "query ($id: ID!) { order(id: $id) { events { nodes { type fromStatus toStatus } } } }"
VERSIONS = "SELECT order_version FROM order_events WHERE order_id = '{}' ORDER BY seq"
SEARCH = "query ($s: String) { orders(filter: { search: $s }) { nodes { id } } }"


async def delete(shop: Shop, *ids: str, key: str = "customer") -> None:
    payload = await write(shop, "deleteOrders", {"ids": list(ids)}, key=key)
    assert payload["userErrors"] == []


async def restore(shop: Shop, *ids: str, **more: Any) -> Any:
    return await write(shop, "restoreOrders", {"ids": list(ids), **more}, key="admin")


class TestRestoreOrders:
    async def test_it_comes_back_as_it_was(self, shop: Shop) -> None:
        items = [item(STOOL, quantity=3), item(TABLE, shipping="BUDGET"), item(STOOL)]
        placed = await place(shop, items=items, externalId="e", address="é\n")
        await place(shop)
        move = {"changes": [{"orderId": placed["id"], "status": "DELIVERY"}]}
        await write(shop, "changeOrderStatus", move, key="admin")
        order = (await shop.data(WHOLE, {"id": placed["id"]}, key="admin"))["order"]
        rest = (await shop.rest("GET", "/orders/get_all")).json()
        words = await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY 2")
        await delete(shop, placed["id"])
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("UPDATE products SET price_minor = 1, name = 'new'")
        payload = await restore(shop, placed["id"])
        assert payload == {
            "orders": [{"id": placed["id"], "number": 1, "status": "DELIVERY", "version": 3}],
            "userErrors": [],
        }
        back = (await shop.data(WHOLE, {"id": placed["id"]}, key="admin"))["order"]
        assert back["version"] == order["version"] + 2
        assert back["updatedAt"] >= order["updatedAt"]
        assert back["events"]["nodes"] == [
            *order["events"]["nodes"],
            {
                "type": "DELETED",
                "fromStatus": "DELIVERY",
                "toStatus": None,
                "source": "GRAPHQL",
                "actor": {"id": placed_by(order)},
            },
            {
                "type": "RESTORED",
                "fromStatus": None,
                "toStatus": "DELIVERY",
                "source": "GRAPHQL",
                "actor": {"id": ADMIN},
            },
        ]
        for name in ("version", "updatedAt", "events"):
            del order[name], back[name]
        assert back == order
        assert (await shop.rest("GET", "/orders/get_all")).json() == rest
        assert (
            await shop.rows("SELECT user_id, order_id, words FROM order_words ORDER BY 2") == words
        )

    async def test_many_at_once_in_input_order(self, shop: Shop) -> None:
        ids = [(await place(shop, key=key))["id"] for key in ("customer", "other", "customer")]
        await delete(shop, *ids, key="admin")
        payload = await restore(shop, ids[2], ids[0].upper(), ids[1])
        assert [order["id"] for order in payload["orders"]] == [ids[2], ids[0], ids[1]]
        assert await shop.order_ids() == [ids[0], ids[2]]
        assert await shop.order_ids(key="other") == [ids[1]]

    async def test_skipping_reports_each_that_stays_away(self, shop: Shop) -> None:
        ids = [(await place(shop, externalId=e))["id"] for e in ("a", "b", None)]
        await delete(shop, ids[0], ids[1])
        await place(shop, externalId="a")
        sent = (UNKNOWN, ids[0], ids[2], ids[1])
        before = await shop.everything()
        payload = await restore(shop, *sent)
        assert problems(payload) == [
            ("NOT_FOUND", "ids.0"),
            ("CONFLICT", "ids.1"),
            ("CONFLICT", "ids.2"),
        ]
        assert await shop.everything() == before
        payload = await restore(shop, *sent, onError="SKIP_FAILED")
        assert [order["id"] for order in payload["orders"]] == [ids[1]]
        assert [field for _, field in problems(payload)] == ["ids.0", "ids.1", "ids.2"]
        assert await shop.rows("SELECT count(*) FROM order_events WHERE type = 'restored'") == [
            (1,)
        ]

    async def test_of_two_with_one_external_id_the_first_comes_back(self, shop: Shop) -> None:
        ids = []
        for _ in range(2):
            ids.append((await place(shop, externalId="e"))["id"])
            await delete(shop, ids[-1])
        payload = await restore(shop, ids[1], ids[0], onError="SKIP_FAILED")
        assert [order["id"] for order in payload["orders"]] == [ids[1]]
        assert problems(payload) == [("CONFLICT", "ids.1")]

    async def test_again_and_again(self, shop: Shop) -> None:
        id_ = (await place(shop))["id"]
        for n in range(1, 4):
            await delete(shop, id_)
            address = {"orderId": id_, "address": f"{n} Elm Ave"}
            assert (await restore(shop, id_))["userErrors"] == []
            await write(shop, "changeOrderAddress", address)
        await delete(shop, id_)
        await restore(shop, id_)
        back = (await shop.data(WHOLE, {"id": id_}))["order"]
        assert (back["address"], back["version"]) == ("3 Elm Ave", 11)
        assert await shop.rows(VERSIONS.format(id_)) == [(n,) for n in range(12)]
        history = (await shop.data(HISTORY, {"id": id_}))["order"]["events"]["nodes"]
        assert [event["type"] for event in history[:3]] == ["CREATED", "DELETED", "RESTORED"]

    async def test_numbers_go_on_after_it(self, shop: Shop) -> None:
        first = await place(shop)
        await delete(shop, first["id"])
        assert (await place(shop))["number"] == 2
        await restore(shop, first["id"])
        assert (await place(shop))["number"] == 3

    async def test_without_its_customer_and_products_too(self, shop: Shop) -> None:
        id_ = (await place(shop))["id"]
        await delete(shop, id_)
        async with shop.database.transaction() as connection:
            for table in ("api_keys", "users", "products"):
                where = " WHERE id != '{0}' AND user_id != '{0}'" if table == "api_keys" else ""
                where = where or (" WHERE id != '{0}'" if table == "users" else "")
                await connection.exec_driver_sql(f"DELETE FROM {table}" + where.format(ADMIN))
        assert (await restore(shop, id_))["userErrors"] == []
        back = (await shop.data(WHOLE, {"id": id_}, key="admin"))["order"]
        assert back["customer"] is None
        assert back["items"][0]["name"] == "brown table"

    async def test_it_is_found_again(self, shop: Shop) -> None:
        id_ = (await place(shop, address="7 Elm Ave"))["id"]
        await delete(shop, id_)
        assert await shop.data(SEARCH, {"s": "elm"}) == {"orders": {"nodes": []}}
        await restore(shop, id_)
        for search in ("elm", "brown", "customer"):
            assert await shop.data(SEARCH, {"s": search}) == {"orders": {"nodes": [{"id": id_}]}}

    @pytest.mark.usefixtures("plain")
    async def test_its_statements_do_not_grow_with_the_orders(self, shop: Shop) -> None:
        ids = [(await place(shop, items=[item(TABLE), item(LAMP)]))["id"] for _ in range(5)]
        counts = []
        for some in (ids[:1], ids):
            await delete(shop, *some)
            with counted_statements() as statements:
                await restore(shop, *some)
            counts.append(len(statements))
        # Who calls, the snapshots twice, orders, items, customers' names and words, events.
        assert counts == [8, 8]

    async def test_twins_at_once_bring_it_back_once(self, shop: Shop, database_url: str) -> None:
        id_ = (await place(shop))["id"]
        await delete(shop, id_)
        async with open_client(database_url) as client:
            second = Shop(client, shop.database, shop.keys)
            payloads = await asyncio.gather(
                *(restore([shop, second][n % 2], id_) for n in range(6))
            )
        assert sorted(map(problems, payloads)) == [[]] + [[("CONFLICT", "ids.0")]] * 5
        assert await shop.rows(VERSIONS.format(id_)) == [(0,), (1,), (2,)]


def placed_by(order: Any) -> str:
    return str(order["customer"]["id"])
