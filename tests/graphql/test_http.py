"""GraphQL over HTTP: which requests are taken, and the status and type of every kind of answer."""

import asyncio
import json
import string
from typing import Any

import orjson
import pytest
from graphql import FieldNode, OperationType, get_operation_ast, parse, validate
from hypothesis import given, settings
from hypothesis import strategies as st

from app.graphql.playground import playground_page, playground_start
from app.graphql.schema import build_schema
from tests.shop import TABLE, Shop, open_shop

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}
HEADER = string.ascii_letters + string.digits + "/+*;,=. "


async def _post(shop: Shop, body: Any, **headers: str) -> Any:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    sent = {"content-type": JSON, **{k.replace("_", "-"): v for k, v in headers.items()}}
    return await shop.client.post("/graphql", content=content, headers=sent)


class TestRequests:
    async def test_post(self, shop: Shop) -> None:
        response = await _post(shop, TYPENAME)
        assert response.status_code == 200
        assert response.content == b'{"data":{"__typename":"Query"}}'
        assert response.headers["content-type"] == JSON

    async def test_get(self, shop: Shop) -> None:
        response = await shop.client.get(
            "/graphql",
            params={
                "query": "query A($skip: Boolean!) { __typename @skip(if: $skip) } query B { me }",
                "operationName": "A",
                "variables": '{"skip": false}',
            },
        )
        assert response.status_code == 200
        assert "data" not in response.json()  # B is not valid, so none of the document is executed
        response = await shop.client.get(
            "/graphql",
            params={
                "query": "query A($x: Boolean!) { __typename @skip(if: $x) } query B { scopes }",
                "operationName": "A",
                "variables": '{"x": false}',
            },
        )
        assert response.json() == {"data": {"__typename": "Query"}}

    async def test_get_changes_nothing(self, shop: Shop) -> None:
        query = (
            f'mutation {{ addOrder(input: {{ address: "x", items: [{{ productId: "{TABLE}",'
            " shipping: BUDGET }] }) { order { id } } }"
        )
        before = await shop.everything()
        response = await shop.rest("GET", "/graphql", params={"query": query})
        assert response.status_code == 405
        assert response.headers["allow"] == "POST"
        assert await shop.everything() == before

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
    async def test_other_methods_are_405(self, shop: Shop, method: str) -> None:
        response = await shop.client.request(method, "/graphql")
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD, POST")
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"

    @pytest.mark.parametrize(
        "content_type",
        [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=latin-1",
            "",
        ],
    )
    async def test_simple_content_types_are_415(self, shop: Shop, content_type: str) -> None:
        response = await _post(shop, TYPENAME, content_type=content_type)
        assert response.status_code == 415
        assert "data" not in response.json()

    @pytest.mark.parametrize("content_type", ["Application/JSON", "application/json;charset=UTF-8"])
    async def test_json_in_any_spelling(self, shop: Shop, content_type: str) -> None:
        assert (await _post(shop, TYPENAME, content_type=content_type)).status_code == 200

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"{",
            b"null",
            b"1",
            b'"x"',
            b"[]",
            b'[{"query": "{ __typename }"}]',
            b"{}",
            b'{"query": null}',
            b'{"query": ""}',
            b'{"query": 5}',
            b'{"query": ["{ __typename }"]}',
            b'{"query": "{ __typename }", "variables": []}',
            b'{"query": "{ __typename }", "variables": "{}"}',
            b'{"query": "{ __typename }", "variables": {"x": NaN}}',
            b'{"query": "{ __typename }", "operationName": 5}',
            b'{"query": "{ __typename }", "operationName": 0}',
            b'{"query": "{ __typename }", "operationName": false}',
            b'{"query": "{ __typename }", "documentId": 5}',
            b'{"query": "{ __typename }", "documentId": "x"}',
            b'{"documentId": ""}',
            b'{"query": null, "extensions": {"persistedQuery": null}}',
            b'{"query": "{ __typename }", "extensions": []}',
            b'{"query": "\xff"}',
        ],
    )
    async def test_what_is_no_request_is_400(self, shop: Shop, body: bytes) -> None:
        for accept in (JSON, GRAPHQL_JSON):
            response = await _post(shop, body, accept=accept)
            assert response.status_code == 400
            [error] = response.json()["errors"]
            assert error["extensions"]["code"] == "BAD_REQUEST"
            assert "data" not in response.json()

    async def test_two_megabytes_are_413(self, shop: Shop) -> None:
        response = await _post(shop, b'{"query":"' + b" " * 2_000_000 + b'"}')
        assert response.status_code == 413
        assert response.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"


class TestAnswers:
    @pytest.mark.parametrize(
        ("accept", "answered"),
        [
            ("", JSON),
            ("*/*", JSON),
            (JSON, JSON),
            (GRAPHQL_JSON, GRAPHQL_JSON),
            (f"{GRAPHQL_JSON}, {JSON};q=0.9", GRAPHQL_JSON),
            (f"{GRAPHQL_JSON};q=0.5, {JSON}", JSON),
            (f"{GRAPHQL_JSON}; charset=utf-8, */*;q=0.1", GRAPHQL_JSON),
            (f"{GRAPHQL_JSON}; charset=utf-8, {JSON}; charset=utf-8", GRAPHQL_JSON),
            (f"*/*, {GRAPHQL_JSON}", GRAPHQL_JSON),
            (f"{GRAPHQL_JSON};q=0.2, */*;q=0.9", JSON),
            (f"{JSON};q=0, */*", GRAPHQL_JSON),
            (f"application/*, {JSON};q=0.1", GRAPHQL_JSON),
            (JSON.upper(), JSON),
            ("application/*", JSON),
            ("text/html, */*;q=nonsense", JSON),
            ("text/html, */*;q=nan", JSON),
        ],
    )
    async def test_the_type_that_is_liked_best(
        self, shop: Shop, accept: str, answered: str
    ) -> None:
        response = await _post(shop, TYPENAME, accept=accept)
        assert response.headers["content-type"] == answered
        assert response.headers["vary"] == "Accept"

    @pytest.mark.parametrize(
        "accept",
        ["text/html", "application/xml", f"{JSON};q=0", f"{GRAPHQL_JSON};q=0.0", "*/*;q=0", "json"],
    )
    async def test_what_can_not_be_answered_is_406(self, shop: Shop, accept: str) -> None:
        response = await _post(shop, TYPENAME, accept=accept)
        assert response.status_code == 406
        assert response.headers["content-type"] == JSON
        [error] = response.json()["errors"]
        assert error["message"] == f"The answer can be had as {GRAPHQL_JSON} or {JSON}."

    async def test_head_is_get_without_the_body(self, shop: Shop) -> None:
        for params in ({"query": "{ __typename }"}, {"query": "{"}):
            got = await shop.client.get("/graphql", params=params)
            head = await shop.client.head("/graphql", params=params)
            assert head.status_code == got.status_code
            assert head.headers["content-length"] == got.headers["content-length"]

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
            ({"query": "{a" * 900}, "GRAPHQL_PARSE_FAILED"),
            ({"query": "{ nothing }"}, "GRAPHQL_VALIDATION_FAILED"),
            ({"query": "{ orders }"}, "GRAPHQL_VALIDATION_FAILED"),
            ({"query": "{ ...F } fragment F on Query { ...F }"}, "GRAPHQL_VALIDATION_FAILED"),
            ({"query": "subscription { x }"}, "GRAPHQL_VALIDATION_FAILED"),
            ({"query": "fragment F on Query { __typename }"}, "GRAPHQL_VALIDATION_FAILED"),
            (
                {"query": "query A { scopes } query B { scopes }"},
                "OPERATION_RESOLUTION_FAILURE",
            ),
            (
                {"query": "query A { scopes }", "operationName": "B"},
                "OPERATION_RESOLUTION_FAILURE",
            ),
            ({"query": "query ($id: ID!) { order(id: $id) { id } }"}, "BAD_USER_INPUT"),
            (
                {"query": "query ($n: Int) { orders(first: $n) { totalCount } }"}
                | {"variables": {"n": "1"}},
                "BAD_USER_INPUT",
            ),
        ],
    )
    async def test_what_can_not_be_executed_has_no_data(
        self, shop: Shop, body: Any, code: str
    ) -> None:
        for accept, status in ((JSON, 200), (GRAPHQL_JSON, 400)):
            response = await _post(shop, body, accept=accept)
            assert response.status_code == status
            assert "data" not in response.json()
            assert {e["extensions"]["code"] for e in response.json()["errors"]} == {code}

    async def test_failed_fields_are_200_with_data(self, shop: Shop) -> None:
        body = {"query": f'{{ a: order(id: "{TABLE}") {{ id }} __typename }}'}
        for accept in (JSON, GRAPHQL_JSON):
            response = await _post(shop, body, accept=accept)
            assert response.status_code == 200
            assert response.json() == {
                "data": {"a": None, "__typename": "Query"},
                "errors": [
                    {
                        "message": "This needs an API key in the Authorization header.",
                        "locations": [{"line": 1, "column": 3}],
                        "path": ["a"],
                        "extensions": {"code": "UNAUTHENTICATED"},
                    }
                ],
            }

    async def test_introspection_needs_no_key(self, shop: Shop) -> None:
        response = await _post(shop, {"query": "{ __schema { queryType { name } } }"})
        assert response.json() == {"data": {"__schema": {"queryType": {"name": "Query"}}}}

    @pytest.mark.usefixtures("plain")
    async def test_an_unexpected_error_shows_only_the_request_id(
        self, spoilt_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with open_shop(spoilt_database_url) as shop:
            await shop.add()
            async with shop.database.transaction() as connection:
                if connection.dialect.name == "sqlite":
                    await connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
                else:
                    drop = "ALTER TABLE orders DROP CONSTRAINT ck_orders_status"
                    await connection.exec_driver_sql(drop)
                await connection.exec_driver_sql("UPDATE orders SET status = 'nonsense'")
            response = await _post(
                shop,
                {"query": "{ orders { nodes { id } } }"},
                authorization=shop.keys["customer"],
                x_request_id="trace-me",
            )
            assert response.status_code == 200
            [error] = response.json()["errors"]
            assert error["extensions"] == {
                "code": "INTERNAL_SERVER_ERROR",
                "requestId": "trace-me",
            }
            assert "nonsense" not in response.text
            logged = capsys.readouterr().out
            assert "trace-me" in logged
            assert "'nonsense' is not a valid OrderStatus" in logged

    @pytest.mark.usefixtures("plain")
    async def test_a_value_of_ours_that_does_not_fit_is_not_the_callers_fault(
        self, spoilt_database_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async with open_shop(spoilt_database_url) as shop:
            await shop.add()
            async with shop.database.transaction() as connection:
                if connection.dialect.name == "postgresql":
                    wider = "ALTER TABLE orders ALTER COLUMN version TYPE bigint"
                    await connection.exec_driver_sql(wider)
                await connection.exec_driver_sql("UPDATE orders SET version = 2147483648")
            answer = await shop.graphql("{ orders { nodes { version } } }")
            assert answer["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
            assert "2147483648" not in str(answer)
            assert "2147483648 is no Int" in capsys.readouterr().out

    async def test_keys_are_never_logged(
        self, shop: Shop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for key in ("customer", "ofk_" + "x" * 43):
            await shop.rest("GET", "/orders/get_all", key=key)
            await shop.graphql("{ scopes }", key=key)
        logged = capsys.readouterr().out
        assert "/orders/get_all" in logged
        assert "ofk_" not in logged


class TestPlayground:
    async def test_browsers_get_the_page(self, shop: Shop) -> None:
        accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        response = await shop.client.get("/graphql", headers=accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "ofk_" not in response.text

    def test_strawberrys_page_has_the_places_that_we_fill(self) -> None:
        page = playground_page(playground_start("ofk_secret</script>"))
        assert "...startState," in page
        assert "const startState = " in page
        assert "shouldPersistHeaders: false" in page
        assert "query: query," not in page
        assert "ofk_secret</script>" not in page

    async def test_every_example_is_valid(self, shop: Shop) -> None:
        schema = build_schema().core
        assert schema.query_type
        assert schema.mutation_type
        assert schema.subscription_type
        roots = set()
        for tab in playground_start(None)["defaultTabs"]:
            document = parse(tab["query"])
            operation = get_operation_ast(document)
            assert operation
            if operation.operation is OperationType.SUBSCRIPTION:
                assert validate(schema, document) == []
                for field in operation.selection_set.selections:
                    assert isinstance(field, FieldNode)
                    roots.add(field.name.value)
                continue
            answer = await shop.graphql(tab["query"], orjson.loads(tab["variables"]), key="admin")
            assert "errors" not in answer, answer
            roots |= set(answer["data"])
        types = (schema.query_type, schema.mutation_type, schema.subscription_type)
        assert roots == {name for type_ in types for name in type_.fields}


class TestCompression:
    QUERY = "{ __schema { types { name description } } }"

    @pytest.mark.parametrize("accept", ["gzip", "br, gzip;q=0.5", "deflate, gzip", "gzip;q=1.0"])
    async def test_it_is_done_for_whoever_asks(self, shop: Shop, accept: str) -> None:
        headers = {"Accept-Encoding": "identity", "Content-Type": JSON}
        body = orjson.dumps({"query": self.QUERY})
        plain = await shop.client.post("/graphql", content=body, headers=headers)
        assert "content-encoding" not in plain.headers
        assert plain.headers["vary"] == "Accept, Accept-Encoding"
        headers["Accept-Encoding"] = accept
        packed = await shop.client.post("/graphql", content=body, headers=headers)
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.headers["vary"] == "Accept, Accept-Encoding"
        assert packed.content == plain.content
        assert int(packed.headers["content-length"]) < len(plain.content) / 2

    @pytest.mark.parametrize(
        "accept", ["", "br", "gzip;q=0", "gzip; q=0.0, br", "deflate, GZIP;Q=0.000"]
    )
    async def test_it_is_not_done_for_others(self, shop: Shop, accept: str) -> None:
        response = await _post(shop, {"query": self.QUERY}, accept_encoding=accept)
        assert "content-encoding" not in response.headers

    async def test_small_answers_stay_as_they_are(self, shop: Shop) -> None:
        response = await _post(shop, TYPENAME, accept_encoding="gzip")
        assert response.headers["vary"] == "Accept"
        assert "content-encoding" not in response.headers

    async def test_rest_answers_are_the_same_bytes(self, shop: Shop) -> None:
        for _ in range(10):
            await shop.add()
        plain, packed = [
            await shop.rest("GET", "/orders/get_all", headers={"Accept-Encoding": encoding})
            for encoding in ("identity", "gzip")
        ]
        assert packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content
        assert packed.headers["content-type"] == plain.headers["content-type"]
        assert plain.headers["vary"] == packed.headers["vary"] == "Accept-Encoding"

    async def test_it_can_be_switched_off(self, database_url: str) -> None:
        async with open_shop(database_url, compress_from_bytes=0) as shop:
            response = await _post(shop, {"query": self.QUERY}, accept_encoding="gzip")
            assert "content-encoding" not in response.headers


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inside: (
        st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4)
    ),
    max_leaves=12,
)
QUERIES = st.sampled_from(
    [
        "{ __typename }",
        "query A { scopes } query B { me { id } }",
        "query ($first: Int, $ids: [ID!], $filter: OrderFilter) { products(ids: $ids) { id }"
        " orders(first: $first, filter: $filter) { totalCount nodes { id } } }",
        "mutation ($input: DeleteOrdersInput!) { deleteOrders(input: $input) { deletedIds } }",
    ]
)
REQUESTS = st.fixed_dictionaries(
    {},
    optional={
        "query": QUERIES | JSON_VALUES,
        "operationName": st.sampled_from(["A", "B", "", None]) | JSON_VALUES,
        "variables": JSON_VALUES
        | st.dictionaries(st.sampled_from(["first", "ids", "filter", "input"]), JSON_VALUES),
        "documentId": JSON_VALUES,
        "extensions": JSON_VALUES
        | st.fixed_dictionaries(
            {
                "persistedQuery": JSON_VALUES
                | st.fixed_dictionaries(
                    {"version": st.just(1) | JSON_VALUES, "sha256Hash": JSON_VALUES}
                )
            }
        ),
    },
)


def _encoded(value: object) -> bytes:
    return json.dumps(value).encode()


class TestAnything:
    async def test_no_request_makes_the_server_fail(self, database_url: str) -> None:
        """Whatever is sent gets an answer of the right form, and never one that says 5xx."""
        async with open_shop(database_url, max_batch=3, cost_budget=20_000) as shop:
            loop = asyncio.get_running_loop()

            @settings(max_examples=300, deadline=None, database=None)
            @given(
                REQUESTS.map(_encoded)
                | st.lists(REQUESTS, max_size=4).map(_encoded)
                | JSON_VALUES.map(_encoded)
                | st.binary(max_size=60),
                st.sampled_from([JSON, GRAPHQL_JSON, "*/*"]) | st.text(HEADER, max_size=20),
                st.sampled_from(["customer", "admin", "nobody"]),
            )
            def check(body: bytes, accept: str, key: str) -> None:
                sent = shop.rest(
                    "POST",
                    "/graphql",
                    key=key,
                    content=body,
                    headers={"Content-Type": JSON, "Accept": accept},
                )
                response = asyncio.run_coroutine_threadsafe(sent, loop).result(20)
                assert response.status_code in {200, 400, 406, 429}
                found = response.json()
                for answer in found if isinstance(found, list) else [found]:
                    assert set(answer) <= {"data", "errors", "extensions"}
                    assert "data" in answer or answer["errors"]
                    for error in answer.get("errors", ()):
                        assert error["extensions"]["code"] != "INTERNAL_SERVER_ERROR"

            await asyncio.to_thread(check)
