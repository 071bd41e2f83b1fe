"""How large an answer gets where orders are large, and that others go on meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import orjson
import pytest
from graphql import GraphQLLeafType

from app.graphql.execution import BoundedExecution
from tests.shop import LAMP, PRODUCTS, STOOL, TABLE, InsideShop, Shop, counted_statements, open_shop

ITEM = """id name image quantity shipping productId unitPrice { amount currencyCode }
    total { amount currencyCode } product { id name image description price { amount } }"""
ORDER = f"""id number status address externalId createdAt updatedAt version
    total {{ amount currencyCode }} customer {{ id name email isAdmin }} items {{ {ITEM} }}
    events {{ edges {{ cursor node {{ id type createdAt actor {{ name }} }} }} }}"""


@pytest.fixture
async def small(database_url: str) -> AsyncGenerator[Shop]:
    """A shop whose answers have at most 1,000 values, with two orders of 100 items and one of 1."""
    async with open_shop(database_url, max_query_values=1_000) as shop:
        await shop.add(*[TABLE, STOOL] * 50)
        await shop.add(*[LAMP] * 100)
        await shop.add(LAMP)
        yield shop


def limit_error(answer: dict[str, Any], found: int) -> dict[str, Any]:
    """The one error of an answer that would have had too many values."""
    [error] = answer["errors"]
    assert error["message"] == (
        "An operation may have a number of values of at most 1000."
        f" This one asks for {found}. Ask for smaller pages."
    )
    assert error["extensions"] == {
        "code": "LIMIT_EXCEEDED",
        "limit": "values",
        "maximum": 1_000,
        "found": found,
    }
    assert isinstance(error, dict)
    return error


class TestLimit:
    async def test_items_count_as_many_as_there_are(self, small: Shop) -> None:
        # The lists of three orders, and four values of each of 201 items.
        query = "{ orders(first: 3) { nodes { items { id total { amount currencyCode } } } } }"
        data = await small.data(query)
        assert [len(node["items"]) for node in data["orders"]["nodes"]] == [1, 100, 100]
        # Six values of each.
        query = query.replace("id total", "id name quantity total")
        answer = await small.graphql(query)
        assert answer["data"] is None
        error = limit_error(answer, 3 + 6 * 201)
        assert error["path"] == ["orders", "nodes", 2, "items"]
        # A smaller page is within the limit.
        assert await small.data(query.replace("first: 3", "first: 2"))

    async def test_each_view_and_alias_counts(self, small: Shop) -> None:
        for query, found in (
            ("{ orders { nodes { items { id } } edges { node { items { id name } } } } }", 0),
            ("{ orders { nodes { a: items { ...I } b: items { ...I } c: items { id } } } }", 1_014),
            ("{ me { orders { edges { node { a: items { ...I name id } } } } } }", 0),
            (
                "{ a: orders { nodes { items { ...I } } } b: orders { nodes { items { ...I } } }"
                " c: orders { nodes { items { id name } } } }",
                3 + 402 + 3 + 402 + 3 + 202,
            ),
        ):
            fragment = " fragment I on OrderItem { id quantity }" if "...I" in query else ""
            answer = await small.graphql(query + fragment)
            if found:
                limit_error(answer, found)
            else:
                assert "errors" not in answer

    async def test_it_is_refused_before_it_is_worked_on(self, small: Shop) -> None:
        query = "{ me { order(number: 2) { items { product { name } } } } }"
        with counted_statements() as statements:
            answer = await small.graphql(query)
        limit_error(answer, 100 * 11)
        assert answer["data"] == {"me": {"order": None}}
        assert not [statement for statement in statements if "FROM products" in statement]

    @pytest.mark.usefixtures("plain")
    async def test_what_is_read_counts_though_it_is_not_shown(self, small: Shop) -> None:
        pages = [f"a{n}: orders(first: {20 - n}) {{ nodes {{ id }} }}" for n in range(12)]
        assert await small.data(f"{{ {' '.join(pages[:4])} }}")
        with counted_statements() as statements:
            answer = await small.graphql(f"{{ {' '.join(pages)} }}")
        assert answer["data"] is None
        limit_error(answer, 5 * 201)
        # Two fields may read at a time.
        assert len([one for one in statements if "FROM orders" in one]) in {5, 6}
        ids = await small.order_ids()
        query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
        assert len((await small.data(query, {"ids": ids}))["nodes"]) == 3

    @pytest.mark.usefixtures("plain")
    async def test_long_texts_count_as_several_values(self, small: Shop) -> None:
        await small.add(LAMP, address="x" * 9_950, key="other")
        names = " ".join(f"a{n}: address" for n in range(11))
        query = f"{{ orders(first: 1) {{ nodes {{ {names} }} }} }}"
        limit_error(await small.graphql(query, key="other"), 11 + 10 * 99)
        query = query.replace("a10: address", "")
        data = await small.data(query, key="other")
        assert data["orders"]["nodes"][0]["a9"] == "x" * 9_950
        # As many as the answer may have are not even read.
        await small.add(LAMP, address="x" * 89_000, key="other")
        answer = await small.graphql("{ orders { nodes { id } } }", key="other")
        assert len(answer["data"]["orders"]["nodes"]) == 2
        await small.add(LAMP, address="x" * 10_000, key="other")
        answer = await small.graphql("{ orders { nodes { id } } }", key="other")
        limit_error(answer, 890 + 100 + 99 + 3)

    async def test_a_full_page_of_all_fields_is_far_within(self, shop: Shop) -> None:
        for _ in range(100):
            await shop.add(TABLE, STOOL, LAMP, TABLE, STOOL)
        data = await shop.data(f"{{ orders(first: 100) {{ nodes {{ {ORDER} }} }} }}")
        assert len(data["orders"]["nodes"]) == 100
        for node in data["orders"]["nodes"]:
            assert [item["product"]["id"] for item in node["items"]] == [
                *(TABLE, STOOL, LAMP, TABLE, STOOL)
            ]
            assert len(node["events"]["edges"]) == 1

    async def test_introspection_is_not_counted(self, small: Shop) -> None:
        query = "{ __schema { types { name fields { name description type { name kind } } } } }"
        assert len(str(await small.data(query))) > 20_000


@pytest.fixture
async def large(shop: InsideShop) -> InsideShop:
    """A shop with three orders of 1,000 items."""
    for number in range(3):
        await shop.add(*[PRODUCTS[(number + n) % 3].id for n in range(1_000)])
    return shop


@pytest.mark.usefixtures("plain")
class TestTurns:
    @pytest.mark.parametrize(
        ("fields", "at_once"),
        [
            ("id name quantity shipping", 4_000),  # one list at a time
            ("id product { name }", 4_000),
            # An item has more than 20 values, so that a turn ends within a list.
            ("id " + " ".join(f"a{n}: total {{ amount }}" for n in range(10)), 2_700),
        ],
    )
    async def test_a_large_answer_is_made_in_parts(
        self, large: Shop, monkeypatch: pytest.MonkeyPatch, fields: str, at_once: int
    ) -> None:
        parts = [0]
        complete = BoundedExecution.complete_leaf_value

        def counted(self: BoundedExecution, return_type: GraphQLLeafType, result: object) -> object:
            parts[-1] += 1
            return complete(self, return_type, result)

        monkeypatch.setattr(BoundedExecution, "complete_leaf_value", counted)
        query = f"{{ orders(first: 3) {{ nodes {{ items {{ {fields} }} }} }} }}"
        running = asyncio.create_task(large.data(query))
        while not running.done():
            await asyncio.sleep(0)
            assert (await large.client.get("/healthz")).json() == {"status": "ok"}
            parts.append(0)
        assert sum(parts) > at_once
        assert max(parts) <= at_once
        lists = [node["items"] for node in (await running)["orders"]["nodes"]]
        order = "query ($n: Int!) { me { order(number: $n) { items { FIELDS } } } }"
        order = order.replace("FIELDS", fields)
        assert lists == [
            (await large.data(order, {"n": number}))["me"]["order"]["items"] for number in (3, 2, 1)
        ]

    async def test_several_large_answers_take_turns(self, large: Shop) -> None:
        query = "{ orders { nodes { items { id name total { amount } product { id name } } } } }"
        answers = await asyncio.gather(*(large.data(query) for _ in range(2)))
        assert len({str(answer) for answer in answers}) == 1
        assert len(answers[0]["orders"]["nodes"][2]["items"]) == 1_000

    async def test_one_that_fails_leaves_the_others_alone(self, large: Shop) -> None:
        fields = "id " + " ".join(f"a{n}: total {{ amount }}" for n in range(10))
        good = f"{{ orders(first: 3) {{ nodes {{ items {{ {fields} }} }} }} }}"
        bad = good.replace("id a0", "quantity name product { id name } id a0")
        failed, answer = await asyncio.gather(large.graphql(bad), large.graphql(good))
        assert failed["data"] is None
        [error] = failed["errors"]
        assert error["extensions"]["limit"] == "values"
        assert len(answer["data"]["orders"]["nodes"]) == 3
        assert await large.graphql(good) == answer

    async def test_the_list_of_the_legacy_path_is_made_in_parts(self, large: Shop) -> None:
        await large.add(LAMP)
        response = await large.rest("GET", "/orders/get_all")
        rows = response.json()
        assert response.content == orjson.dumps(rows)
        assert [row["orderNum"] for row in rows] == [
            number
            for number, count in ((4, 1), (3, 1_000), (2, 1_000), (1, 1_000))
            for _ in range(count)
        ]
        query = "query ($n: Int!) { me { order(number: $n) { items { productId } } } }"
        for number in (1, 3):
            items = (await large.data(query, {"n": number}))["me"]["order"]["items"]
            assert [row["productId"] for row in rows if row["orderNum"] == number] == [
                item["productId"] for item in items
            ]
