"""GraphQL over HTTP: requests to operations, results to responses with the right status and type.

Source: GraphQL over HTTP, working draft. Only `application/json` bodies are taken: a form or plain
text could be posted from another site without a preflight.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, Self

import orjson
from graphql import DocumentNode, GraphQLError, OperationType
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from app.db.engine import Database
from app.graphql.context import Context
from app.graphql.errors import presentable
from app.graphql.event_stream import EventStream
from app.graphql.limits import Limits
from app.graphql.operations import Operations, RequestError
from app.graphql.schema import Schema
from app.services.auth import Authenticator
from app.services.event_feed import EventFeed

_JSON = "application/json"
_GRAPHQL_JSON = "application/graphql-response+json"
_EVENT_STREAM = "text/event-stream"


class _Refused(Exception):
    """The HTTP request holds no GraphQL request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class _GraphQLRequest:
    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Caller:
    """What the headers of a request say beside what it asks for."""

    authorization: str | None
    idempotency_header: Sequence[str] = ()

    @classmethod
    def of(cls, request: Request) -> Self:
        return cls(request.headers.get("authorization"), request.headers.getlist("idempotency-key"))


class GraphQLEndpoint:
    """The ASGI application behind `/graphql`."""

    def __init__(
        self,
        schema: Schema,
        limits: Limits,
        database: Database,
        authenticator: Authenticator,
        playground: str | None,
        feed: EventFeed,
        ping_interval_s: float,
    ) -> None:
        self._schema = schema
        self._operations = Operations(schema.core, limits)
        self._database = database
        self._authenticator = authenticator
        self._playground = playground
        self._feed = feed
        self._ping_interval_s = ping_interval_s
        self._running: set[asyncio.Task[dict[str, Any]]] = set()

    def _finished(self, running: asyncio.Task[dict[str, Any]]) -> None:
        self._running.discard(running)
        # Looked at here, or it would be reported as overlooked when the caller is gone.
        if not running.cancelled():
            running.exception()

    async def finish(self) -> None:
        """Wait for what runs although its caller is gone."""
        if self._running:
            await asyncio.wait(self._running)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        if self._playground is not None and _wants_page(request):
            return HTMLResponse(self._playground, headers={"Vary": "Accept"})
        media_type = _negotiate(request.headers.get("accept"))
        try:
            graphql_request = await _read(request)
            if self._is_to_be_streamed(request, graphql_request):
                answers = self._answers(graphql_request, _Caller.of(request))
                return EventStream(answers, self._ping_interval_s)
            result = await self._execute(request, graphql_request)
        except _Refused as refused:
            error = GraphQLError(str(refused), extensions={"code": "BAD_REQUEST"})
            return _response([error], media_type, status=refused.status, headers=refused.headers)
        except RequestError as refused:
            # By the draft, only the newer media type has a status for these.
            status = 400 if media_type == _GRAPHQL_JSON else 200
            return _response(refused.errors, media_type, status=status)
        return Response(orjson.dumps(result), media_type=media_type, headers={"Vary": "Accept"})

    async def _execute(self, request: Request, wanted: _GraphQLRequest) -> dict[str, Any]:
        document, operation = self._operations.prepare(
            wanted.query, wanted.operation_name, wanted.variables
        )
        if operation.operation is OperationType.SUBSCRIPTION:
            raise _Refused(
                406,
                "A subscription needs Accept: text/event-stream, or a WebSocket with the"
                " subprotocol graphql-transport-ws.",
            )
        if request.method != "POST" and operation.operation is not OperationType.QUERY:
            raise _Refused(405, "Only queries can be sent by GET.", {"Allow": "POST"})
        return await self._run(wanted, self._context(document, _Caller.of(request)))

    async def _run(self, wanted: _GraphQLRequest, context: Context) -> dict[str, Any]:
        result = await self._schema.execute(
            wanted.query,
            variable_values=wanted.variables,
            context_value=context,
            operation_name=wanted.operation_name,
        )
        errors = [presentable(error) for error in result.errors or ()]
        if result.data is None and errors and all(error.path is None for error in errors):
            raise RequestError(errors)  # the variables did not fit; nothing was executed
        return _answer(result.data, errors)

    async def answers(
        self, payload: object, authorization: str | None
    ) -> AsyncGenerator[dict[str, Any]]:
        """The answers to an operation of any kind: one, or those of a subscription as they come.

        Args:
            payload: The members of a GraphQL request, as a body of JSON has them.
            authorization: The key, as in the header.

        Raises:
            RequestError: it can't be executed, or the subscription ends.
        """
        try:
            wanted = _request_from(payload)
        except _Refused as refused:
            error = GraphQLError(str(refused), extensions={"code": "BAD_REQUEST"})
            raise RequestError([error]) from None
        async with aclosing(self._answers(wanted, _Caller(authorization))) as answers:
            async for answer in answers:
                yield answer

    async def _answers(
        self, wanted: _GraphQLRequest, caller: _Caller
    ) -> AsyncGenerator[dict[str, Any]]:
        document, operation = self._operations.prepare(
            wanted.query, wanted.operation_name, wanted.variables
        )
        context = self._context(document, caller)
        if operation.operation is not OperationType.SUBSCRIPTION:
            # As over plain HTTP, what was begun is finished, though the caller may be gone.
            running = asyncio.create_task(self._run(wanted, context))
            self._running.add(running)
            running.add_done_callback(self._finished)
            yield await asyncio.shield(running)
            return
        results = await self._schema.stream(
            wanted.query,
            variable_values=wanted.variables,
            context_value=context,
            operation_name=wanted.operation_name,
        )
        async with aclosing(results):
            async for result in results:
                if not isinstance(result, ExecutionResult):
                    raise TypeError("the schema has no directives that split a result")
                errors = [presentable(error) for error in result.errors or ()]
                if result.data is None and errors and all(error.path is None for error in errors):
                    raise RequestError(errors)
                yield _answer(result.data, errors)

    def _is_to_be_streamed(self, request: Request, wanted: _GraphQLRequest) -> bool:
        """Whether the answer is a stream: the caller takes one, and it is needed or takes no other.

        Raises:
            _Refused: a mutation was sent by GET.
        """
        accepted = _accepted(request.headers.get("accept"))
        if not accepted.get(_EVENT_STREAM):
            return False
        others = any(accepted.get(one) for one in (_JSON, _GRAPHQL_JSON, "*/*", "application/*"))
        try:
            _, operation = self._operations.prepare(
                wanted.query, wanted.operation_name, wanted.variables
            )
        except RequestError:
            return not others
        if request.method != "POST" and operation.operation is OperationType.MUTATION:
            raise _Refused(405, "Mutations can't be sent by GET.", {"Allow": "POST"})
        return operation.operation is OperationType.SUBSCRIPTION or not others

    def _context(self, document: DocumentNode, caller: _Caller) -> Context:
        return Context(
            document,
            self._database,
            self._authenticator,
            caller.authorization,
            self._feed,
            caller.idempotency_header,
        )


def _answer(data: object, errors: Sequence[GraphQLError]) -> dict[str, Any]:
    answer: dict[str, Any] = {"data": data}
    if errors:
        answer["errors"] = [error.formatted for error in errors]
    return answer


def _response(
    errors: Sequence[GraphQLError],
    media_type: str,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
) -> Response:
    body = {"errors": [presentable(error).formatted for error in errors]}
    return Response(orjson.dumps(body), status, {"Vary": "Accept", **(headers or {})}, media_type)


async def _read(request: Request) -> _GraphQLRequest:
    if request.method in {"GET", "HEAD"}:
        parameters: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in parameters:
                parameters[name] = _parse_json(parameters[name], f"The parameter {name}")
        return _request_from(parameters)
    if request.method != "POST":
        raise _Refused(405, "Send GraphQL by GET or POST.", {"Allow": "GET, HEAD, POST"})
    content_type = Message()
    content_type["content-type"] = request.headers.get("content-type", "")
    if content_type.get_content_type() != _JSON or "content-type" not in request.headers:
        raise _Refused(415, f"The request body must be {_JSON}.")
    charset = content_type.get_content_charset("utf-8")
    if charset not in {"utf-8", "utf8"}:
        raise _Refused(415, "The request body must be in UTF-8.")
    try:
        body = await request.body()
    except HTTPException as error:
        raise _Refused(error.status_code, error.detail) from None
    return _request_from(_parse_json(body, "The request body"))


def _parse_json(text: str | bytes, what: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _Refused(400, f"{what} is not valid JSON.") from None


def _request_from(parameters: Any) -> _GraphQLRequest:
    if isinstance(parameters, list):
        raise _Refused(400, "Batches are not accepted: send one operation in a request.")
    if not isinstance(parameters, dict):
        raise _Refused(400, "The request body must be a JSON object.")
    query = parameters.get("query")
    if not isinstance(query, str) or not query:
        raise _Refused(400, "query must be a string that holds a GraphQL document.")
    # Clients send null for what they leave out; an empty name means none in some of them.
    name = parameters.get("operationName") or None
    if not isinstance(name, str | None):
        raise _Refused(400, "operationName must be a string.")
    variables = parameters.get("variables")
    if not isinstance(variables, dict | None):
        raise _Refused(400, "variables must be an object.")
    if not isinstance(parameters.get("extensions"), dict | None):
        raise _Refused(400, "extensions must be an object.")
    return _GraphQLRequest(query, name, variables or {})


def _wants_page(request: Request) -> bool:
    return (
        request.method in {"GET", "HEAD"}
        and "query" not in request.query_params
        and "text/html" in request.headers.get("accept", "")
    )


def _negotiate(accept: str | None) -> str:
    """The media type to answer in: the one that the caller likes better, JSON if in doubt."""
    likes = {_JSON: 0.0, _GRAPHQL_JSON: 0.0}
    for media_type, quality in _accepted(accept).items():
        if media_type in likes:
            likes[media_type] = quality
        elif media_type in {"*/*", "application/*"}:
            # Anything named wins over a wildcard.
            likes[_JSON] = max(likes[_JSON], quality / 1000)
    return _GRAPHQL_JSON if likes[_GRAPHQL_JSON] > likes[_JSON] else _JSON


def _accepted(accept: str | None) -> dict[str, float]:
    """How much the caller likes each media type that the header names, from 0 to 1."""
    accepted: dict[str, float] = {}
    for part in (accept or "*/*").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        accepted[media_type] = max(accepted.get(media_type, 0.0), quality)
    return accepted
