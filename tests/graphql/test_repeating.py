"""Idempotency keys and external ids of `addOrder`: one order, through whichever door it came."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.clock import move_clock
from tests.graphql.writing import item, mutation, new_order, place, problems, write
from tests.shop import LAMP, TABLE, Shop, counted_statements, open_client

REST_ORDER = {
    "items": [{"product": TABLE, "quantity": 1, "shipping": "Regular"}],
    "address": "1 Main St",
}
HEADER = "Idempotency-Key"


async def numbers(shop: Shop) -> list[int]:
    return [number for (number,) in await shop.rows("SELECT order_number FROM orders ORDER BY 1")]


class TestIdempotencyKey:
    async def test_the_first_order_comes_back(self, shop: Shop) -> None:
        first = await place(shop, idempotencyKey="k", externalId="e")
        before = await shop.everything()
        for headers in ({}, {HEADER: "k"}, {HEADER: '"k"'}):
            sent = new_order(idempotencyKey="k", externalId="e")
            payload = await write(shop, "addOrder", sent, headers=headers)
            assert payload == {"order": first, "userErrors": []}
        sent = new_order(externalId="e")
        assert (await write(shop, "addOrder", sent, headers={HEADER: "k"}))["order"] == first
        assert await shop.everything() == before

    async def test_it_comes_back_as_it_stands_now(self, shop: Shop) -> None:
        first = await place(shop, idempotencyKey="k")
        await write(shop, "changeOrderAddress", {"orderId": first["id"], "address": "2 Elm Ave"})
        again = await place(shop, idempotencyKey="k")
        assert again == {**first, "address": "2 Elm Ave", "version": 1}

    async def test_deleted_since_it_is_not_found_until_it_is_restored(self, shop: Shop) -> None:
        first = await place(shop, idempotencyKey="k")
        await write(shop, "deleteOrders", {"ids": [first["id"]]})
        before = await shop.everything()
        payload = await write(shop, "addOrder", new_order(idempotencyKey="k"))
        assert payload["order"] is None
        assert problems(payload) == [("NOT_FOUND", "idempotencyKey")]
        assert await shop.everything() == before
        await write(shop, "restoreOrders", {"ids": [first["id"]]}, key="admin")
        assert await place(shop, idempotencyKey="k") == {**first, "version": 2}
        assert await numbers(shop) == [1]

    @pytest.mark.parametrize(
        "other",
        [
            new_order("1 Main St "),
            new_order(externalId="e"),
            new_order(items=[item(), item()]),
            new_order(items=[item(quantity=2)]),
            new_order(items=[item(LAMP)]),
            new_order(items=[item(shipping="BUDGET")]),
        ],
    )
    async def test_another_order_under_the_key(self, shop: Shop, other: Any) -> None:
        await place(shop, idempotencyKey="k")
        before = await shop.everything()
        payload = await write(shop, "addOrder", {**other, "idempotencyKey": "k"})
        assert problems(payload) == [("IDEMPOTENCY_MISMATCH", "idempotencyKey")]
        assert await shop.everything() == before

    async def test_an_external_id_is_part_of_the_order(self, shop: Shop) -> None:
        await place(shop, idempotencyKey="k", externalId="e")
        for external_id in ("f", None):
            sent = new_order(idempotencyKey="k", externalId=external_id)
            payload = await write(shop, "addOrder", sent)
            assert problems(payload) == [("IDEMPOTENCY_MISMATCH", "idempotencyKey")]

    async def test_a_refused_order_leaves_the_key_free(self, shop: Shop) -> None:
        await place(shop, externalId="e")
        before = await shop.everything()
        payload = await write(shop, "addOrder", new_order(externalId="e", idempotencyKey="k"))
        assert problems(payload) == [("CONFLICT", "externalId")]
        assert await shop.everything() == before
        assert (await place(shop, idempotencyKey="k"))["number"] == 2

    async def test_it_works_for_24_hours(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        first = await place(shop, idempotencyKey="k")
        move_clock(monkeypatch, seconds=86_300)
        assert await place(shop, idempotencyKey="k") == first
        move_clock(monkeypatch, seconds=100)
        assert (await place(shop, idempotencyKey="k"))["number"] == 2

    async def test_both_doors_share_keys(self, shop: Shop) -> None:
        sent = await shop.rest("POST", "/orders/add", REST_ORDER, headers={HEADER: "r"})
        assert sent.status_code == 200
        [first] = await shop.order_ids()
        assert (await place(shop, idempotencyKey="r"))["id"] == first
        await place(shop, idempotencyKey="g")
        again = await shop.rest("POST", "/orders/add", REST_ORDER, headers={HEADER: "g"})
        assert again.content == b"ORDER SUCCESS"
        await place(shop, idempotencyKey="x", externalId="e")
        other = await shop.rest("POST", "/orders/add", REST_ORDER, headers={HEADER: "x"})
        assert other.status_code == 422
        assert await numbers(shop) == [1, 2, 3]

    @pytest.mark.usefixtures("plain")
    async def test_a_repetition_costs_no_more_than_looking_it_up(self, shop: Shop) -> None:
        await place(shop, idempotencyKey="k")
        with counted_statements() as statements:
            await place(shop, idempotencyKey="k")
        # Who calls, the claim that fails, which order the first one was, and that order.
        assert len(statements) == 4
        with counted_statements() as statements:
            await place(shop)
        without = len(statements)
        with counted_statements() as statements:
            await place(shop, idempotencyKey="l", externalId="e")
        assert len(statements) == without + 1


class TestHeader:
    @pytest.mark.parametrize(
        ("headers", "sent", "message"),
        [
            (
                [(HEADER, "k")],
                {"idempotencyKey": "l"},
                "idempotencyKey is not the same as in the header Idempotency-Key.",
            ),
            (
                [(HEADER, "k")],
                {"idempotencyKey": ""},
                "idempotencyKey is not the same as in the header Idempotency-Key.",
            ),
            (
                [(HEADER, '"k')],
                {},
                "idempotencyKey comes from the header Idempotency-Key, which must have its closing"
                " quotation mark at its end.",
            ),
            (
                [(HEADER, "k"), (HEADER, "k")],
                {},
                "idempotencyKey comes from the header Idempotency-Key, which must be sent once.",
            ),
            (
                [(HEADER, "")],
                {},
                "idempotencyKey must be 1 to 255 visible ASCII characters.",
            ),
        ],
    )
    async def test_refusals(self, shop: Shop, headers: Any, sent: Any, message: str) -> None:
        before = await shop.everything()
        body = {"query": mutation("addOrder"), "variables": {"input": new_order(**sent)}}
        answer = await shop.client.post(
            "/graphql", json=body, headers=[("Authorization", shop.keys["customer"]), *headers]
        )
        assert answer.json() == {
            "data": {
                "addOrder": {
                    "order": None,
                    "userErrors": [
                        {
                            "code": "INVALID",
                            "field": ["input", "idempotencyKey"],
                            "message": message,
                        }
                    ],
                }
            }
        }
        assert await shop.everything() == before

    @pytest.mark.parametrize(
        "fields",
        [
            "a: addOrder(input: $input) { ...result } b: addOrder(input: $input) { ...result }",
            "a: addOrder(input: $input) { ...result } ...more ... on Mutation { ...more }",
        ],
    )
    async def test_several_orders_are_refused_each(self, shop: Shop, fields: str) -> None:
        before = await shop.everything()
        query = f"""mutation ($input: AddOrderInput!) {{ {fields} }}
          fragment result on AddOrderPayload {{ order {{ id }} userErrors {{ code message }} }}"""
        if "...more" in fields:
            query += (
                "fragment more on Mutation {"
                " ... @include(if: true) { b: addOrder(input: $input) { ...result } } }"
            )
        answer = await self._send(shop, query, {"input": new_order(idempotencyKey="k")})
        refusal = {
            "code": "INVALID",
            "message": "idempotencyKey must stand in each input and not in the header"
            " Idempotency-Key, which is for an operation with one addOrder.",
        }
        refused = {"order": None, "userErrors": [refusal]}
        assert answer == {"data": {"a": refused, "b": refused}}
        assert await shop.everything() == before

    async def test_other_fields_and_operations_pass_it_over(self, shop: Shop) -> None:
        query = """
          mutation Two($input: AddOrderInput!) {
            addOrder(input: $input) { ...result } addOrder(input: $input) { ...result }
            deleteOrders(input: { ids: [] }) { deletedIds } }
          mutation Other($input: AddOrderInput!) { x: addOrder(input: $input) { ...result } }
          query Read { orders { totalCount } }
          fragment result on AddOrderPayload { order { number } userErrors { code } }"""
        for _ in range(2):
            answer = await self._send(shop, query, {"input": new_order()}, operationName="Two")
            assert answer["data"]["addOrder"] == {"order": {"number": 1}, "userErrors": []}
        answer = await self._send(shop, query, operationName="Read")
        assert answer == {"data": {"orders": {"totalCount": 1}}}

    async def test_it_counts_where_the_answer_is_streamed(self, shop: Shop) -> None:
        for _ in range(2):
            response = await shop.rest(
                "POST",
                "/graphql",
                {"query": mutation("addOrder"), "variables": {"input": new_order()}},
                headers={HEADER: "k", "Accept": "text/event-stream"},
            )
            assert '"number":1' in response.text
        assert await numbers(shop) == [1]

    async def _send(
        self, shop: Shop, query: str, variables: Mapping[str, Any] | None = None, **more: Any
    ) -> Any:
        body = {"query": query, "variables": variables, **more}
        return (await shop.rest("POST", "/graphql", body, headers={HEADER: "h"})).json()


class TestExternalId:
    async def test_it_is_kept_as_it_is(self, shop: Shop) -> None:
        external_id = " Ä-1/é " + "x" * 57
        order = await place(shop, externalId=external_id)
        assert order["externalId"] == external_id
        query = "query ($e: [String!]) { orders(filter: { externalIds: $e }) { nodes { number } } }"
        found = await shop.data(query, {"e": [external_id]})
        assert found == {"orders": {"nodes": [{"number": 1}]}}

    async def test_each_customer_has_their_own(self, shop: Shop) -> None:
        await place(shop, externalId="e")
        assert (await place(shop, key="other", externalId="e"))["number"] == 1
        assert (await place(shop, externalId="E"))["number"] == 2

    async def test_none_is_no_id_to_be_unique(self, shop: Shop) -> None:
        for _ in range(2):
            await place(shop, externalId=None)
        assert await numbers(shop) == [1, 2]

    async def test_it_is_free_again_when_its_order_is_deleted(self, shop: Shop) -> None:
        first = await place(shop, externalId="e")
        await write(shop, "deleteOrders", {"ids": [first["id"]]})
        assert (await place(shop, externalId="e"))["number"] == 2


class TestAtOnce:
    """Two applications stand for two processes: only the file is shared."""

    async def test_twins_through_both_doors_make_one_order(
        self, shop: Shop, database_url: str
    ) -> None:
        async with open_client(database_url) as other:
            headers = {"Authorization": shop.keys["customer"], HEADER: "k"}
            body = {"query": mutation("addOrder"), "variables": {"input": new_order()}}

            def send(n: int, client: httpx.AsyncClient) -> Any:
                if n % 4 < 2:
                    return client.post("/orders/add", json=REST_ORDER, headers=headers)
                return client.post("/graphql", json=body, headers=headers)

            answers = await asyncio.gather(
                *(send(n, [shop.client, other][n % 2]) for n in range(16))
            )
        assert {answer.status_code for answer in answers} == {200}
        placed = [answer.json()["data"]["addOrder"] for answer in answers if answer.text[0] == "{"]
        assert len(placed) == 8
        [order_id] = await shop.order_ids()
        assert all(one["userErrors"] == [] for one in placed)
        assert {one["order"]["id"] for one in placed} == {order_id}
        assert await shop.rows("SELECT count(*) FROM order_events") == [(1,)]
        assert await shop.rows("SELECT last_order_number FROM order_counters") == [(1,)]

    async def test_one_of_many_gets_an_external_id(self, shop: Shop, database_url: str) -> None:
        async with open_client(database_url) as other:
            second = Shop(other, shop.database, shop.keys)
            payloads = await asyncio.gather(
                *(
                    write([shop, second][n % 2], "addOrder", new_order(str(n), externalId="e"))
                    for n in range(10)
                )
            )
        assert sorted(map(problems, payloads)) == [[]] + [[("CONFLICT", "externalId")]] * 9
        assert await numbers(shop) == [1]
        assert await shop.rows("SELECT last_order_number FROM order_counters") == [(1,)]
