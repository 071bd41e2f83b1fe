"""GraphQL over WebSocket: any operation, and many at a time, on one connection.

Source: GraphQL over WebSocket Protocol, subprotocol `graphql-transport-ws`. Strawberry's handler
speaks it; here are the door's own parts: the key, the limits, the shape of messages, the end.
"""

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import ExitStack, aclosing, suppress
from datetime import timedelta
from typing import Any, cast

import orjson
import structlog
from graphql import GraphQLError
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.async_base_view import AsyncWebSocketAdapter
from strawberry.http.exceptions import (
    NonJsonMessageReceived,
    NonTextMessageReceived,
    WebSocketDisconnected,
)
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    Message,
    SubscribeMessage,
)
from strawberry.types.unset import UnsetType

from app.domain.errors import AppError, Unauthenticated, Unavailable
from app.graphql.endpoint import GraphQLEndpoint
from app.graphql.errors import presentable
from app.graphql.operations import RequestError
from app.services.auth import Authenticator
from app.services.event_feed import EventFeed

log = structlog.stdlib.get_logger()

_WRITE_TIMEOUT_S = 30
_LAST_WORDS_S = 0.3  # within the two seconds in which a revoked key must stop
_MAX_REASON_BYTES = 123
_MAX_ID_LENGTH = 256

_SERVICE_RESTART = 1012
_TRY_AGAIN_LATER = 1013
_FORBIDDEN = 4403
_SUBPROTOCOL_NOT_ACCEPTABLE = 4406


class WebSockets:
    """The ASGI application behind WebSockets to `/graphql`.

    Args:
        endpoint: Executes operations.
        feed: Tells when the server stops.
        authenticator: Knows the keys.
        max_connections: How many connections there may be.
        max_operations: How many operations a connection may have at a time.
        init_timeout_s: How long a connection may take to send its key.
    """

    def __init__(
        self,
        endpoint: GraphQLEndpoint,
        feed: EventFeed,
        authenticator: Authenticator,
        *,
        max_connections: int,
        max_operations: int,
        init_timeout_s: float = 10,
    ) -> None:
        self._endpoint = endpoint
        self._feed = feed
        self._authenticator = authenticator
        self._max_operations = max_operations
        self._init_timeout = timedelta(seconds=init_timeout_s)
        self._max_connections = max_connections
        self._open = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection until either side closes it."""
        socket = WebSocket(scope, receive, send)
        if GRAPHQL_TRANSPORT_WS_PROTOCOL not in scope["subprotocols"]:
            await socket.accept()
            await socket.close(
                _SUBPROTOCOL_NOT_ACCEPTABLE,
                f"Subprotocol not acceptable: use {GRAPHQL_TRANSPORT_WS_PROTOCOL}",
            )
            return
        await socket.accept(GRAPHQL_TRANSPORT_WS_PROTOCOL)
        if self._open == self._max_connections:
            await socket.close(_TRY_AGAIN_LATER, "Too many connections")
            return
        self._open += 1
        try:
            await self._serve(socket)
        finally:
            self._open -= 1

    async def _serve(self, socket: WebSocket) -> None:
        adapter = _Socket(socket)
        connection = _Connection(
            adapter,
            self._endpoint,
            self._feed,
            self._authenticator,
            authorization=socket.headers.get("authorization"),
            max_operations=self._max_operations,
            init_timeout=self._init_timeout,
        )
        try:
            with suppress(WebSocketDisconnected, WebSocketDisconnect):
                await connection.handle()
        except asyncio.CancelledError:
            if not adapter.is_stuck:
                raise
            # Returning ends the connection, which is what the cancelling was for.
            adapter.serving.uncancel()
            log.info("a WebSocket was cut: its reader took nothing", seconds=_WRITE_TIMEOUT_S)


class _Socket(AsyncWebSocketAdapter):
    """The connection as Strawberry's handler wants it; made by the task that serves it."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self.serving = cast("asyncio.Task[None]", asyncio.current_task())
        self.is_stuck = False

    async def iter_json(
        self, *, ignore_parsing_errors: bool = False
    ) -> AsyncGenerator[object, None]:
        """The messages that come in."""
        del ignore_parsing_errors
        while self._socket.application_state is not WebSocketState.DISCONNECTED:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") is None:
                raise NonTextMessageReceived
            try:
                value = orjson.loads(message["text"])
            except orjson.JSONDecodeError as error:
                raise NonJsonMessageReceived from error
            yield value

    async def send_json(self, message: Mapping[str, object]) -> None:
        """Send a message."""
        await self._write(self._socket.send_text(orjson.dumps(message).decode()))

    async def close(self, code: int, reason: str) -> None:
        """Close the connection, if it is not closed yet."""
        if self._socket.application_state is WebSocketState.CONNECTED:
            # A longer reason does not fit into the frame; it may quote what was received.
            reason = reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
            with suppress(WebSocketDisconnected):
                await self._write(self._socket.close(code, reason))

    async def _write(self, writing: Coroutine[Any, Any, None]) -> None:
        try:
            async with asyncio.timeout(_WRITE_TIMEOUT_S):
                await writing
        except TimeoutError as error:
            # Who has read nothing for so long is not kept waiting for.
            if asyncio.current_task() is not self.serving:
                self.is_stuck = True
                self.serving.cancel()
            raise WebSocketDisconnected from error
        except (WebSocketDisconnect, RuntimeError) as error:
            # RuntimeError is Starlette's word for writing after the close.
            raise WebSocketDisconnected from error


class _Connection(BaseGraphQLTransportWSHandler[Any, None]):
    """One connection, from its first message to its last."""

    def __init__(
        self,
        socket: _Socket,
        endpoint: GraphQLEndpoint,
        feed: EventFeed,
        authenticator: Authenticator,
        *,
        authorization: str | None,
        max_operations: int,
        init_timeout: timedelta,
    ) -> None:
        super().__init__(
            view=cast("Any", self),  # all it is asked for is on_ws_connect
            websocket=socket,
            context={},
            root_value=None,
            schema=cast("Any", None),  # operations are executed by the endpoint
            connection_init_wait_timeout=init_timeout,
        )
        self._endpoint = endpoint
        self._feed = feed
        self._authenticator = authenticator
        self._authorization = authorization
        self._max_operations = max_operations
        self._closing: asyncio.Task[None] | None = None
        self._watching = ExitStack()

    async def handle(self) -> None:
        """Serve the connection until it is closed."""
        with self._watching:
            await super().handle()

    async def on_ws_connect(self, context: dict[str, Any]) -> UnsetType:
        """Accept the key of the first message, or of the header when there is none in it.

        Raises:
            ConnectionRejectionError: there is no key that we know.
        """
        parameters = context["connection_params"]
        for name in ("Authorization", "authorization"):
            if isinstance(parameters.get(name), str):
                self._authorization = parameters[name]
        try:
            principal = await self._authenticator.authenticate(self._authorization)
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        except Unavailable as error:
            await self.websocket.close(_TRY_AGAIN_LATER, str(error))
            raise WebSocketDisconnected from error
        self._watching.enter_context(self._feed.key_watch.watching(principal, self._key_ended))
        return UnsetType()

    async def handle_message(self, message: Message) -> None:
        """Act on a message, if it is one."""
        wrong = _what_is_wrong(message)
        if wrong is not None:
            await self.handle_invalid_message(wrong)
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless there are too many."""
        if self.connection_acknowledged and len(self.operations) >= self._max_operations:
            error = GraphQLError(
                f"A connection may have at most {self._max_operations} operations at a time.",
                extensions={"code": "LIMIT_EXCEEDED"},
            )
            await self.send_message(
                {"id": message["id"], "type": "error", "payload": [error.formatted]}
            )
        else:
            await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Any, None]) -> None:
        """Send the answers to an operation as they come, then that it is complete."""
        payload = {
            "query": operation.query,
            "variables": operation.variables,
            "operationName": operation.operation_name,
        }
        try:
            async with aclosing(self._endpoint.answers(payload, self._authorization)) as answers:
                async for answer in answers:
                    await operation.send_operation_message(
                        {"id": operation.id, "type": "next", "payload": cast("Any", answer)}
                    )
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except RequestError as refused:
            if self._feed.stopping.is_set():
                # Clients come back after this; an error they would take for final.
                await self.websocket.close(_SERVICE_RESTART, "Service restart")
            else:
                await operation.send_initial_errors(
                    [presentable(error) for error in refused.errors]
                )
        except WebSocketDisconnected:
            pass  # the loop that receives messages ends too
        except Exception as error:  # noqa: BLE001 (nobody else would tell the caller)
            hidden = presentable(GraphQLError("", original_error=error))
            await operation.send_initial_errors([hidden])

    def _key_ended(self, error: AppError) -> None:
        self._closing = asyncio.create_task(self._close_when_all_is_said(str(error)))

    async def _close_when_all_is_said(self, reason: str) -> None:
        tasks = [operation.task for operation in self.operations.values() if operation.task]
        if tasks:
            await asyncio.wait(tasks, timeout=_LAST_WORDS_S)
        await self.websocket.close(_FORBIDDEN, f"Forbidden: {reason}")


def _what_is_wrong(message: object) -> str | None:
    """Why something that was received is no message of the protocol, or None."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be an object with a type."
    if message["type"] in {"subscribe", "complete"}:
        id_ = message.get("id")
        if not isinstance(id_, str) or not 1 <= len(id_) <= _MAX_ID_LENGTH:
            return f"id must be a string of 1 to {_MAX_ID_LENGTH} characters."
    if message["type"] == "subscribe":
        payload = message.get("payload")
        if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
            return "payload must be an object with a query."
    return None
