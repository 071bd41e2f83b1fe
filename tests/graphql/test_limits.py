"""No request can take the server down: each limit, its setting and its error."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest
from graphql import get_introspection_query
from sqlalchemy import Engine, event

from app.db.database import Database
from app.settings import Settings, SettingsError
from bench import hostile
from tests.databases import Databases
from tests.db.test_deadline import ENDLESS
from tests.shop import STOOL, TABLE, Shop, open_shop

GRAPHQL_JSON = "application/graphql-response+json"
ADD = (
    f'mutation {{ addOrder(input: {{ address: "x", items: [{{ productId: "{TABLE}",'
    " shipping: BUDGET }] }) { order { number } } }"
)


async def post(shop: Shop, body: Any, *, key: str | None = None) -> Any:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    headers = {"Content-Type": "application/json", "Accept": GRAPHQL_JSON}
    return await shop.rest("POST", "/graphql", key=key, content=content, headers=headers)


async def refusal(shop: Shop, body: Any) -> dict[str, Any]:
    """The one error of a request that is refused before anything is executed."""
    response = await post(shop, body)
    assert response.status_code == 400, response.text[:500]
    assert "data" not in response.json()
    [error] = response.json()["errors"]
    assert isinstance(error, dict)
    return error


async def test_hostile_requests_are_refused(shop: Shop) -> None:
    for name, body in hostile.requests():
        response = await post(shop, body)
        answer = response.json()
        assert response.status_code in {400, 413}, name
        assert "data" not in answer, name
        assert 1 <= len(answer["errors"]) <= 6, name
        codes = {error["extensions"]["code"] for error in answer["errors"]}
        assert "INTERNAL_SERVER_ERROR" not in codes, name
    # And it goes on working.
    assert await shop.data("{ __typename }") == {"__typename": "Query"}


LIMITS = [
    ("max_query_length", 1_000, "length", {"query": "{ scopes }" + " " * 991}, 1_001),
    ("max_query_tokens", 100, "tokens", {"query": "{ me { " + "id " * 100 + "} }"}, None),
    (
        "max_query_operations",
        2,
        "operations",
        {"query": "query A { scopes } query B { scopes } query C { scopes }"},
        3,
    ),
    ("max_query_depth", 3, "depth", {"query": "{ me { orders { nodes { id } } } }"}, 4),
    (
        "max_query_fields",
        100,
        "fields",
        {"query": "{ me { " + "...F " * 50 + "} } fragment F on User { id name }"},
        101,
    ),
    ("max_query_root_fields", 2, "root_fields", {"query": "{ a: scopes b: scopes c: scopes }"}, 3),
    ("max_query_aliases", 1, "aliases", {"query": "{ me { a: id b: id } }"}, 2),
    (
        "max_query_directives",
        1,
        "directives",
        {"query": "{ scopes @skip(if: false) ... @include(if: true) { scopes } }"},
        2,
    ),
    ("max_page_size", 20, "page_size", {"query": "{ orders(first: 21) { totalCount } }"}, 21),
    (
        "max_query_nodes",
        100,
        "nodes",
        {"query": "{ a: orders(last: 99) { nodes { id } } products(first: 2) { id } }"},
        101,
    ),
    (
        "max_query_values",
        1_000,
        "values",
        # The page, which is looked up, its list, and 100 times: three fields of an order, and 5
        # times three of its items.
        {"query": "{ orders(first: 100) { nodes { id number items { id total { amount } } } } }"},
        1_810,
    ),
    (
        "max_query_cost",
        100,
        "cost",
        {
            "query": "query ($n: Int = 33) { orders(first: $n) { nodes { customer { id }"
            " items { product { id } } } } }"
        },
        232,
    ),
    (
        "max_json_depth",
        8,
        "json_depth",
        {"query": "{ scopes }", "variables": {"a": [[[[[[[1]]]]]]]}},
        None,
    ),
    (
        "max_json_values",
        1_000,
        "json_values",
        {"query": "{ scopes }", "variables": {"a": [1] * 1_000}},
        None,
    ),
    (
        "max_variables_bytes",
        1_000,
        "variables_bytes",
        {"query": "{ scopes }", "variables": {"a": "x" * 1_000}},
        1_008,
    ),
    ("max_batch", 2, "batch", [{"query": "{ scopes }"}] * 3, 3),
]


class TestEachLimit:
    @pytest.mark.parametrize(
        ("setting", "value", "name", "body", "found"), LIMITS, ids=[limit[0] for limit in LIMITS]
    )
    async def test_the_error_names_the_limit_and_the_value(
        self, database_url: str, setting: str, value: int, name: str, body: Any, found: int | None
    ) -> None:
        async with open_shop(database_url, **{setting: value}) as shop:
            error = await refusal(shop, body)
            expected = {"code": "LIMIT_EXCEEDED", "limit": name, "maximum": value}
            if found is not None:
                expected["found"] = found
                assert error["message"].endswith(f" asks for {found}.")
            assert error["extensions"] == expected
            assert f" of at most {value}." in error["message"]

    @pytest.mark.parametrize(
        ("setting", "value", "name", "body", "found"), LIMITS, ids=[limit[0] for limit in LIMITS]
    )
    async def test_what_is_at_the_limit_passes(
        self, database_url: str, setting: str, value: int, name: str, body: Any, found: int | None
    ) -> None:
        raised = (
            min(found or value + 100, 100) if setting == "max_page_size" else (found or value + 200)
        )
        async with open_shop(database_url, **{setting: raised}) as shop:
            response = await post(shop, body)
            answers = response.json()
            for answer in answers if isinstance(answers, list) else [answers]:
                codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
                assert codes <= {"UNAUTHENTICATED", "OPERATION_RESOLUTION_FAILURE"}, name

    async def test_the_budget_must_hold_one_operation(self) -> None:
        with pytest.raises(SettingsError, match="ORDERS_COST_BUDGET: must not be less than"):
            Settings.load(cost_budget=9_999)

    async def test_introspection_is_within_the_limits(self, shop: Shop) -> None:
        answer = await shop.graphql(get_introspection_query(), key=None)
        assert "errors" not in answer

    async def test_doubling_fragments_are_measured_once_each(self, shop: Shop) -> None:
        fragments = " ".join(
            f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60)
        )
        query = f"{{ ...F0 }} {fragments} fragment F60 on Query {{ a: scopes }}"
        error = await refusal(shop, {"query": query})
        assert error["extensions"]["found"] == 2**60

    async def test_pages_multiply(self, database_url: str) -> None:
        query = """query ($n: Int) { orders(first: 100) { nodes { customer {
            orders(last: $n) { nodes { ...C } } } } } }
            fragment C on Order { customer { orders { nodes { id } } } }"""
        async with open_shop(database_url, max_query_cost=100_000) as shop:
            assert "errors" not in await shop.graphql(query, {"n": 9})
            answer = await shop.graphql(query, {"n": 10})
        assert answer["errors"][0]["message"] == (
            "An operation may have a number of list elements of at most 20000."
            " This one asks for 21100."
        )

    async def test_deep_bodies_are_refused_by_rest_too(self, shop: Shop) -> None:
        before = await shop.everything()
        for depth, status in ((98, 200), (100, 400), (100_000, 400)):
            body = b'{"items":[{"product":"%b","shipping":"Budget"}],"address":"x","more":%b}' % (
                STOOL.encode(),
                b"[" * depth + b"]" * depth,
            )
            response = await shop.rest(
                "POST", "/orders/add", content=body, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == status
            if status == 400:
                assert response.json() == {
                    "msg": "The request body must not nest deeper than 100 levels."
                }
                assert await shop.everything() == before
            before = await shop.everything()

    async def test_few_errors_are_told(self, shop: Shop) -> None:
        query = "{ " + " ".join(f"order{n}" for n in range(20)) + " }"
        response = await post(shop, {"query": query})
        assert [error["message"] for error in response.json()["errors"]][-2:] == [
            "Cannot query field 'order4' on type 'Query'. Did you mean 'order' or 'orders'?",
            "Too many validation errors, error limit reached. Validation aborted.",
        ]


class TestIntrospection:
    async def test_it_can_be_switched_off(self, database_url: str) -> None:
        async with open_shop(database_url, introspection=False) as shop:
            for query in (
                "{ __schema { queryType { name } } }",
                '{ __type(name: "Order") { name } }',
            ):
                answer = (await post(shop, {"query": query})).json()
                assert "data" not in answer
                assert "introspection" in answer["errors"][0]["message"]
            # No name is given away by a suggestion or as text either.
            answer = (await post(shop, {"query": "{ orderz { id } }"})).json()
            assert answer["errors"][0]["message"] == "Cannot query field 'orderz' on type 'Query'."
            assert (await shop.client.get("/schema.graphql")).status_code == 404
            assert await shop.data("{ __typename }") == {"__typename": "Query"}


class TestBatches:
    async def test_they_are_off_by_default(self, shop: Shop) -> None:
        error = await refusal(shop, [{"query": "{ __typename }"}])
        assert error["extensions"]["code"] == "BAD_REQUEST"
        assert error["message"] == "Batches are not accepted: send one operation in a request."

    async def test_each_operation_has_its_own_answer(self, database_url: str) -> None:
        async with open_shop(database_url, max_batch=3) as shop:
            response = await post(
                shop, [{"query": ADD}, {"query": "{"}, {"query": "{ __typename }"}], key="customer"
            )
            assert response.status_code == 200
            added, broken, last = response.json()
            assert added == {"data": {"addOrder": {"order": {"number": 1}}}}
            assert broken["errors"][0]["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
            assert last == {"data": {"__typename": "Query"}}

    async def test_nothing_is_executed_of_what_is_no_batch(self, database_url: str) -> None:
        async with open_shop(database_url, max_batch=3) as shop:
            before = await shop.everything()
            for body in ([], [{"query": ADD}, 1], [{"query": ADD}, [{"query": ADD}]]):
                response = await post(shop, body, key="customer")
                assert response.status_code == 400
                assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
            assert await shop.everything() == before


@contextmanager
def slow_statements(containing: str) -> Iterator[None]:
    """Make statements with that text run until somebody stops them."""

    def replace(
        _connection: object, _cursor: object, statement: str, parameters: object, *_rest: object
    ) -> tuple[str, object]:
        return (str(ENDLESS), ()) if containing in statement else (statement, parameters)

    event.listen(Engine, "before_cursor_execute", replace, retval=True)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", replace)


class TestTimeout:
    async def test_a_change_that_waits_too_long_is_not_made(
        self, databases: Databases, database_url: str
    ) -> None:
        async with open_shop(database_url, operation_timeout_s=0.3) as shop:
            before = await shop.everything()
            query = ADD.replace("addOrder", "a: addOrder").replace("} } }", "} } b: __typename }")
            let_in = databases.keep_changes_out(database_url)
            answer = (await post(shop, {"query": query}, key="customer")).json()
            let_in()
            assert answer["data"] == {"a": None, "b": "Mutation"}
            [error] = answer["errors"]
            assert error["path"] == ["a"]
            assert error["extensions"] == {"code": "TIMEOUT", "maximum": 0.3}
            assert error["message"] == (
                "An operation may take at most 0.3 s; this part of it was not done by then."
            )
            # What waited gets the lock now, and must do nothing with it; then all goes on.
            await asyncio.sleep(0.3)
            assert await shop.everything() == before
            await shop.add()
            assert len(await shop.order_ids()) == 1

    async def test_what_was_done_in_time_stays_and_is_told(
        self, databases: Databases, database_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        let_in: list[Callable[[], None]] = []
        begun = []
        perform = Database.perform

        async def lock_before_the_second(
            database: Database, make: Any, *how: Any, **more: Any
        ) -> Any:
            begun.append(make)
            if len(begun) == 2:
                let_in.append(databases.keep_changes_out(database_url))
            return await perform(database, make, *how, **more)

        monkeypatch.setattr(Database, "perform", lock_before_the_second)
        async with open_shop(database_url, operation_timeout_s=0.5) as shop:
            second = ADD.removeprefix("mutation { ")
            query = ADD.replace("addOrder", "a: addOrder").replace("} } }", f"}} }} b: {second}")
            answer = (await post(shop, {"query": query}, key="customer")).json()
            let_in[0]()
            assert answer["data"] == {"a": {"order": {"number": 1}}, "b": None}
            assert [error["path"] for error in answer["errors"]] == [["b"]]
            assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT"
            assert len(await shop.order_ids()) == 1

    async def test_one_operation_leaves_readers_for_others(self, database_url: str) -> None:
        async with open_shop(database_url, operation_timeout_s=1) as shop:
            await shop.add()
            query = (
                "{ stats { " + " ".join(f"a{n}: topProducts {{ name }}" for n in range(20)) + "}}"
            )
            with slow_statements("WITH top AS"):
                slow = asyncio.create_task(shop.graphql(query))
                for _ in range(5):
                    await asyncio.sleep(0.02)
                    assert len((await shop.rest("GET", "/orders/get_all")).json()) == 1
                assert not slow.done()
                answer = await slow
            assert answer["data"] is None
            assert {error["extensions"]["code"] for error in answer["errors"]} == {"TIMEOUT"}

    async def test_readers_are_free_again_after_slow_statements(self, database_url: str) -> None:
        async with open_shop(database_url, operation_timeout_s=0.3) as shop:
            await shop.add()
            query = "{ stats { a: topProducts { name } b: topProducts { quantity } } }"
            with slow_statements("WITH top AS"):
                for _ in range(2):
                    # Twice as many as there are readers, and somebody who waits behind them.
                    answers = await asyncio.gather(
                        *(shop.graphql(query) for _ in range(8)),
                        shop.rest("GET", "/orders/get_all"),
                    )
                    waited = answers.pop()
                    assert isinstance(waited, httpx.Response)
                    assert len(waited.json()) == 1
                    for answer in answers:
                        assert isinstance(answer, dict)
                        assert answer["errors"][0]["extensions"]["code"] == "TIMEOUT"
                    # By REST, which has no deadline: what is shown is that they get a reader.
                    for after in await asyncio.gather(
                        *(shop.rest("GET", "/orders/get_all") for _ in range(8))
                    ):
                        assert len(after.json()) == 1
