"""GraphQL over HTTP: which requests are taken, and the status and type of every kind of answer."""

from typing import Any

import orjson
import pytest
from graphql import FieldNode, OperationType, get_operation_ast, parse, validate

from app.graphql.playground import playground_page
from app.graphql.schema import build_schema
from tests.shop import TABLE, Shop

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
TYPENAME = {"query": "{ __typename }"}


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
            b'{"query": "{ __typename }", "extensions": []}',
            b'{"query": "\xff"}',
            b'{"query": "{ __typename }", "variables": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
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
            ("text/html, */*;q=nonsense", JSON),
        ],
    )
    async def test_the_type_that_is_liked_best(
        self, shop: Shop, accept: str, answered: str
    ) -> None:
        response = await _post(shop, TYPENAME, accept=accept)
        assert response.headers["content-type"] == answered
        assert response.headers["vary"] == "Accept"

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"query": "{"}, "GRAPHQL_PARSE_FAILED"),
            ({"query": "{a" * 3_000}, "GRAPHQL_PARSE_FAILED"),
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

    async def test_an_unexpected_error_shows_only_the_request_id(
        self, shop: Shop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        await shop.add()
        async with shop.database.transaction() as connection:
            await connection.exec_driver_sql("PRAGMA ignore_check_constraints = ON")
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

    async def test_keys_are_never_logged(
        self, shop: Shop, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for key in ("customer", "ofk_" + "x" * 43):
            await shop.rest("GET", "/orders/get_all", key=key)
            await shop.graphql("{ scopes }", key=key)
        logged = capsys.readouterr().out
        assert "/orders/get_all" in logged
        assert "ofk_" not in logged


class TestLimits:
    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("{ " + "".join(f"a{n}: __typename " for n in range(600)) + "}", None),
            ("{ " + "".join(f"a{n}: scopes " for n in range(101)) + "}", "aliases of at most 100"),
            ("{ " + "".join(f"a{n}: scopes " for n in range(5_000)) + "}", "more than 2000 tokens"),
            ("{ " + "scopes " * 100_000 + "}", "more than 2000 tokens"),
            ("{ " + "x" * 900_000 + " }", "Cannot query field"),
            ("#\n" * 5_000 + "{ __typename }", "more than 500 comments"),
            ("{ me " + "{ orders { nodes { customer " * 4 + "{ id }" + " } } }" * 4 + "}", "depth"),
            ("{ " + "".join(f"f(x:{n}) " for n in range(330)) + "}", "Fields 'f' conflict"),
        ],
        ids=["free", "aliases", "5000", "tokens", "name", "comments", "depth", "conflicts"],
    )
    async def test_documents(self, shop: Shop, query: str, words: str | None) -> None:
        response = await _post(shop, {"query": query}, accept=GRAPHQL_JSON)
        if words is None:
            assert response.status_code == 200
        else:
            assert response.status_code == 400
            assert words in response.json()["errors"][0]["message"]

    async def test_doubling_fragments_are_measured_once_each(self, shop: Shop) -> None:
        fragments = " ".join(
            f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60)
        )
        query = f"{{ ...F0 }} {fragments} fragment F60 on Query {{ a: scopes }}"
        response = await _post(shop, {"query": query}, accept=GRAPHQL_JSON)
        assert response.status_code == 400
        assert response.json()["errors"][0]["message"] == (
            f"An operation may have a number of aliases of at most 100. This one asks for {2**60}."
        )

    async def test_pages_multiply(self, shop: Shop) -> None:
        query = """query ($n: Int) { orders(first: 100) { nodes { customer {
            orders(last: $n) { nodes { ...C } } } } } }
            fragment C on Order { customer { orders { nodes { id } } } }"""
        assert "errors" not in await shop.graphql(query, {"n": 9})
        answer = await shop.graphql(query, {"n": 10})
        assert answer["errors"][0]["message"] == (
            "An operation may have a number of list elements of at most 20000."
            " This one asks for 21100."
        )
        assert answer["errors"][0]["extensions"] == {"code": "LIMIT_EXCEEDED"}

    @pytest.mark.parametrize(
        ("fields", "elements"),
        [
            (" ".join(f"s{n}: stats {{ series {{ start }} }}" for n in range(51)), 20_400),
            (
                "orders(first: 100) { nodes { customer { a: apiKeys { id } b: apiKeys { id } } } }",
                20_100,
            ),
            (
                "nodes(ids: $ids) { ... on User { a: orders(first: 100) { nodes { id } }"
                " b: orders(first: 100) { edges { cursor } } } }",
                20_100,
            ),
        ],
    )
    async def test_every_list_counts(self, shop: Shop, fields: str, elements: int) -> None:
        query = f"query ($ids: [ID!]! = []) {{ products(ids: $ids) {{ id }} {fields} }}"
        ids = ["0" * 24] * 100
        answer = await shop.graphql(query, {"ids": ids})
        assert answer["errors"][0]["message"].endswith(f" This one asks for {elements + 100}.")


class TestPlayground:
    async def test_browsers_get_the_page(self, shop: Shop) -> None:
        accept = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
        response = await shop.client.get("/graphql", headers=accept)
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert "ofk_" not in response.text

    def test_strawberrys_page_has_the_places_that_we_fill(self) -> None:
        page = playground_page("ofk_secret</script>")
        assert "...startState," in page
        assert "const startState = " in page
        assert "shouldPersistHeaders: false" in page
        assert "query: query," not in page
        assert "ofk_secret</script>" not in page

    async def test_every_example_is_valid(self, shop: Shop) -> None:
        page = playground_page("k")
        start = page.split("const startState = parameters.q ? { query: parameters.q } : ")[1]
        state = orjson.loads(start.split(";\n")[0])
        schema = build_schema().core
        assert schema.query_type
        assert schema.mutation_type
        assert schema.subscription_type
        roots = set()
        for tab in state["defaultTabs"]:
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


def test_everything_in_the_schema_is_described() -> None:
    bare = []
    for name, kind in build_schema().core.type_map.items():
        if name.startswith("__") or name in {"ID", "Int", "String", "Boolean", "Float"}:
            continue
        if not kind.description:
            bare.append(name)
        for part in ("fields", "values"):
            for member_name, member in getattr(kind, part, {}).items():
                if not member.description:
                    bare.append(f"{name}.{member_name}")
                for argument_name, argument in getattr(member, "args", {}).items():
                    if not argument.description:
                        bare.append(f"{name}.{member_name}({argument_name})")
    assert bare == []
