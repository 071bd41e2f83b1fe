"""The REST reference: the four paths as an OpenAPI 3.1 document.

Its schemas are made from the types in `bodies`. What stands here is what types can't say: words,
statuses, scopes and examples.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

import orjson
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from app.domain.errors import Forbidden, Unavailable
from app.domain.order import OrderStatus, ShippingMethod
from app.domain.principal import Scope
from app.rest.bodies import (
    NO_ADMINISTRATOR,
    NO_KEY,
    ORDER_SUCCESS,
    UNEXPECTED,
    WRONG_KEY,
    AddBody,
    DeleteBody,
    Deleted,
    KeyRefusal,
    OrderDocument,
    OrderRow,
    Refusal,
    StatusBody,
)
from app.rest.legacy import ADD, CHANGE_STATUS, DELETE, GET_ALL

_ABOUT = """\
The four order paths of the legacy shop backend, as its callers know them.

- A key stands in the header `Authorization`, alone or after `Bearer`. It is looked at before the
  body.
- Request bodies are JSON objects in UTF-8 with `Content-Type: application/json`, up to {limit:,}
  bytes. Fields that are not named here are passed over.
- All of a request is checked before anything is written: a refused call changes nothing.
- Paths match in any letter case, with or without a slash at their end.
- Any origin may call: preflights are answered, and every answer carries
  `Access-Control-Allow-Origin: *`.
"""
_ID, _OTHER_ID = "674b46a8dc3d9360b4c32ede", "674b46f1dc3d9360b4c32ee2"
_PRODUCT = "6555a1f49feeac7dccd9b1ee"
_ROW: OrderRow = {
    "orderId": "674b37b8dc3d9360b4c32e72",
    "productId": _PRODUCT,
    "image": "1700110836527.webp",
    "name": "brown table",
    "price": 30,
    "quantity": 4,
    "shipping": ShippingMethod.REGULAR,
    "status": OrderStatus.PENDING,
    "createdAt": "November 30, 2024",
    "orderNum": 1,
}
_DOCUMENT: OrderDocument = {
    "_id": _ID,
    "user": "672050a27def4d23ffcb5166",
    "items": [
        {
            "product": _PRODUCT,
            "quantity": 4,
            "shipping": ShippingMethod.REGULAR,
            "_id": "674b46a8dc3d9360b4c32edf",
        }
    ],
    "status": OrderStatus.COMPLETED,
    "address": "1 Main St, Carlton",
    "createdAt": "2024-11-30T17:08:56.123Z",
    "__v": 1,
}
_DELETED: Deleted = {"acknowledged": True, "deletedCount": 2}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Content:
    """A body: its type, and examples by name."""

    type: Any
    examples: Mapping[str, object]
    media_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class _Operation:
    """One path with its method; `answer` is what status 200 brings."""

    method: str
    path: str
    id: str
    summary: str
    description: str
    scope: Scope
    answer: _Content
    body: _Content | None = None
    refusals: Mapping[str, object] = field(default_factory=dict)
    parameters: tuple[Json, ...] = ()


_IDEMPOTENCY_KEY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A text of your own for this order, bare or in quotes. The same request with it"
    " again, within a day, gets the same answer and places no second order.",
    "schema": {
        "type": "string",
        "pattern": r'^([!#-~][!-~]{0,254}|"([!#-\[\]-~]|\\["\\]){1,255}")$',
    },
    "example": "4d3f2c51-7c1e-4f0a-9a53-0a1f4f0e9d8b",
}

_OPERATIONS = (
    _Operation(
        "get",
        GET_ALL,
        "getOwnOrders",
        "List your own orders",
        "A row for each item: the highest order number first, inside an order the items as they"
        " were sent. Also an administrator gets only their own. HEAD works too; query parameters"
        " are passed over.",
        Scope.ORDERS_READ,
        _Content(list[OrderRow], {"orders": [_ROW], "none": []}),
    ),
    _Operation(
        "post",
        ADD,
        "addOrder",
        "Place an order",
        "The order is yours and `pending`, with the products' names, images and prices of this"
        " moment.",
        Scope.ORDERS_WRITE,
        _Content(str, {"placed": ORDER_SUCCESS}, "text/plain"),
        _Content(
            AddBody,
            {
                "order": {
                    "items": [{"product": _PRODUCT, "quantity": 2, "shipping": "Regular"}],
                    "address": "1 Main St, Carlton",
                }
            },
        ),
        {
            "quantity": {"msg": "items[0].quantity must be a whole number from 1 to 2147483647."},
            "unknown product": {"msg": "items[0].product names no product."},
            "no items": {"msg": "items must hold at least one item."},
            "too many items": {"msg": "items must hold at most 2000 items."},
            "blank address": {"msg": "address must not be blank."},
            "too large a total": {"msg": "items add up to more than an order can hold."},
        },
        (_IDEMPOTENCY_KEY,),
    ),
    _Operation(
        "post",
        CHANGE_STATUS,
        "changeOrderStatus",
        "Set the status of anyone's orders",
        "Needs an administrator's key. Answers with the orders that exist, each once, by"
        " ascending `_id`.",
        Scope.ADMIN,
        _Content(list[OrderDocument], {"orders": [_DOCUMENT], "only unknown ids": []}),
        _Content(StatusBody, {"change": {"items": [{"orderId": _ID, "status": "completed"}]}}),
        {
            "status": {"msg": "items[0].status must be 'pending', 'delivery' or 'completed'."},
            "id": {"msg": "items[0].orderId must be an id of 24 hex digits."},
        },
    ),
    _Operation(
        "post",
        DELETE,
        "deleteOrders",
        "Delete orders",
        "Your own orders; with an administrator's key anyone's. Another's ids count as unknown.",
        Scope.ORDERS_WRITE,
        _Content(Deleted, {"deleted": _DELETED}),
        _Content(DeleteBody, {"two orders": {"orderId": [_OTHER_ID, _ID]}}),
        {
            "no list": {"msg": "orderId must be a list."},
            "id": {"msg": "orderId[0] must be an id of 24 hex digits."},
        },
    ),
)
_NO_JSON: Mapping[str, object] = {
    "no JSON": {"msg": "The request body is not valid JSON."},
    "no object": {"msg": "The request body must be a JSON object."},
}
_SECURITY: Json = {
    "key": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "The key alone, as legacy callers send it.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Bearer` and the key."},
}
_HEADERS: Json = {
    "RequestId": {
        "description": "The id of this request in the log; the caller's own if it sent one.",
        "required": True,
        "schema": {"type": "string"},
    },
    "AllowOrigin": {"required": True, "schema": {"const": "*"}},
    "Allow": {
        "description": "The methods of this path.",
        "required": True,
        "schema": {"type": "string"},
    },
}


def routes(*, body_limit_bytes: int) -> list[BaseRoute]:
    """The reference for programs, at `/openapi.json`."""

    async def reference(_request: Request) -> Response:
        content = _written(body_limit_bytes)
        return Response(content, media_type="application/json; charset=utf-8")

    return [Route("/openapi.json", reference)]


@cache
def _written(body_limit_bytes: int) -> bytes:
    return orjson.dumps(document(body_limit_bytes=body_limit_bytes))


def document(*, body_limit_bytes: int) -> Json:
    """The four paths as an OpenAPI 3.1 document."""
    schemas = _Schemas()
    paths: Json = {}
    for operation in _OPERATIONS:
        paths[operation.path] = {operation.method: _operation(operation, schemas, body_limit_bytes)}
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "orders-graphql: the legacy REST paths",
            "version": version("orders-graphql"),
            "summary": "List, place, move on and delete orders.",
            "description": _ABOUT.format(limit=body_limit_bytes),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "tags": [{"name": "orders", "description": "Orders and their items."}],
        "paths": paths,
        "components": {
            "schemas": schemas.definitions(),
            "headers": _HEADERS,
            "securitySchemes": _SECURITY,
        },
    }


class _NoTitles(GenerateJsonSchema):
    """Schemas without a title for each field: it would only repeat the field's name."""

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


class _Schemas:
    """Collects the schemas of the types it is asked for."""

    def __init__(self) -> None:
        types = [content.type for op in _OPERATIONS for content in (op.answer, op.body) if content]
        self._types = [*types, Refusal, KeyRefusal, Refusal | KeyRefusal]
        self._references, self._definitions = TypeAdapter.json_schemas(
            [(i, "validation", TypeAdapter(type_)) for i, type_ in enumerate(self._types)],
            ref_template="#/components/schemas/{model}",
            schema_generator=_NoTitles,
        )

    def reference(self, type_: Any) -> Json:
        """The schema of a type, by reference where it has a name."""
        return self._references[self._types.index(type_), "validation"]

    def definitions(self) -> Json:
        """All schemas that have a name."""
        definitions: Json = self._definitions["$defs"]
        return definitions


def _operation(operation: _Operation, schemas: _Schemas, body_limit_bytes: int) -> Json:
    described: Json = {
        "operationId": operation.id,
        "tags": ["orders"],
        "summary": operation.summary,
        "description": f"{operation.description}\n\nNeeds the scope `{operation.scope}`.",
        # What stands in the lists are scopes that the key must have.
        "security": [{name: [operation.scope]} for name in _SECURITY],
        "x-required-scope": operation.scope,
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = {
            "required": True,
            "content": _content(operation.body, schemas),
        }
    described["responses"] = {
        "200": _response("Done.", operation.answer, schemas),
        **{
            status: _response(description, _Content(type_, examples), schemas)
            for status, description, type_, examples in _refusals(operation, body_limit_bytes)
        },
    }
    described["responses"]["405"]["headers"]["Allow"] = {"$ref": "#/components/headers/Allow"}
    return described


def _refusals(
    operation: _Operation, body_limit_bytes: int
) -> list[tuple[str, str, Any, Mapping[str, object]]]:
    lacking = NO_ADMINISTRATOR
    if operation.scope is not Scope.ADMIN:
        lacking = {"msg": str(Forbidden(operation.scope))}
    refusals: list[tuple[str, str, Any, Mapping[str, object]]] = [
        ("401", "No key was sent.", KeyRefusal, {"no key": NO_KEY}),
        (
            "403",
            "The key is unknown, expired or revoked, or lacks the scope.",
            Refusal | KeyRefusal,
            {"unknown key": WRONG_KEY, "lacking scope": lacking},
        ),
        (
            "405",
            "The path takes another method.",
            Refusal,
            {"wrong method": {"msg": "This path takes another method."}},
        ),
        (
            "500",
            "An error of ours; nothing was changed.",
            Refusal,
            {"error": UNEXPECTED},
        ),
        (
            "503",
            "The database can't answer now: try again.",
            Refusal,
            {"unavailable": {"msg": str(Unavailable())}},
        ),
    ]
    if operation.parameters:
        refusals.append(
            (
                "422",
                "The Idempotency-Key came before, with another request.",
                Refusal,
                {"reused": {"msg": "Idempotency-Key was sent before with another request."}},
            )
        )
    if operation.body:
        refusals += [
            (
                "400",
                "Bad input: the sentence names the field.",
                Refusal,
                {**operation.refusals, **_NO_JSON},
            ),
            (
                "413",
                "The body is too large.",
                Refusal,
                {
                    "too large": {
                        "msg": f"The request body must not be larger than {body_limit_bytes} bytes."
                    }
                },
            ),
            (
                "415",
                "The body is of another type.",
                Refusal,
                {"wrong type": {"msg": "The Content-Type must be application/json."}},
            ),
        ]
    return sorted(refusals, key=lambda refusal: refusal[0])


def _response(description: str, content: _Content, schemas: _Schemas) -> Json:
    return {
        "description": description,
        "headers": {
            "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
            "Access-Control-Allow-Origin": {"$ref": "#/components/headers/AllowOrigin"},
        },
        "content": _content(content, schemas),
    }


def _content(content: _Content, schemas: _Schemas) -> Json:
    return {
        content.media_type: {
            "schema": schemas.reference(content.type),
            "examples": {name: {"value": value} for name, value in content.examples.items()},
        }
    }
