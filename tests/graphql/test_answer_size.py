"""How large an answer gets where orders are larger than assumed, and that others go on meanwhile."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.shop import LAMP, PRODUCTS, STOOL, TABLE, InsideShop, Shop, counted_statements, open_shop

ITEM = """id name image quantity shipping productId unitPrice { amount currencyCode }
    total { amount currencyCode } product { id name image description price { amount } }"""
ORDER = f"""id number status address externalId createdAt updatedAt version
    total {{ amount currencyCode }} customer {{ id name email isAdmin }} items {{ {ITEM} }}
    events {{ edges {{ cursor node {{ id type createdAt actor {{ name }} }} }} }}"""


@pytest.fixture
async def small(database_path: Path) -> AsyncGenerator[Shop]:
    """A shop whose answers have at most 1,000 values, with two orders of 100 items and one of 1."""
    async with open_shop(database_path, max_query_values=1_000) as shop:
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
                1_209,
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

    async def test_what_is_read_counts_though_it_is_not_shown(self, small: Shop) -> None:
        pages = [f"a{n}: orders(first: {20 - n}) {{ nodes {{ id }} }}" for n in range(6)]
        assert await small.data(f"{{ {' '.join(pages[:4])} }}")
        with counted_statements() as statements:
            answer = await small.graphql(f"{{ {' '.join(pages)} }}")
        assert answer["data"] is None
        limit_error(answer, 5 * 201)
        assert len([one for one in statements if "FROM orders" in one]) == 5
        ids = await small.order_ids()
        query = "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }"
        assert len((await small.data(query, {"ids": ids}))["nodes"]) == 3

    async def test_long_texts_count_as_several_values(self, small: Shop) -> None:
        await small.add(LAMP, address="x" * 9_950, key="other")
        names = " ".join(f"a{n}: address" for n in range(11))
        query = f"{{ orders(first: 1) {{ nodes {{ {names} }} }} }}"
        limit_error(await small.graphql(query, key="other"), 11 + 11 * 99)
        query = query.replace("a10: address", "")
        data = await small.data(query, key="other")
        assert data["orders"]["nodes"][0]["a9"] == "x" * 9_950
        # As many as the answer may have are not even read.
        await small.add(LAMP, address="x" * 90_000, key="other")
        answer = await small.graphql("{ orders { nodes { id } } }", key="other")
        assert len(answer["data"]["orders"]["nodes"]) == 2
        await small.add(LAMP, address="x" * 10_000, key="other")
        answer = await small.graphql("{ orders { nodes { id } } }", key="other")
        limit_error(answer, 900 + 100 + 99 + 3)

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


async def rounds_until_done(shop: Shop, large: Awaitable[Any]) -> tuple[int, Any]:
    """How many other requests are answered while a large one is worked on, and its answer."""
    running = asyncio.ensure_future(large)
    rounds = 0
    while not running.done():
        assert (await shop.client.get("/healthz")).json() == {"status": "ok"}
        rounds += 1
    return rounds, await running


@pytest.fixture
async def large(shop: InsideShop) -> InsideShop:
    """A shop with ten orders of 800 items."""
    for number in range(10):
        await shop.add(*[PRODUCTS[(number + n) % 3].id for n in range(800)])
    return shop


class TestTurns:
    async def test_others_are_answered_during_a_large_answer(self, large: Shop) -> None:
        for fields in (
            "id name quantity shipping total { amount }",
            "product { name }",
            "a: product { id name image price { amount currencyCode } } b: name " + " ".join(f"c{n}: id" for n in range(12)),
        ):
            query = f"query ($n: Int) {{ orders(first: $n) {{ nodes {{ items {{ {fields} }} }} }} }}"
