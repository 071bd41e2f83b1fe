"""The short way in, for what is asked again and again: a compiled operation, posted as plain JSON.

It is the long way without what such a request does not need. Whatever is not as plain as that, or
is to be refused, takes the long way, which begins anew with the same body: nothing has happened by
then that counts.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.domain.errors import AppError, Throttled
from app.domain.nesting import holds_more, nests_deeper
from app.domain.principal import Principal
from app.graphql.endpoint import GraphQLEndpoint
from app.graphql.limits import Limits
from app.graphql.operations import Prepared, RequestError
from app.graphql.requests import JSON, Refused, Streaming, negotiate, streaming

_CONTENT_TYPES = {b"application/json", b"application/json; charset=utf-8"}
_MEMBERS = {"query", "variables", "operationName"}


@dataclass(frozen=True, slots=True)
class ShortWay:
    """The ASGI application in front of the one that answers any request."""

    endpoint: GraphQLEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        authorization = media_type = None
        if scope["method"] == "POST":
            authorization, media_type = _plain_headers(scope)
        if authorization is None or media_type is None:
            await self.endpoint(scope, receive, send)
            return
        try:
            body = await _body(receive)
        except HTTPException as error:
            await self.endpoint(scope, _raising(error), send)
            return
        if body is None:
            return
        answer = await self._answer(body, authorization)
        if answer is None:
            await self.endpoint(scope, _again(body, receive), send)
            return
        content = orjson.dumps(answer)
        headers = [
            (b"vary", b"Accept"),
            (b"content-length", b"%d" % len(content)),
            (b"content-type", media_type),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _answer(self, body: bytes, authorization: str) -> dict[str, Any] | None:
        """The answer, if the request is as plain as that."""
        asked = _plain_request(body, self.endpoint.limits)
        if asked is None or not self.endpoint.persisted.takes_any:
            return None
        text, name, variables = asked
        try:
            prepared = self.endpoint.operations.prepare(text, name, variables)
            if prepared.compiled is None:
                return None
            authenticator = self.endpoint.authenticator
            caller = authenticator.known(authorization)
            if caller is None:
                caller = await authenticator.authenticate(authorization)
        except (RequestError, AppError):
            return None
        # From here on nothing may begin anew but what was declined: it might be done twice.
        return await self._paid(prepared, variables, caller)

    async def _paid(
        self, prepared: Prepared, variables: dict[str, Any], caller: Principal
    ) -> dict[str, Any] | None:
        budget, cost = self.endpoint.budget, prepared.requested.cost
        payer = caller if cost and budget.is_on else None
        if payer is not None:
            try:
                budget.spend(payer, cost)
            except Throttled:
                return None
        answer = await self.endpoint.compiled.answer(prepared, variables, caller, payer)
        if answer is None and payer is not None:
            budget.settle(payer, cost)
        return answer


def _plain_headers(scope: Scope) -> tuple[str | None, bytes | None]:
    """The key, and the media type to answer in; None where the long way must look."""
    authorization = content_type = accept = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if authorization is not None:
                return None, None
            authorization = value
        elif name == b"content-type":
            content_type = value
        elif name == b"accept":
            if accept is not None:
                return None, None
            accept = value
        elif name == b"idempotency-key":
            return None, None
    if authorization is None or content_type not in _CONTENT_TYPES:
        return None, None
    return authorization.decode("latin-1"), _media_type(accept)


@lru_cache(maxsize=256)
def _media_type(accept: bytes | None) -> bytes | None:
    """What to answer in; None where it is not to be had, or might be a stream."""
    if accept is None:
        return JSON.encode()
    text = accept.decode("latin-1")
    try:
        return None if streaming(text) is not Streaming.NEVER else negotiate(text).encode()
    except Refused:
        return None


def _plain_request(body: bytes, limits: Limits) -> tuple[str, str | None, dict[str, Any]] | None:
    """Document, name and variables of a body that has nothing else, and is within all limits."""
    if (
        len(body) > limits.variables_bytes
        or nests_deeper(body, limits.json_depth)
        or holds_more(body, limits.json_values)
    ):
        return None
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if type(asked) is not dict or not asked.keys() <= _MEMBERS:
        return None
    text, name, variables = map(asked.get, ("query", "operationName", "variables"))
    if not isinstance(text, str) or not text or not isinstance(name, str | None):
        return None
    if variables is None:
        variables = {}
    return (text, name or None, variables) if isinstance(variables, dict) else None


async def _body(receive: Receive) -> bytes | None:
    """All of the body; None if the caller has gone."""
    message = await receive()
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return body
    parts = [body]
    while message.get("more_body", False):
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
    return b"".join(parts)


def _again(body: bytes, receive: Receive) -> Receive:
    """What gives the body that was read once more, and then goes on."""
    is_given = False

    async def again() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _raising(error: HTTPException) -> Receive:
    async def refuse() -> Message:
        raise error

    return refuse
