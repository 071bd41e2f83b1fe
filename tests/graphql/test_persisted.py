"""Documents that requests name: automatic ones, and those of a manifest."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from app.db import tables
from app.main import create_app
from tests.shop import TABLE, UNBUILT, Shop, open_process, open_shop, settings_for

QUERY = "query Mine($first: Int) { orders(first: $first) { nodes { number } } }"
ADD = (
    f'mutation Add {{ addOrder(input: {{ address: "x", items: [{{ productId: "{TABLE}",'
    " shipping: BUDGET }] }) { order { number } } }"
)
NOT_FOUND = {
    "errors": [
        {
            "message": "PersistedQueryNotFound",
            "extensions": {"code": "PERSISTED_QUERY_NOT_FOUND"},
        }
    ]
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def by_hash(text: str, **more: Any) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(text)}}, **more}


async def code_of(shop: Shop, body: Any, status: int = 200) -> str:
    response = await shop.rest("POST", "/graphql", body)
    assert response.status_code == status, response.text
    assert "data" not in response.json()
    code: str = response.json()["errors"][0]["extensions"]["code"]
    return code


async def remembered(shop: Shop) -> list[Any]:
    return [*await shop.rows("SELECT sha256, text FROM persisted_operations ORDER BY last_used_at")]


class TestAutomatic:
    async def test_a_client_sends_the_text_once(self, shop: Shop) -> None:
        await shop.add()
        answer = {"data": {"orders": {"nodes": [{"number": 1}]}}}
        asked = by_hash(QUERY, variables={"first": 1})
        response = await shop.rest("POST", "/graphql", asked)
        assert (response.status_code, response.json()) == (200, NOT_FOUND)
        assert (await shop.rest("POST", "/graphql", {**asked, "query": QUERY})).json() == answer
        assert (await shop.rest("POST", "/graphql", asked)).json() == answer
        assert await remembered(shop) == [(sha256(QUERY), QUERY)]

    async def test_get(self, shop: Shop) -> None:
        query = "{ __typename }"
        params = {"extensions": json.dumps(by_hash(query)["extensions"])}
        response = await shop.rest("GET", "/graphql", params=params)
        assert (response.status_code, response.json()) == (200, NOT_FOUND)
        await shop.rest("GET", "/graphql", params={**params, "query": query})
        # A browser's Accept asks for the answer here, not for the playground.
        response = await shop.rest(
            "GET", "/graphql", params=params, headers={"Accept": "text/html, */*;q=0.8"}
        )
        assert response.json() == {"data": {"__typename": "Query"}}

    async def test_mutations_by_post_only(self, shop: Shop) -> None:
        await shop.rest("POST", "/graphql", by_hash(ADD, query=ADD))
        before = await shop.everything()
        params = {"extensions": json.dumps(by_hash(ADD)["extensions"])}
        response = await shop.rest("GET", "/graphql", params=params)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        assert await shop.everything() == before
        answer = (await shop.rest("POST", "/graphql", by_hash(ADD))).json()
        assert answer == {"data": {"addOrder": {"order": {"number": 2}}}}

    async def test_other_processes_know_it_too(self, database_url: str) -> None:
        async with open_shop(database_url) as shop:
            await shop.rest("POST", "/graphql", by_hash(QUERY, query=QUERY))
            async with open_process(database_url, shop.keys, shop.database) as other:
                answer = (await other.rest("POST", "/graphql", by_hash(QUERY))).json()
                assert answer == {"data": {"orders": {"nodes": []}}}

    async def test_the_newer_type_has_a_status_for_it(self, shop: Shop) -> None:
        headers = {"Accept": "application/graphql-response+json"}
        response = await shop.rest("POST", "/graphql", by_hash(QUERY), headers=headers)
        assert (response.status_code, response.json()) == (400, NOT_FOUND)

    @pytest.mark.parametrize(
        ("extension", "code"),
        [
            ({"version": 1, "sha256Hash": sha256("other")}, "PERSISTED_QUERY_HASH_MISMATCH"),
            ({"version": 1, "sha256Hash": sha256(QUERY).upper()}, "PERSISTED_QUERY_HASH_MISMATCH"),
            ({"version": 2, "sha256Hash": sha256(QUERY)}, "PERSISTED_QUERY_NOT_SUPPORTED"),
            ({"sha256Hash": sha256(QUERY)}, "PERSISTED_QUERY_NOT_SUPPORTED"),
            ([], "PERSISTED_QUERY_NOT_SUPPORTED"),
            ({"version": 1}, "BAD_REQUEST"),
            ({"version": 1, "sha256Hash": 5}, "BAD_REQUEST"),
        ],
    )
    async def test_what_is_wrong_is_refused(self, shop: Shop, extension: Any, code: str) -> None:
        body = {"query": QUERY, "extensions": {"persistedQuery": extension}}
        assert await code_of(shop, body, 400) == code
        assert await remembered(shop) == []

    async def test_only_good_documents_of_known_callers_are_remembered(self, shop: Shop) -> None:
        for query in ("{", "{ nothing }", "{ " + "scopes " * 30 + "}"):
            await shop.rest("POST", "/graphql", by_hash(query, query=query))
        for key in (None, "ofk_unknown"):
            await shop.rest("POST", "/graphql", by_hash(QUERY, query=QUERY), key=key)
        assert await remembered(shop) == []
        assert await code_of(shop, by_hash(QUERY)) == "PERSISTED_QUERY_NOT_FOUND"

    async def test_what_was_not_used_for_longest_makes_room(self, database_url: str) -> None:
        async with open_shop(database_url, max_persisted_operations=3) as shop:
            queries = [f"query Q{n} {{ scopes }}" for n in range(5)]
            for query in queries[:3]:
                await shop.rest("POST", "/graphql", by_hash(query, query=query))
            async with shop.database.transaction() as connection:
                row = tables.PersistedOperation
                for query, day in zip(queries, (2, 1, 3), strict=False):
                    await connection.execute(
                        update(row)
                        .where(col(row.text) == query)
                        .values(last_used_at=datetime(2020, 1, day, tzinfo=UTC))
                    )
            # Using one, in a process that has not read it yet, notes the use.
            async with open_process(
                database_url, shop.keys, shop.database, max_persisted_operations=3
            ) as other:
                await other.rest("POST", "/graphql", by_hash(queries[1]))
                for query in queries[3:]:
                    await other.rest("POST", "/graphql", by_hash(query, query=query))
            assert {text for _, text in await remembered(shop)} == {queries[1], *queries[3:]}

    async def test_it_can_be_switched_off(self, database_url: str) -> None:
        async with open_shop(database_url, max_persisted_operations=0) as shop:
            await shop.rest("POST", "/graphql", by_hash(QUERY, query=QUERY))
            assert await remembered(shop) == []
            assert await code_of(shop, by_hash(QUERY)) == "PERSISTED_QUERY_NOT_FOUND"


RELAY = {"5f1c9a0e2d7b4c8f9e6a3b1d0c2f4e8a": QUERY, "add": ADD}
APOLLO = {
    "format": "apollo-persisted-query-manifest",
    "version": 1,
    "operations": [
        {"id": id_, "name": "Mine", "type": "query", "body": text} for id_, text in RELAY.items()
    ],
}


def manifest(folder: Path, content: object) -> str:
    path = folder / "manifest.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


class TestManifest:
    @pytest.mark.parametrize("content", [RELAY, APOLLO], ids=["relay", "apollo"])
    async def test_documents_have_ids(
        self, database_url: str, tmp_path: Path, content: object
    ) -> None:
        where = manifest(tmp_path, content)
        async with open_shop(database_url, persisted_manifest=where) as shop:
            await shop.add()
            answer = {"data": {"orders": {"nodes": [{"number": 1}]}}}
            relay_id = next(iter(RELAY))
            for body in (
                {"documentId": relay_id},
                {"documentId": f"sha256:{sha256(QUERY)}"},
                {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": relay_id}}},
                by_hash(QUERY),
                {"query": QUERY},
            ):
                assert (await shop.rest("POST", "/graphql", body)).json() == answer, body
            response = await shop.rest("GET", "/graphql", params={"documentId": relay_id})
            assert response.json() == answer
            assert await code_of(shop, {"documentId": "x"}) == "PERSISTED_DOCUMENT_NOT_FOUND"
            assert await remembered(shop) == []

    async def test_automatic_ones_have_document_ids_too(self, shop: Shop) -> None:
        body = {"documentId": f"sha256:{sha256(QUERY)}"}
        assert await code_of(shop, body) == "PERSISTED_DOCUMENT_NOT_FOUND"
        await shop.rest("POST", "/graphql", by_hash(QUERY, query=QUERY))
        assert (await shop.rest("POST", "/graphql", body)).json()["data"]

    async def test_nothing_else_can_be_all_that_is_taken(
        self, database_url: str, tmp_path: Path
    ) -> None:
        where = manifest(tmp_path, RELAY)
        async with open_shop(database_url, persisted_manifest=where, persisted_only=True) as shop:
            before = await shop.everything()
            other = ADD.replace("Add", "Other")
            for body in (
                {"query": "{ __typename }"},
                {"query": "{ __schema { types { name } } }"},
                {"query": other},
                {"query": ADD},
                by_hash(other),
                by_hash(other, query=other),
                by_hash(other, query=other),
            ):
                assert await code_of(shop, body, 400) == "PERSISTED_QUERY_ONLY"
            assert await code_of(shop, {"documentId": "x"}) == "PERSISTED_DOCUMENT_NOT_FOUND"
            assert await shop.everything() == before
            assert await remembered(shop) == []
            answer = (await shop.rest("POST", "/graphql", {"documentId": "add"})).json()
            assert answer == {"data": {"addOrder": {"order": {"number": 1}}}}
            # The playground could not do anything here.
            response = await shop.client.get("/graphql", headers={"Accept": "text/html, */*"})
            assert response.status_code == 400

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("{", "is not valid JSON: "),
            ([], "must be a JSON object"),
            ({"a": 1}, "each operation must have an id and a document, as strings"),
            ({"": QUERY}, "each operation must have an id and a document, as strings"),
            ({"a": "{ nothing }"}, "a: Cannot query field 'nothing' on type 'Query'."),
            ({"a": "{"}, "a: Syntax Error: "),
            ({"a": "{ " + "scopes " * 30 + "}"}, "a: An operation may have a number of root"),
            ({**APOLLO, "version": 2}, "must be version 1 of apollo-persisted-query-manifest"),
            ({**APOLLO, "operations": [1]}, "each operation must have an id and a document"),
            (
                {**APOLLO, "operations": [{"id": "a", "body": QUERY}, {"id": "a", "body": ADD}]},
                "a stands for two documents",
            ),
        ],
    )
    def test_a_wrong_one_stops_the_server(
        self, database_url: str, tmp_path: Path, content: object, message: str
    ) -> None:
        where = manifest(tmp_path, content)
        with pytest.raises(RuntimeError) as caught:
            create_app(settings_for(database_url, persisted_manifest=where))
        assert str(caught.value).startswith(f"ORDERS_PERSISTED_MANIFEST: {where}")
        assert message in str(caught.value)

    def test_only_needs_documents(self, database_url: str) -> None:
        with pytest.raises(RuntimeError, match="ORDERS_PERSISTED_ONLY: there are no documents"):
            create_app(settings_for(database_url, persisted_only=True), static=UNBUILT)


class TestOfTheDesk:
    """The documents of the built pages."""

    DESK = (
        "query Viewer { scopes }",
        "query Wide { orders(first: 100) { nodes { id events(first: 100) { nodes { id } } } } }",
        "query Old { me { nickname } }",
    )

    @pytest.fixture
    def static(self, tmp_path: Path) -> Path:
        built = tmp_path / "static"
        for page in ("playground", "desk", "docs"):
            (built / page).mkdir(parents=True)
            (built / page / "index.html").write_text("")
        (built / "assets").mkdir()
        documents = {sha256(text): text for text in self.DESK}
        (built / "desk" / "documents.json").write_text(json.dumps(documents))
        return built

    @pytest.mark.parametrize("only", [False, True])
    async def test_they_are_known_without_a_setting(
        self, database_url: str, static: Path, *, only: bool
    ) -> None:
        changes: dict[str, Any] = {"persisted_only": only, "max_query_depth": 4}
        async with open_shop(database_url, static=static, **changes) as shop:
            viewer, wide, old = (f"sha256:{sha256(text)}" for text in self.DESK)
            answer = (await shop.rest("POST", "/graphql", {"documentId": viewer})).json()
            assert answer == {"data": {"scopes": ["ORDERS_READ", "ORDERS_WRITE"]}}
            # What this server's limits or its schema do not allow is left out; the rest works.
            for id_ in (wide, old):
                assert await code_of(shop, {"documentId": id_}) == "PERSISTED_DOCUMENT_NOT_FOUND"
            response = await shop.rest("POST", "/graphql", {"query": self.DESK[0]})
            assert response.status_code == (400 if only else 200)

    async def test_they_are_beside_those_of_a_manifest(
        self, database_url: str, static: Path, tmp_path: Path
    ) -> None:
        where = manifest(tmp_path, {"mine": QUERY})
        async with open_shop(
            database_url, persisted_only=True, persisted_manifest=where, static=static
        ) as shop:
            for id_ in ("mine", f"sha256:{sha256(QUERY)}", f"sha256:{sha256(self.DESK[0])}"):
                answer = (await shop.rest("POST", "/graphql", {"documentId": id_})).json()
                assert "errors" not in answer
