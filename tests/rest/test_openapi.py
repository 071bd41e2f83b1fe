"""The REST reference at /openapi.json: it is valid, and it says what the four paths do."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from openapi_schema_validator import OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from app.main import create_app
from app.rest.openapi import document
from tests.databases import Databases
from tests.e2e.server import fill, running
from tests.shop import TABLE, UNKNOWN, Shop, settings_for

DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(document(body_limit_bytes=1_000_000)))
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]


class Served(NamedTuple):
    """Where a server runs, and a key for each kind of caller."""

    url: str
    keys: Mapping[str, str]


def _fits(schema: Mapping[str, Any], value: object) -> bool:
    whole = {**schema, "components": DOCUMENT["components"]}
    return not list(OAS31Validator(whole).iter_errors(value))


def _schema(path: str) -> Mapping[str, Any]:
    body: Mapping[str, Any] = DOCUMENT["paths"][path]["post"]["requestBody"]
    schema: Mapping[str, Any] = body["content"]["application/json"]["schema"]
    return schema


async def test_it_is_served_to_everyone(shop: Shop) -> None:
    answer = await shop.rest("GET", "/openapi.json", key=None)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.json() == DOCUMENT
    for page in ("/", "/docs"):
        assert 'href="/openapi.json"' in (await shop.rest("GET", page, key=None)).text


def test_it_is_a_valid_document() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_it_has_every_path_and_method(database_url: str) -> None:
    served = {
        (route.path, method.lower())
        for route in create_app(settings_for(database_url)).routes
        if isinstance(route, Route) and route.path.startswith("/orders/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert served == {(path, method) for path, method, _ in OPERATIONS}
    assert len(served) == 4


def test_scopes() -> None:
    assert {path: operation["x-required-scope"] for path, _, operation in OPERATIONS} == {
        "/orders/get_all": "orders:read",
        "/orders/add": "orders:write",
        "/orders/change-status": "admin",
        "/orders/delete": "orders:write",
    }
    for _, _, operation in OPERATIONS:
        scope = [operation["x-required-scope"]]
        assert operation["security"] == [{"key": scope}, {"bearer": scope}]
        assert f"`{scope[0]}`" in operation["description"]


def test_examples_fit_their_schemas() -> None:
    seen = 0
    for _, _, operation in OPERATIONS:
        for part in (operation.get("requestBody"), *operation["responses"].values()):
            for content in part["content"].values() if part else ():
                assert content["examples"]
                for example in content["examples"].values():
                    assert _fits(content["schema"], example["value"]), example
                    seen += 1
    assert seen > 40


ITEM = {"product": TABLE, "quantity": 2, "shipping": "Regular"}
ORDER = {"items": [ITEM], "address": "x"}
STATUS = {"orderId": UNKNOWN, "status": "pending"}
JSON = {"Content-Type": "application/json"}
TAKEN: Mapping[str, Any] = {
    "/orders/add": ORDER,
    "/orders/change-status": {"items": [STATUS]},
    "/orders/delete": {"orderId": []},
}
REFUSED: Mapping[str, Sequence[Any]] = {
    "/orders/add": [
        {**ORDER, "items": [{**ITEM, "quantity": 0}]},
        {**ORDER, "items": [{**ITEM, "product": UNKNOWN}]},
        {**ORDER, "items": []},
        {**ORDER, "items": [ITEM] * 2_001},
        {**ORDER, "address": " "},
        {**ORDER, "items": [{**ITEM, "quantity": 2**31 - 1}] * 200},
    ],
    "/orders/change-status": [
        {"items": [{**STATUS, "status": "sent"}]},
        {"items": [{**STATUS, "orderId": "1"}]},
    ],
    "/orders/delete": [{"orderId": UNKNOWN}, {"orderId": ["1"]}],
}


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS)
async def test_refusals_are_the_documented_ones(
    shop: Shop, path: str, method: str, operation: Any
) -> None:
    lacking = {"orders:read": "writer", "orders:write": "reader", "admin": "customer"}
    requests: list[dict[str, Any]] = [
        {"key": None},
        {"key": "unknown"},
        {"key": lacking[operation["x-required-scope"]], "body": TAKEN.get(path)},
    ]
    if method == "post":
        requests += [{"content": b"{", "headers": JSON}, {"content": b"[]", "headers": JSON}]
        requests += [{"content": b" " * 1_000_001, "headers": JSON}, {"content": b"{}"}]
        requests += [{"body": body} for body in REFUSED[path]]
    answers = [await shop.rest(method, path, **{"key": "admin", **more}) for more in requests]
    answers.append(await shop.rest("PUT", path))
    assert {(answer.status_code, answer.text) for answer in answers} == {
        (int(status), orjson.dumps(example["value"]).decode())
        for status, response in operation["responses"].items()
        if status not in {"200", "422", "500", "503"}
        for example in response["content"]["application/json"]["examples"].values()
    }


@pytest.mark.parametrize(
    "change",
    [
        *({"quantity": quantity} for quantity in (1, 2.0, 2**31 - 1)),
        *({"quantity": quantity} for quantity in (0, -1, 2**31, 1.5, "2", True, None)),
        *({"product": product} for product in (TABLE.upper(), TABLE[:-1], f"{TABLE}0", "é" * 24)),
        *({"shipping": shipping} for shipping in ("Next day", "Budget", "budget", None)),
        {"other": 1},
    ],
)
async def test_items_are_taken_as_the_schema_says(shop: Shop, change: dict[str, Any]) -> None:
    await _taken_as_the_schema_says(shop, {**ORDER, "items": [{**ITEM, **change}]})


@pytest.mark.parametrize(
    "change",
    [
        {"items": []},
        {"items": None},
        {"items": [ITEM] * 2_000},
        {"items": [ITEM] * 2_001},
        *({"address": address} for address in ("x", " x\n", "é", "\u200b")),
        *({"address": address} for address in ("", " ", "\u00a0\n", "\u2003", "\x1f", "\x85")),
        *({"address": address} for address in ("a\0b", "\0", 5, None)),
    ],
)
async def test_orders_are_taken_as_the_schema_says(shop: Shop, change: dict[str, Any]) -> None:
    await _taken_as_the_schema_says(shop, {**ORDER, **change})


async def _taken_as_the_schema_says(shop: Shop, body: object) -> None:
    answer = await shop.rest("POST", "/orders/add", body)
    assert (answer.status_code == 200) is _fits(_schema("/orders/add"), body), answer.text


@pytest.fixture(scope="module")
def served(databases: Databases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("schemathesis")
    with databases.for_folder(folder) as home:
        keys = fill(home.url)
        with running(folder, **home.environment) as server:
            yield Served(server.url, keys)


CONFIG = {
    "seed": 1,
    # What fits the schema is taken, unless the key lacks a scope or the Idempotency-Key was used.
    "checks": {"positive_data_acceptance": {"expected-statuses": ["200", "403", "422"]}},
}
API = schemathesis.openapi.from_dict(DOCUMENT, config=schemathesis.Config.from_dict(CONFIG))


@API.parametrize()
@settings(
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_any_call_is_answered_as_documented(case: schemathesis.Case[Any], served: Served) -> None:
    """No 5xx, no undocumented status, header or body; what fits the schema is taken."""
    _name_real_products(case.body)
    for key in ("customer", "admin"):
        case.call_and_validate(
            base_url=served.url,
            headers={"Authorization": served.keys[key]},
        )


def _name_real_products(body: Any) -> None:
    # Which products there are is no matter of a schema.
    items = body.get("items") if isinstance(body, dict) else None
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and re.fullmatch("[0-9a-fA-F]{24}", str(item.get("product"))):
            item["product"] = TABLE
