"""GraphQL over HTTP: from a request to its answer with the right status and type.

Sources: GraphQL over HTTP, working draft; GraphQL over Server-Sent Events Protocol.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

import orjson
from graphql import GraphQLError, OperationType
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.types import ExecutionResult

from app.db.database import Database
from app.domain.errors import AppError, Throttled
from app.domain.principal import Principal
from app.graphql.answer_size import AnswerSize, Turns
from app.graphql.compiled import CompiledAnswers, cost_of
from app.graphql.context import Context, TimedDatabase
from app.graphql.errors import presentable
from app.graphql.event_stream import EventStream
from app.graphql.limits import Limits
from app.graphql.operations import MAX_ERRORS, Operations, Prepared, RequestError
from app.graphql.persisted import Named, PersistedOperations
from app.graphql.requests import (
    GRAPHQL_JSON,
    JSON,
    GraphQLRequest,
    OverLimit,
    Refused,
    Streaming,
    negotiate,
    read_payload,
    read_requests,
    streaming,
    wants_page,
)
from app.graphql.schema import Schema
from app.services.auth import Authenticator
from app.services.cost_budget import CostBudget
from app.services.event_feed import EventFeed
from app.telemetry import OPERATIONS

Page: TypeAlias = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Caller:
    """What the headers of a request say beside what it asks for."""

    authorization: str | None
    idempotency_header: Sequence[str] = ()

    @classmethod
    def of(cls, request: Request) -> Self:
        return cls(request.headers.get("authorization"), request.headers.getlist("idempotency-key"))


@dataclass(frozen=True, slots=True)
class _Operation:
    """An operation that is ready to be executed."""

    asked: GraphQLRequest
    named: Named
    prepared: Prepared
    context: Context

    @property
    def kind(self) -> OperationType:
        return self.prepared.operation.operation


@dataclass(frozen=True, slots=True)
class GraphQLEndpoint:
    """The ASGI application behind `/graphql`.

    `timeout_s` bounds the execution of one operation, or of one event of a subscription;
    `playground` answers with the page for browsers; it is None for no page.
    """

    schema: Schema
    operations: Operations
    persisted: PersistedOperations
    limits: Limits
    timeout_s: float
    database: Database
    authenticator: Authenticator
    budget: CostBudget
    compiled: CompiledAnswers
    playground: Page | None
    feed: EventFeed
    ping_interval_s: float
    _running: set[asyncio.Task[dict[str, Any]]] = field(default_factory=set)
    _turns: Turns = field(default_factory=Turns)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        response = await self._respond(request)
        await response(scope, receive, send)

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
            asked = read_payload(payload, self.limits)
        except Refused as refused:
            error = GraphQLError(str(refused), extensions={"code": "BAD_REQUEST"})
            raise RequestError([error]) from None
        except OverLimit as over:
            raise RequestError([over.error]) from None
        async with aclosing(self._answers(asked, _Caller(authorization))) as answers:
            async for answer in answers:
                yield answer

    async def finish(self) -> None:
        """Wait for what runs although its caller is gone."""
        if self._running:
            await asyncio.wait(self._running)

    async def _respond(self, request: Request) -> Response:
        if self.playground is not None and wants_page(request):
            page = await self.playground(request)
            page.headers.add_vary_header("Accept")
            return page
        accept = request.headers.get("accept")
        takes_stream = streaming(accept)
        try:
            media_type = JSON if takes_stream is Streaming.ONLY else negotiate(accept)
        except Refused as refused:
            return _refusal(refused, JSON)
        return await self._respond_in(media_type, takes_stream, request)

    async def _respond_in(
        self, media_type: str, takes_stream: Streaming, request: Request
    ) -> Response:
        try:
            asked = await read_requests(request, self.limits)
            if isinstance(asked, list):
                return _response(await self._batch(request, asked, takes_stream), media_type)
            if await self._is_streamed(request, asked, takes_stream):
                answers = self._answers(asked, _Caller.of(request))
                return EventStream(answers, self.ping_interval_s)
            return _response(await self._answer(request, asked), media_type)
        except Refused as refused:
            return _refusal(refused, media_type)
        except OverLimit as over:
            return _response(_body([over.error]), media_type, 400)
        except RequestError as refused:
            # By the draft, only the newer media type has a status for these.
            status = refused.status or (400 if media_type == GRAPHQL_JSON else 200)
            return _response(_body(refused.errors), media_type, status, refused.headers)

    async def _batch(
        self, request: Request, asked: Sequence[GraphQLRequest], takes_stream: Streaming
    ) -> list[dict[str, Any]]:
        if takes_stream is Streaming.ONLY:
            raise Refused(406, "A batch can't be answered as a stream.")
        return [await self._answer_of_many(request, one) for one in asked]

    async def _answer_of_many(self, request: Request, asked: GraphQLRequest) -> dict[str, Any]:
        """An answer in a batch, where one that fails leaves the others alone."""
        try:
            return await self._answer(request, asked)
        except RequestError as refused:
            return _body(refused.errors)

    async def _answer(self, request: Request, asked: GraphQLRequest) -> dict[str, Any]:
        operation = await self._ready(asked, _Caller.of(request))
        if operation.kind is OperationType.SUBSCRIPTION:
            raise Refused(
                406,
                "A subscription needs Accept: text/event-stream, or a WebSocket with the"
                " subprotocol graphql-transport-ws.",
            )
        if request.method != "POST" and operation.kind is not OperationType.QUERY:
            raise Refused(405, "Only queries can be sent by GET.", {"Allow": "POST"})
        return await self._execute(operation)

    async def _is_streamed(
        self, request: Request, asked: GraphQLRequest, takes_stream: Streaming
    ) -> bool:
        """Whether the answer is a stream: it is needed, or the caller takes no other.

        Raises:
            Refused: a mutation was sent by GET.
        """
        if takes_stream is Streaming.NEVER:
            return False
        only = takes_stream is Streaming.ONLY
        try:
            kind = (await self._ready(asked, _Caller(None))).kind
        except RequestError:
            return only
        if request.method != "POST" and kind is OperationType.MUTATION:
            raise Refused(405, "Mutations can't be sent by GET.", {"Allow": "POST"})
        return only or kind is OperationType.SUBSCRIPTION

    async def _answers(
        self, asked: GraphQLRequest, caller: _Caller
    ) -> AsyncGenerator[dict[str, Any]]:
        operation = await self._ready(asked, caller)
        if operation.kind is not OperationType.SUBSCRIPTION:
            # As over plain HTTP, what was begun is finished, though the caller may be gone.
            running = asyncio.create_task(self._execute(operation))
            self._running.add(running)
            running.add_done_callback(self._finished)
            yield await asyncio.shield(running)
            return
        await self._charge(operation)
        await self._remember(operation)
        results = await self.schema.stream(
            operation.named.text,
            variable_values=asked.variables,
            context_value=operation.context,
            operation_name=asked.operation_name,
        )
        async with aclosing(results):
            async for result in results:
                if not isinstance(result, ExecutionResult):
                    raise TypeError("the schema has no directives that split a result")
                yield _answer(result)

    def _finished(self, running: asyncio.Task[dict[str, Any]]) -> None:
        self._running.discard(running)
        # Looked at here, or it would be reported as overlooked when the caller is gone.
        if not running.cancelled():
            running.exception()

    async def _ready(self, asked: GraphQLRequest, caller: _Caller) -> _Operation:
        named = await self.persisted.document(asked)
        prepared = self.operations.prepare(named.text, asked.operation_name, asked.variables)
        context = Context(
            prepared.document,
            TimedDatabase(self.database, self.timeout_s),
            AnswerSize(self.limits, self._turns),
            self.authenticator,
            caller.authorization,
            self.feed,
            caller.idempotency_header,
        )
        return _Operation(asked, named, prepared, context)

    async def _execute(self, operation: _Operation) -> dict[str, Any]:
        asked, prepared = operation.asked, operation.prepared
        payer = await self._charge(operation)
        await self._remember(operation)
        # What the header Idempotency-Key means is for the resolvers to say.
        if prepared.compiled is not None and not operation.context.idempotency_header:
            caller = await _caller(operation.context)
            compiled = await self.compiled.answer(prepared, asked.variables, caller, payer)
            if compiled is not None:
                return compiled
            OPERATIONS.declined += 1
        else:
            OPERATIONS.plain += 1
        result = await self.schema.execute(
            operation.named.text,
            variable_values=asked.variables,
            context_value=operation.context,
            operation_name=asked.operation_name,
        )
        try:
            answer = _answer(result)
        except RequestError:
            if payer is not None:
                self.budget.settle(payer, prepared.requested.cost)
            raise
        if payer is not None:
            actual = prepared.plan.actual(asked.variables, result.data)
            if operation.context.size.is_exceeded:
                # What there is of it is not shown, but was worked for.
                actual = max(actual, prepared.requested.cost)
            standing = self.budget.settle(payer, prepared.requested.cost - actual)
            answer["extensions"] = {"cost": cost_of(prepared.requested.cost, actual, standing)}
        return answer

    async def _charge(self, operation: _Operation) -> Principal | None:
        """Take the operation's price from the caller's budget; None when there is none to take.

        Raises:
            RequestError: 429, the budget does not hold as much.
        """
        cost = operation.prepared.requested.cost
        if not cost or not self.budget.is_on:
            return None
        caller = await _caller(operation.context)
        if caller is None:
            return None  # what needs a key will say so
        try:
            self.budget.spend(caller, cost)
        except Throttled as throttled:
            error = GraphQLError(str(throttled), original_error=throttled)
            headers = {"Retry-After": str(throttled.retry_after_s)}
            raise RequestError([error], 429, headers) from None
        return caller

    async def _remember(self, operation: _Operation) -> None:
        new = operation.named.new_sha256 is not None
        if new and await _caller(operation.context) is not None:
            await self.persisted.remember(operation.named)


async def _caller(context: Context) -> Principal | None:
    try:
        return await context.principal()
    except AppError:
        return None


def _answer(result: ExecutionResult) -> dict[str, Any]:
    """The answer that a result is.

    Raises:
        RequestError: the variables did not fit; nothing was executed.
    """
    errors = [presentable(error) for error in result.errors or ()]
    if result.data is None and errors and all(error.path is None for error in errors):
        raise RequestError(errors[:MAX_ERRORS])
    answer: dict[str, Any] = {"data": result.data}
    if errors:
        answer["errors"] = [error.formatted for error in errors]
    return answer


def _refusal(refused: Refused, media_type: str) -> Response:
    error = GraphQLError(str(refused), extensions={"code": "BAD_REQUEST"})
    return _response(_body([error]), media_type, refused.status, refused.headers)


def _body(errors: Sequence[GraphQLError]) -> dict[str, Any]:
    return {"errors": [presentable(error).formatted for error in errors]}


def _response(
    content: object,
    media_type: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    return Response(
        orjson.dumps(content), status, {"Vary": "Accept", **(headers or {})}, media_type
    )
