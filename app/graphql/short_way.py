"""The short way in, for what is asked again and again: a compiled operation, posted as plain JSON.

It is the long way without what such a request does not need. Whatever is not as plain as that, or
is to be refused, takes the long way, which begins anew with the same body: nothing has happened by
then that counts.
"""

from collections.abc import Coroutine, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.domain.errors import AppError, Throttled
from app.domain.nesting import is_within
from app.domain.principal import Principal
from app.graphql.endpoint import GraphQLEndpoint
from app.graphql.operations import Prepared, RequestError
from app.graphql.requests import JSON, Refused, Streaming, negotiate, streaming

_Given: TypeAlias = tuple[bytes, Sequence[tuple[bytes, bytes]]]
"""The body of an answer, and its headers but for its length."""

_CONTENT_TYPES = {b"application/json", b"application/json; charset=utf-8"}
_VARY = (b"vary", b"Accept")
_MEMBERS = {"query", "variables", "operationName"}


class ShortWay:
    """The ASGI application in front of the one that answers any request."""

    def __init__(self, endpoint: GraphQLEndpoint) -> None:
        self._endpoint = endpoint
        self._authenticator = endpoint.authenticator
        self._prepare = endpoint.operations.prepare
        self._compiled = endpoint.compiled
        self._limits = endpoint.limits
        self._budget = endpoint.budget if endpoint.budget.is_on else None
        self._takes_any = endpoint.persisted.takes_any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        media_type = None
        if scope["method"] == "POST":
            headers = dict(scope["headers"])
            # A header that is there twice is for the long way to make sense of.
            if len(headers) == len(scope["headers"]):
                media_type = _media_type(headers)
        if media_type is None:
            await self._endpoint(scope, receive, send)
            return
        try:
            body = await _body(receive)
        except HTTPException as error:
            await self._endpoint(scope, _raising(error), send)
            return
        if body is None:
            return
        content = await self._content(body, headers[b"authorization"])
        if content is None:
            await self._endpoint(scope, _again(body, receive), send)
            return
        start = [
            _VARY,
            (b"content-length", b"%d" % len(content)),
            (b"content-type", media_type),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": start})
        await send({"type": "http.response.body", "body": content})

    def at_once(
        self, headers: Mapping[bytes, bytes], body: bytes
    ) -> _Given | Coroutine[Any, Any, _Given | None] | None:
        """The answer to a POST and its headers, or a coroutine that waits for what it takes.

        Either may come to None, for what is to take the long way: then nothing has happened that
        counts.

        Args:
            headers: Those of the request, each of which was there once.
            body: Its body.
        """
        media_type = _media_type(headers)
        if media_type is None or (asked := self._asked(body)) is None:
            return None
        said = (_VARY, (b"content-type", media_type))
        authorization = headers[b"authorization"]
        caller = self._authenticator.at_once(authorization)
        if caller is not None:
            content = self._paid_at_once(*asked, caller)
            if content is not None:
                return content, said
        return self._given(asked, caller, authorization, said)

    async def _given(
        self,
        asked: tuple[Prepared, dict[str, Any]],
        caller: Principal | None,
        authorization: bytes,
        said: Sequence[tuple[bytes, bytes]],
    ) -> _Given | None:
        caller = caller or await self._caller(authorization)
        content = None if caller is None else await self._paid(*asked, caller)
        return None if content is None else (content, said)

    async def _content(self, body: bytes, authorization: bytes) -> bytes | None:
        """The answer, if the request is as plain as that."""
        asked = self._asked(body)
        if asked is None:
            return None
        caller = self._authenticator.at_once(authorization)
        caller = caller or await self._caller(authorization)
        if caller is None:
            return None
        content = self._paid_at_once(*asked, caller)
        # From here on nothing may begin anew but what was declined: it might be done twice.
        return content or await self._paid(*asked, caller)

    async def _caller(self, authorization: bytes) -> Principal | None:
        try:
            return await self._authenticator.authenticate(authorization.decode("latin-1"))
        except AppError:
            return None

    def _asked(self, body: bytes) -> tuple[Prepared, dict[str, Any]] | None:
        """The operation of a plain body, and its variables, if it is compiled."""
        plain = self._plain(body) if self._takes_any else None
        if plain is None:
            return None
        text, name, variables = plain
        try:
            prepared = self._prepare(text, name, variables)
        except RequestError:
            return None
        return None if prepared.compiled is None else (prepared, variables)

    def _paid_at_once(
        self, prepared: Prepared, variables: dict[str, Any], caller: Principal
    ) -> bytes | None:
        if prepared.compiled is None or prepared.compiled.changes:
            return None
        try:
            payer = self._charge(prepared, caller)
        except Throttled:
            return None
        content = self._compiled.at_once(prepared, variables, caller, payer)
        if content is None:
            self._give_back(prepared, payer)
        return content

    async def _paid(
        self, prepared: Prepared, variables: dict[str, Any], caller: Principal
    ) -> bytes | None:
        try:
            payer = self._charge(prepared, caller)
        except Throttled:
            return None
        answer = await self._compiled.answer(prepared, variables, caller, payer)
        if answer is not None:
            return orjson.dumps(answer)
        self._give_back(prepared, payer)
        return None

    def _charge(self, prepared: Prepared, caller: Principal) -> Principal | None:
        """Take the price from the caller's budget; None where there is none to take.

        Raises:
            Throttled: the budget does not hold as much.
        """
        budget, cost = self._budget, prepared.requested.cost
        if budget is None or not cost:
            return None
        budget.spend(caller, cost)
        return caller

    def _give_back(self, prepared: Prepared, payer: Principal | None) -> None:
        if self._budget is not None and payer is not None:
            self._budget.settle(payer, prepared.requested.cost)

    def _plain(self, body: bytes) -> tuple[str, str | None, dict[str, Any]] | None:
        """Document, name and variables of a body that has nothing else, and is within limits."""
        limits = self._limits
        if len(body) > limits.variables_bytes or not is_within(
            body, limits.json_depth, limits.json_values
        ):
            return None
        try:
            asked = orjson.loads(body)
        except orjson.JSONDecodeError:
            return None
        if type(asked) is not dict or not asked.keys() <= _MEMBERS:
            return None
        text, name, variables = asked.get("query"), asked.get("operationName"), {}
        if asked.get("variables") is not None:
            variables = asked["variables"]
        # What JSON makes has exactly these types.
        if type(text) is not str or not text or type(variables) is not dict:
            return None
        if name is not None and type(name) is not str:
            return None
        return text, name or None, variables


def _media_type(headers: Mapping[bytes, bytes]) -> bytes | None:
    """The media type to answer in; None where the long way must look."""
    if (
        b"authorization" not in headers
        or headers.get(b"content-type") not in _CONTENT_TYPES
        or b"idempotency-key" in headers
    ):
        return None
    return _negotiated(headers.get(b"accept"))


@lru_cache(maxsize=256)
def _negotiated(accept: bytes | None) -> bytes | None:
    """What to answer in; None where it is not to be had, or might be a stream."""
    if accept is None:
        return JSON.encode()
    text = accept.decode("latin-1")
    try:
        return None if streaming(text) is not Streaming.NEVER else negotiate(text).encode()
    except Refused:
        return None


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
