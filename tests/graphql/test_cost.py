"""The price of an operation before and after, and the budget of a key at both doors."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.domain import clock
from app.domain.errors import Throttled
from app.domain.ids import UserId
from app.domain.principal import Principal
from app.graphql.cost import FIELD_PRICES, FREE_TYPES
from app.graphql.schema import build_schema
from app.services.cost_budget import CostBudget
from tests.shop import LAMP, STOOL, TABLE, UNKNOWN, Shop, open_shop

ADD = (
    f'mutation {{ addOrder(input: {{ address: "x", items: [{{ productId: "{TABLE}",'
    " shipping: BUDGET }] }) { order { number } } }"
)


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        monkeypatch.setattr(clock, "monotonic_s", lambda: self.now_s)


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def cost(shop: Shop, query: str, variables: Any = None, *, key: str = "customer") -> Any:
    answer = await shop.graphql(query, variables, key=key)
    return answer["extensions"]["cost"]


class TestPrices:
    @pytest.mark.parametrize(
        ("query", "requested", "actual"),
        [
            ("{ me { id name } }", 1, 1),
            ("{ scopes me { id } }", 1, 1),
            # A page: itself, and each element that it may have or has.
            ("{ orders { nodes { id } } }", 21, 4),
            ("{ orders(first: 2) { nodes { id } } }", 3, 3),
            ("{ orders(last: 100) { nodes { id } } }", 101, 4),
            ("{ orders(first: 0) { nodes { id } } }", 1, 1),
            ("{ orders(first: null) { edges { cursor } } }", 21, 4),
            ("{ orders { totalCount pageInfo { hasNextPage } } }", 22, 22),
            # Two views of the same elements, and what is below them in each.
            ("{ orders(first: 5) { nodes { id } edges { node { id } } } }", 6, 4),
            ("{ orders(first: 5) { edges { node { customer { id } } } } }", 11, 7),
            (
                "{ orders(first: 5) { nodes { customer { id } } edges { node { customer { id } } }"
                " } }",
                16,
                10,
            ),
            # Items come with their order; the products of today do not.
            ("{ orders(first: 5) { nodes { items { name total { amount } } } } }", 6, 4),
            ("{ orders(first: 5) { nodes { items { product { id } } } } }", 31, 10),
            # Pages multiply.
            (
                "{ orders(first: 3) { nodes { customer { orders(first: 10) { edges { cursor } } } }"
                " } }",
                40,
                19,
            ),
            # The same fields twice are executed once.
            ("{ orders(first: 2) { nodes { id } } orders(first: 2) { nodes { number } } }", 3, 3),
            (
                "{ ...A ...A ... on Query { ...A } } fragment A on Query { me { id } }",
                1,
                1,
            ),
            ("{ a: me { id } b: me { id } }", 2, 2),
            # What is left out costs nothing afterwards.
            ("{ me @skip(if: true) { id } scopes }", 1, 0),
            ("{ ... @include(if: false) { orders { nodes { id } } } scopes }", 21, 0),
            ("{ products(first: 2) { id } }", 3, 3),
            ("{ products { id price { amount } } }", 21, 4),
            (f'{{ products(ids: ["{STOOL}", "{LAMP}"]) {{ id }} }}', 3, 3),
            (f'{{ products(ids: "{STOOL}") {{ id }} }}', 2, 2),
            (f'{{ order(id: "{TABLE}") {{ customer {{ id }} }} }}', 2, 1),
            (
                f'{{ node(id: "{TABLE}") {{ ... on Product {{ id }}'
                " ... on Order { customer { id } } ... on User { orders { nodes { id } } } } }",
                23,
                1,
            ),
            (ADD, 10, 10),
            (ADD.replace("number", "customer { id }"), 11, 11),
        ],
    )
    async def test_before_and_after(
        self, database_url: str, stopped: Clock, query: str, requested: int, actual: int
    ) -> None:
        async with open_shop(database_url, cost_budget=20_000) as shop:
            for _ in range(3):
                await shop.add(TABLE, STOOL)
            left = 20_000 - 3 * 10
            assert await cost(shop, query) == {
                "requested": requested,
                "actual": actual,
                "budget": {"maximum": 20_000, "left": left - actual, "restoreRate": 20_000},
            }

    async def test_sizes_in_variables(self, database_url: str) -> None:
        async with open_shop(database_url, cost_budget=20_000) as shop:
            query = "query ($n: Int = 30) { orders(first: $n) { nodes { id } } }"
            assert (await cost(shop, query))["requested"] == 31
            assert (await cost(shop, query, {"n": 7}))["requested"] == 8
            assert (await cost(shop, query, {"n": None}))["requested"] == 21
            query = "query ($ids: [ID!]) { products(ids: $ids) { id } }"
            assert (await cost(shop, query, {"ids": [LAMP] * 9}))["requested"] == 10
            assert (await cost(shop, query))["requested"] == 21

    async def test_what_is_free_has_no_cost_member(self, database_url: str) -> None:
        async with open_shop(database_url, cost_budget=20_000) as shop:
            for query in ("{ scopes }", "{ __typename }", "{ __schema { types { name } } }"):
                assert set(await shop.graphql(query)) == {"data"}
            # And neither has an answer to somebody that has no budget.
            for key in (None, "ofk_unknown"):
                assert set(await shop.graphql("{ me { id } }", key=key)) == {"data", "errors"}

    def test_the_list_names_what_there_is(self) -> None:
        schema = build_schema().core
        assert set(schema.type_map) >= FREE_TYPES
        for name in FIELD_PRICES:
            kind, field = name.split(".")
            assert field in schema.type_map[kind].fields  # type: ignore[attr-defined]

    def test_the_documentation_has_the_whole_list(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "limits.md").read_text()
        for name in (*FREE_TYPES, *FIELD_PRICES):
            assert f"`{name}`" in text


SMALL = {"cost_budget": 100, "cost_restore_per_s": 10, "max_query_cost": 100}


class TestBudget:
    async def test_graphql_is_throttled(self, database_url: str, stopped: Clock) -> None:
        async with open_shop(database_url, **SMALL) as shop:
            before = await shop.everything()
            query = {"query": "{ orders(first: 89) { totalCount nodes { id } } }"}
            spent = (await shop.rest("POST", "/graphql", query)).json()
            # An empty page gives its price back, but for the page and the count.
            assert spent["extensions"]["cost"]["budget"]["left"] == 98
            for _ in range(9):
                assert (await cost(shop, ADD))["actual"] == 10
            made = await shop.everything()
            assert made != before
            for accept in ("application/json", "application/graphql-response+json"):
                response = await shop.rest(
                    "POST", "/graphql", {"query": ADD}, headers={"Accept": accept}
                )
                assert response.status_code == 429
                assert response.headers["retry-after"] == "1"
                assert response.headers["content-type"] == accept
                assert response.json() == {
                    "errors": [
                        {
                            "message": "This costs 10 points, and the key's budget has 8 left."
                            " Try again in 1 s.",
                            "extensions": {
                                "code": "THROTTLED",
                                "retryAfter": 1,
                                "cost": {"requested": 10, "left": 8},
                            },
                        }
                    ]
                }
            assert await shop.everything() == made
            # Other keys, and what is free, are not concerned.
            assert (await cost(shop, ADD, key="other"))["budget"]["left"] == 90
            assert await shop.data("{ scopes }")
            stopped.now_s += 1
            assert (await cost(shop, ADD))["budget"]["left"] == 8
            stopped.now_s += 1_000_000
            assert (await cost(shop, ADD))["budget"]["left"] == 90

    async def test_rest_is_throttled_from_the_same_budget(
        self, database_url: str, stopped: Clock
    ) -> None:
        async with open_shop(database_url, **SMALL) as shop:
            for _ in range(5):
                await shop.add()
            for _ in range(5):
                await cost(shop, ADD)
            before = await shop.everything()
            stopped.now_s += 0.25
            body = {"items": [{"product": TABLE, "shipping": "Budget"}], "address": "x"}
            for call in (
                ("GET", "/orders/get_all"),
                ("POST", "/orders/add", body),
                ("POST", "/orders/delete", {"orderId": [UNKNOWN]}),
            ):
                response = await shop.rest(*call)
                assert response.status_code == 429
                assert response.headers["retry-after"] == "1"
                assert response.json() == {
                    "msg": "This costs 10 points, and the key's budget has 2 left."
                    " Try again in 1 s."
                }
            assert await shop.everything() == before
            assert (await shop.rest("GET", "/orders/get_all", key=None)).status_code == 401
            stopped.now_s += 0.75
            assert (await shop.rest("GET", "/orders/get_all")).status_code == 200

    async def test_an_operation_that_failed_costs_what_it_did(
        self, database_url: str, stopped: Clock
    ) -> None:
        async with open_shop(database_url, **SMALL) as shop:
            query = "query ($n: Int!) { orders(first: $n) { nodes { id } } }"
            assert "data" not in await shop.graphql(query, {"n": "x"})
            assert (await cost(shop, "{ me { id } }"))["budget"]["left"] == 99

    async def test_an_answer_over_the_limit_costs_what_was_asked_for(
        self, database_url: str, stopped: Clock
    ) -> None:
        async with open_shop(database_url, max_query_values=1_000, cost_budget=20_000) as shop:
            for _ in range(2):
                await shop.add(*[TABLE] * 100)
            query = "{ orders(first: 10) { nodes { items { id name image quantity shipping } } } }"
            answer = await shop.graphql(query)
            assert answer["data"] is None
            assert answer["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
            left = 20_000 - 2 * 10 - 11
            assert answer["extensions"]["cost"] == {
                "requested": 11,
                "actual": 11,
                "budget": {"maximum": 20_000, "left": left, "restoreRate": 20_000},
            }

    async def test_it_remembers_a_bounded_number_of_keys(self, stopped: Clock) -> None:
        budget = CostBudget(100, 10)
        callers = [Principal(UserId(f"{n:024x}"), frozenset(), "k") for n in range(10_001)]
        for caller in callers:
            budget.spend(caller, 60)
        with pytest.raises(Throttled):
            budget.spend(callers[1], 60)
        budget.spend(callers[0], 60)  # forgotten, so it begins again
        with pytest.raises(Throttled):
            budget.spend(callers[-1], 60)

    async def test_each_operation_of_a_batch_pays(self, database_url: str, stopped: Clock) -> None:
        async with open_shop(database_url, max_batch=20, **SMALL) as shop:
            body = orjson.dumps([{"query": ADD}] * 12)
            response = await shop.rest(
                "POST", "/graphql", content=body, headers={"Content-Type": "application/json"}
            )
            codes = [
                answer.get("errors", [{"extensions": {"code": None}}])[0]["extensions"]["code"]
                for answer in response.json()
            ]
            assert codes == [None] * 10 + ["THROTTLED"] * 2
