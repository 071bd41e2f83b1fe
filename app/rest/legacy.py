"""The four legacy paths, byte for byte what their callers read.

Source: the wire contract of the legacy orders API (docs in README, "The REST paths"). This door
knows bodies, codes and the legacy's names; what is allowed and what happens is the services'.
"""

import codecs
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar

import orjson
import structlog
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from app.db.database import Database
from app.domain.changes import ErrorPolicy, StatusChange
from app.domain.clock import rfc3339
from app.domain.errors import (
    AppError,
    Contended,
    Forbidden,
    InvalidInput,
    MissingKey,
    ProblemCode,
    Throttled,
    Unauthenticated,
    Unavailable,
    describe,
)
from app.domain.nesting import nests_deeper
from app.domain.order import (
    EventSource,
    NewItem,
    NewOrder,
    Order,
    OrderStatus,
    ShippingMethod,
)
from app.domain.principal import Principal
from app.domain.principal import Scope as KeyScope
from app.rest.bodies import (
    NO_ADMINISTRATOR,
    NO_KEY,
    ORDER_SUCCESS,
    UNEXPECTED,
    WRONG_KEY,
    AddBody,
    DeleteBody,
    Deleted,
    OrderDocument,
    RequestBody,
    StatusBody,
)
from app.rest.order_rows import ORDERS_AT_ONCE, OwnRows, inside
from app.services import order_changes, order_placing
from app.services.auth import Authenticator
from app.services.cost_budget import CostBudget
from app.services.idempotency import key_from_header
from app.services.rest_usage import UsageCounter

log = structlog.stdlib.get_logger()

CALL_PRICE = 10
"""What a call of one of the four paths takes from the budget of its key."""

_JSON = "application/json; charset=utf-8"

_JSON_HEADERS = ((b"content-type", _JSON.encode()),)

# This door's names for the services' ones.
_NAMES = {
    "product_id": "product",
    "order_id": "orderId",
    "changes": "items",
    "ids": "orderId",
    "idempotency_key": "Idempotency-Key",
}

GET_ALL = "/orders/get_all"
ADD = "/orders/add"
CHANGE_STATUS = "/orders/change-status"
DELETE = "/orders/delete"
PATHS = (GET_ALL, ADD, CHANGE_STATUS, DELETE)

# What is wrong with a field, by pydantic's name for it; a quantity has many ways to be no number.
_PHRASES = {
    "missing": "is missing",
    "string_type": "must be a string",
    "string_pattern_mismatch": "must be an id of 24 hex digits",
    "list_type": "must be a list",
    "model_type": "must be an object",
}


BodyType = TypeVar("BodyType", bound=RequestBody)


class _Refused(Exception):
    """The request's body can't be used, whatever it would ask for."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class LegacyOrders:
    """The handlers of the four paths."""

    database: Database
    authenticator: Authenticator
    usage: UsageCounter
    budget: CostBudget
    json_depth: int
    own_rows: OwnRows

    def routes(self) -> list[BaseRoute]:
        """The four paths, each in any letter case and with or without a slash at its end."""
        return [
            _LegacyRoute(path, self._door(path, handle), methods=[method])
            for method, path, handle in (
                ("GET", GET_ALL, self.get_all),
                ("POST", ADD, self.add),
                ("POST", CHANGE_STATUS, self.change_status),
                ("POST", DELETE, self.delete),
            )
        ]

    async def get_all(self, _request: Request, principal: Principal) -> Response:
        """The caller's own orders: a row per item, highest order number first.

        Source: legacy routes/orders.js, get_all.
        """
        read = self.own_rows.read(principal)
        (rows,) = await self.database.fetch([read], short=True)
        if len(rows) < ORDERS_AT_ONCE:
            return _json_text(f"[{inside(rows)}]".encode())
        return StreamingResponse(self._all_rows(principal), media_type=_JSON)

    def get_all_at_once(
        self, headers: Mapping[bytes, bytes], _body: bytes
    ) -> tuple[bytes, Sequence[tuple[bytes, bytes]]] | None:
        """The same and its headers, if it can be had without waiting for anything.

        If not, nothing has happened that counts.

        Args:
            headers: Those of the request, each of which was there once.
        """
        principal = self.authenticator.at_once(headers.get(b"authorization"))
        if principal is None:
            return None
        try:
            read = self.own_rows.whole(principal)
            if read is None:
                return None
            self.budget.spend(principal, CALL_PRICE)
        except AppError:
            return None
        found = self.database.at_once([read])
        number, rows = (ORDERS_AT_ONCE, "") if found is None else found[0][0]
        if number >= ORDERS_AT_ONCE:
            if self.budget.is_on:
                self.budget.settle(principal, CALL_PRICE)
            return None
        self.usage.count(principal, GET_ALL)
        return rows.encode(), _JSON_HEADERS

    async def _all_rows(self, principal: Principal) -> AsyncGenerator[bytes]:
        """Very many rows, in parts, all of one moment. In between others have their turn."""
        below, lead = None, "["
        async with self.database.snapshot() as connection:
            while True:
                read = self.own_rows.read(principal, below)
                rows = await self.database.rows(connection, read)
                if part := inside(rows):
                    yield f"{lead}{part}".encode()
                    lead = ","
                if len(rows) < ORDERS_AT_ONCE:
                    break
                below = rows[-1][0]
        yield b"[]" if lead == "[" else b"]"

    async def add(self, request: Request, principal: Principal) -> Response:
        """Place an order; with an `Idempotency-Key` that was sent before, none.

        Source: legacy routes/orders.js, add; its documentation for the content type.
        """
        idempotency_key = key_from_header(request.headers.getlist("idempotency-key"))
        body = await _read(request, AddBody, self.json_depth)
        new = NewOrder(
            [
                NewItem(item.product, item.quantity, ShippingMethod(item.shipping))
                for item in body.items
            ],
            body.address,
        )
        await self.database.perform(
            lambda: order_placing.placing_only(
                principal, new, source=EventSource.REST, idempotency_key=idempotency_key
            )
        )
        return PlainTextResponse(ORDER_SUCCESS)

    async def change_status(self, request: Request, principal: Principal) -> Response:
        """Set the status of anyone's orders; unknown ids are passed over, the last of twins wins.

        Source: legacy routes/orders.js, change-status.
        """
        order_changes.authorize_status_change(principal)
        body = await _read(request, StatusBody, self.json_depth)
        wanted = {item.order_id: item for item in body.items}
        changes = [
            StatusChange(item.order_id, OrderStatus(item.status)) for item in wanted.values()
        ]
        result = await self.database.perform(
            lambda: order_changes.changing_status(
                principal, changes, on_error=ErrorPolicy.SKIP_FAILED, source=EventSource.REST
            ),
            short=len(changes) <= order_changes.SHORT,
        )
        return _json(
            [_document(order) for order in sorted(result.orders, key=lambda order: order.id)]
        )

    async def delete(self, request: Request, principal: Principal) -> Response:
        """Delete orders; ids that are unknown or not the caller's to delete are passed over.

        Source: legacy routes/orders.js, delete; its documentation for who may.
        """
        body = await _read(request, DeleteBody, self.json_depth)
        ids = list(dict.fromkeys(body.order_ids))
        result = await self.database.perform(
            lambda: order_changes.deleting(
                principal, ids, on_error=ErrorPolicy.SKIP_FAILED, source=EventSource.REST
            ),
            short=len(ids) <= order_changes.SHORT,
        )
        deleted: Deleted = {"acknowledged": True, "deletedCount": len(result.ids)}
        return _json(deleted)

    def _door(
        self, path: str, handle: Callable[[Request, Principal], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:  # noqa: PLR0911 (one for each way out)
            try:
                # Before the body is looked at: who has no key learns nothing about bodies.
                principal = await self.authenticator.authenticate(
                    request.headers.get("authorization")
                )
                self.usage.count(principal, path)
                self.budget.spend(principal, CALL_PRICE)
                return await handle(request, principal)
            except Throttled as error:
                headers = {"Retry-After": str(error.retry_after_s)}
                return _json({"msg": str(error)}, 429, headers)
            except AppError as error:
                return _refusal(error)
            except _Refused as refused:
                return _json({"msg": str(refused)}, refused.status)
            except HTTPException as error:
                return _json({"msg": error.detail}, error.status_code)
            except ClientDisconnect:
                # For the log: who sent half a body has gone and reads no answer.
                return _json({"msg": "The request body ended early."}, 400)
            except Exception:
                log.exception("unexpected error")
                return _json(UNEXPECTED, 500)

        return answer


def plain_path(scope: Scope) -> str:
    """A request's path in the form in which the four are written here, of any that Express takes.

    The path is taken as it was sent: with escapes resolved, `%2F` would be a slash, and a newline
    could stand at the end.
    """
    sent: bytes = scope.get("raw_path") or scope["path"].encode()
    return sent.decode("latin-1").lower().removesuffix("/")


class _LegacyRoute(Route):
    """A route as Express matches it: any letter case, one slash at the end or none."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path in its plain form."""
        if scope["type"] == "http":
            scope = {**scope, "path": plain_path(scope)}
        return super().matches(scope)


async def _read(request: Request, kind: type[BodyType], json_depth: int) -> BodyType:
    content_type = Message()
    content_type["content-type"] = request.headers.get("content-type", "none")
    if content_type.get_content_type() != "application/json":
        raise _Refused(415, "The Content-Type must be application/json.")
    if request.headers.get("content-encoding", "").lower() not in {"", "identity"}:
        raise _Refused(415, "The request body must not be compressed.")
    # Express passes over a byte order mark, as RFC 8259 (section 8.1) allows.
    body = (await request.body()).removeprefix(codecs.BOM_UTF8)
    if nests_deeper(body, json_depth):
        raise _Refused(400, f"The request body must not nest deeper than {json_depth} levels.")
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _Refused(400, "The request body is not valid JSON.") from None
    if not isinstance(content, dict):
        raise _Refused(400, "The request body must be a JSON object.")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]
        )
        raise _Refused(400, f"{field.removeprefix('.')} {_phrase(dict(first))}.") from None


def _phrase(error: dict[str, Any]) -> str:
    if error["type"] == "literal_error":
        return f"must be {error['ctx']['expected']}"
    return _PHRASES.get(error["type"], "must be a whole number")


def _refusal(error: AppError) -> Response:
    match error:
        case MissingKey():
            return _json(NO_KEY, 401)
        case Unauthenticated():
            return _json(WRONG_KEY, 403)
        case Forbidden(scope=KeyScope.ADMIN):
            return _json(NO_ADMINISTRATOR, 403)
        case Forbidden():
            return _json({"msg": str(error)}, 403)
        case InvalidInput(problems=[first, *_]):
            # 422 is the word for it of the header's draft.
            status = 422 if first.code is ProblemCode.IDEMPOTENCY_MISMATCH else 400
            message = describe(first, rename=lambda name: _NAMES.get(name, name))
            return _json({"msg": message}, status)
        case Unavailable(retry_after_s=retry_after_s):
            if not isinstance(error, Contended):
                log.error("database unavailable", reason=error.reason)
            return _json({"msg": str(error)}, 503, {"Retry-After": str(retry_after_s)})
    raise TypeError(f"no REST form for {type(error).__name__}") from error


def _document(order: Order) -> OrderDocument:
    """An order as Mongoose printed it."""
    return {
        "_id": order.id,
        "user": order.user_id,
        "items": [
            {
                "product": item.product_id,
                "quantity": item.quantity,
                "shipping": item.shipping,
                "_id": item.id,
            }
            for item in order.items
        ],
        "status": order.status,
        "address": order.address,
        "createdAt": rfc3339(order.created_at),
        "__v": order.version,
    }


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return _json_text(orjson.dumps(content), status, headers)


def _json_text(
    content: bytes, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(content, status, headers, media_type=_JSON)
