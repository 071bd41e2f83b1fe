"""`changeOrderAddress`, and changes of the same order at the same time."""

import asyncio
from typing import Any

import orjson
import pytest

from tests.graphql.writing import place, problems, write
from tests.shop import ADMIN, CUSTOMER, Shop, counted_statements, open_client

LOG = """SELECT type, source, from_status, to_status, order_version, actor_id, CAST(data AS TEXT)
  FROM order_events WHERE type != 'created' ORDER BY seq"""
SEARCH = "query ($s: String) { orders(filter: { search: $s }) { totalCount } }"


class TestChangeOrderAddress:
    async def test_the_order_comes_back_corrected(self, shop: Shop) -> None:
        placed = await place(shop, externalId="e")
        change = {"orderId": placed["id"].upper(), "address": " 2 Elm\nAve ", "expectedVersion": 0}
        payload = await write(shop, "changeOrderAddress", change)
        assert payload["userErrors"] == []
        assert payload["order"] == {
            "id": placed["id"],
            "address": " 2 Elm\nAve ",
            "status": "PENDING",
            "version": 1,
        }
        [*facts, data] = (await shop.rows(LOG))[0]
        assert facts == ["address_changed", "graphql", "pending", "pending", 1, CUSTOMER]
        assert orjson.loads(data) == {"from_address": "1 Main St", "to_address": " 2 Elm\nAve "}
        query = "query ($id: ID!) { order(id: $id) { address version updatedAt createdAt } }"
        read = (await shop.data(query, {"id": placed["id"]}))["order"]
        assert (read["address"], read["version"]) == (" 2 Elm\nAve ", 1)
        assert read["updatedAt"] >= read["createdAt"]

    async def test_an_administrator_corrects_anyones(self, shop: Shop) -> None:
        placed = await place(shop)
        change = {"orderId": placed["id"], "address": "2 Elm Ave"}
        payload = await write(shop, "changeOrderAddress", change, key="admin")
        assert payload["order"]["address"] == "2 Elm Ave"
        assert [row[5] for row in await shop.rows(LOG)] == [ADMIN]

    async def test_the_same_address_is_no_change(self, shop: Shop) -> None:
        placed = await place(shop)
        before = await shop.everything()
        change = {"orderId": placed["id"], "address": placed["address"], "expectedVersion": 0}
        payload = await write(shop, "changeOrderAddress", change)
        assert payload["order"]["version"] == 0
        assert payload["userErrors"] == []
        assert await shop.everything() == before

    async def test_pending_again_it_can_be_corrected_again(self, shop: Shop) -> None:
        placed = await place(shop)
        change = {"orderId": placed["id"], "address": "new"}
        for status, expected in (
            ("DELIVERY", [("INVALID", "orderId")]),
            ("COMPLETED", [("INVALID", "orderId")]),
            ("PENDING", []),
        ):
            moved = {"changes": [{"orderId": placed["id"], "status": status}]}
            await write(shop, "changeOrderStatus", moved, key="admin")
            for key in ("admin", "customer"):
                payload = await write(shop, "changeOrderAddress", change, key=key)
                assert problems(payload) == expected

    async def test_the_order_is_found_by_its_new_address_alone(self, shop: Shop) -> None:
        placed = await place(shop, address="1 Main St")
        change = {"orderId": placed["id"], "address": "2 Elm Ave"}
        await write(shop, "changeOrderAddress", change)
        for search, count in (("main", 0), ("elm", 1), ("table customer elm", 1)):
            assert await shop.data(SEARCH, {"s": search}) == {"orders": {"totalCount": count}}

    @pytest.mark.usefixtures("plain")
    async def test_its_statements(self, shop: Shop) -> None:
        placed = await place(shop)
        change = {"orderId": placed["id"], "address": "2 Elm Ave"}
        with counted_statements() as statements:
            await write(shop, "changeOrderAddress", change)
        # Who calls, the order, its change, its customer's name and its words, the event.
        assert len(statements) == 6
        with counted_statements() as statements:
            await write(shop, "changeOrderAddress", change)
        assert len(statements) == 2


class TestAtOnce:
    """Two applications stand for two processes: only the file is shared."""

    async def test_one_of_many_that_expect_a_version_changes_it(
        self, shop: Shop, database_url: str
    ) -> None:
        order_id = (await place(shop))["id"]
        async with open_client(database_url) as client:
            second = Shop(client, shop.database, shop.keys)

            async def send(n: int) -> Any:
                door = [shop, second][n % 2]
                if n % 3:
                    change = {"orderId": order_id, "address": str(n), "expectedVersion": 0}
                    return await write(door, "changeOrderAddress", change)
                status = {"orderId": order_id, "status": "DELIVERY", "expectedVersion": 0}
                return await write(door, "changeOrderStatus", {"changes": [status]}, key="admin")

            payloads = await asyncio.gather(*(send(n) for n in range(12)))
        refused = [payload["userErrors"] for payload in payloads if payload["userErrors"]]
        assert len(refused) == 11
        for [error] in refused:
            assert error["code"] == "CONFLICT"
            assert error["message"].endswith("is not the order's version, which is 1.")
        assert await shop.rows("SELECT version FROM orders") == [(1,)]
        assert len(await shop.rows(LOG)) == 1

    async def test_skipping_decides_for_each_order(self, shop: Shop, database_url: str) -> None:
        ids = [(await place(shop))["id"] for _ in range(4)]
        async with open_client(database_url) as client:
            second = Shop(client, shop.database, shop.keys)

            async def send(door: Shop, some: list[str]) -> Any:
                changes = [
                    {"orderId": one, "status": "DELIVERY", "expectedVersion": 0} for one in some
                ]
                sent = {"changes": changes, "onError": "SKIP_FAILED"}
                return await write(door, "changeOrderStatus", sent, key="admin")

            first, other = await asyncio.gather(send(shop, ids[:3]), send(second, ids[:0:-1]))
        changed = [order["id"] for payload in (first, other) for order in payload["orders"]]
        assert sorted(changed) == sorted(ids)
        assert len(first["userErrors"]) + len(other["userErrors"]) == 2
        for payload, some in ((first, ids[:3]), (other, ids[:0:-1])):
            done = [order["id"] for order in payload["orders"]]
            assert done == [one for one in some if one in done]
            failed = [some[int(error["field"][2])] for error in payload["userErrors"]]
            assert sorted(done + failed) == sorted(some)


@pytest.mark.parametrize("field", ["orderId", "address"])
async def test_both_are_needed(shop: Shop, field: str) -> None:
    sent = {"orderId": "0" * 24, "address": "x"}
    del sent[field]
    query = """mutation ($input: ChangeOrderAddressInput!) {
      changeOrderAddress(input: $input) { order { id } } }"""
    answer = await shop.graphql(query, {"input": sent})
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_USER_INPUT"]
