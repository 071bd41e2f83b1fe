"""What docs/architecture.md says is declined, is; and it is answered all the same."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.graphql.compiler.nasty import ORDERS, open_nasty
from tests.graphql.compiler.test_never_different import compare, counted
from tests.shop import CUSTOMER, TABLE, open_shop

DOCUMENT = Path(__file__).parents[3] / "docs" / "architecture.md"
OPERATIONS = re.findall(r"^\| `((?:mutation )?\{.*?\})` \| ", DOCUMENT.read_text(), re.MULTILINE)
MANY = " ".join(f"a{n}: name" for n in range(41))
ADD = f"""mutation ($key: String) {{ addOrder(input: {{ address: "x", idempotencyKey: $key, items:
    [{{ productId: "{TABLE}", shipping: BUDGET }}] }}) {{ order {{ address }} }} }}"""


async def test_operations_of_the_table(database_url: str) -> None:
    assert len(OPERATIONS) > 15
    async with open_nasty(database_url) as shops:
        for operation in OPERATIONS:
            way, answer = await compare(*shops, {"query": operation}, "admin")
            assert way in {"declined", "plain"}, (operation, answer)
            refused = re.search(r'id: (7|"x")|101|after|search: "a b', operation)
            assert ("errors" in answer) == bool(refused), (operation, answer)


@pytest.mark.parametrize(
    "query",
    [
        f"{{ orders(first: 2) {{ nodes {{ items {{ {MANY} }} }} }} }}",
        f"{{ orders(first: 2) {{ nodes {{ customer {{ {MANY} }} }} }} }}",
        f"{{ orders(first: 2) {{ nodes {{ items {{ product {{ {MANY} }} }} }} }} }}",
        f"{{ orders {{ nodes {{ total {{ {MANY.replace('name', 'amount')} }} }} }} }}",
        f'{{ node(id: "{CUSTOMER}") {{ id ... on User {{ name }} }} }}',
    ],
)
async def test_large_objects_and_other_nodes(database_url: str, query: str) -> None:
    async with open_nasty(database_url) as shops:
        way, answer = await compare(*shops, {"query": query}, "customer")
        assert way in {"declined", "plain"}
        assert "errors" not in answer


async def test_callers_without_rights(database_url: str) -> None:
    async with open_nasty(database_url) as shops:
        for caller, code in (("writer", "FORBIDDEN"), (None, "UNAUTHENTICATED")):
            for query in (
                "{ orders { totalCount } }",
                f'{{ order(id: "{ORDERS[0].id}") {{ id }} }}',
            ):
                way, answer = await compare(*shops, {"query": query}, caller)
                assert way == "declined"
                assert answer["errors"][0]["extensions"]["code"] == code


async def test_the_header_for_repeating(database_url: str) -> None:
    async with open_shop(database_url) as shop:
        ways = []
        for headers, variables in (
            ({"Idempotency-Key": "a"}, {}),
            ({}, {"key": "b"}),
        ):
            before = counted()
            body: dict[str, Any] = {"query": ADD, "variables": variables}
            response = await shop.rest("POST", "/graphql", body, headers=headers)
            assert response.json()["data"] == {"addOrder": {"order": {"address": "x"}}}
            ways += [way for way, number in (counted() - before).items() if number]
        assert ways == ["plain", "compiled"]


async def test_many_combinations_of_flags(database_url: str) -> None:
    names = "abcde"
    query = f"query ({' '.join(f'${name}: Boolean!' for name in names)}) {{ me {{ id "
    query += " ".join(f"{name}: name @include(if: ${name})" for name in names) + " } }"
    ways = []
    async with open_nasty(database_url) as shops:
        for number in range(2 ** len(names)):
            flags = {name: bool(number >> bit & 1) for bit, name in enumerate(names)}
            way, _ = await compare(*shops, {"query": query, "variables": flags}, "customer")
            ways.append(way)
    assert ways == ["compiled"] * 16 + ["declined"] * 16
