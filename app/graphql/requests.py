"""HTTP requests to GraphQL requests, and the media type that the caller likes best.

Source: GraphQL over HTTP, working draft. Only `application/json` bodies are taken: a form or plain
text could be posted from another site without a preflight.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from enum import Enum
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.domain.nesting import holds_more, nests_deeper
from app.graphql.limits import LimitExceeded, Limits

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"
EVENT_STREAM = "text/event-stream"

_WILDCARDS = {"*/*": 1, "application/*": 2}
_QUALITY = re.compile(r"(0(\.\d{0,3})?|1(\.0{0,3})?)\Z", re.ASCII)


class Refused(Exception):
    """The HTTP request holds no GraphQL request."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}


class OverLimit(Exception):
    """The HTTP request is over a limit, whatever it asks for."""

    def __init__(self, error: LimitExceeded) -> None:
        super().__init__(error.message)
        self.error = error


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """One operation to execute: its document, or how the document is named."""

    query: str | None
    document_id: str | None = None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    extensions: dict[str, Any] = field(default_factory=dict)


async def read_requests(request: Request, limits: Limits) -> GraphQLRequest | list[GraphQLRequest]:
    """What the HTTP request asks for: one operation, or a batch if batches are allowed.

    Raises:
        Refused: it is none, or not in a form that is taken.
        OverLimit: it is too large or nests too deeply.
    """
    if request.method in {"GET", "HEAD"}:
        parameters: dict[str, Any] = dict(request.query_params)
        for name in ("variables", "extensions"):
            if name in parameters:
                text = parameters[name].encode("utf-8", "surrogatepass")
                parameters[name] = _parse_json(text, f"The parameter {name}", limits)
        return _request_from(parameters, limits, len(request.url.query))
    if request.method != "POST":
        raise Refused(405, "Send GraphQL by GET or POST.", {"Allow": "GET, HEAD, POST"})
    content_type = Message()
    content_type["content-type"] = request.headers.get("content-type", "")
    if content_type.get_content_type() != JSON or "content-type" not in request.headers:
        raise Refused(415, f"The request body must be {JSON}.")
    charset = content_type.get_content_charset("utf-8")
    if charset not in {"utf-8", "utf8"}:
        raise Refused(415, "The request body must be in UTF-8.")
    try:
        body = await request.body()
    except HTTPException as error:
        raise Refused(error.status_code, error.detail) from None
    content = _parse_json(body, "The request body", limits)
    if isinstance(content, list):
        return _batch_from(content, limits, len(body))
    return _request_from(content, limits, len(body))


def read_payload(payload: object, limits: Limits) -> GraphQLRequest:
    """What a payload asks for that did not come as the body of an HTTP request.

    Raises:
        Refused: it is no request.
        OverLimit: it is too large or nests too deeply.
    """
    text = orjson.dumps(payload)
    return _request_from(_parse_json(text, "The payload", limits), limits, len(text))


def negotiate(accept: str | None) -> str:
    """The media type to answer in: the one that the caller likes better, JSON if in doubt.

    Raises:
        Refused: the caller takes neither.
    """
    likes = {JSON: (0, 0.0), GRAPHQL_JSON: (0, 0.0)}
    for media_type, quality in _ranges(accept):
        rank = _WILDCARDS.get(media_type, 3)
        for ours, (best_rank, _) in likes.items():
            # The range that says the most about a type counts for it.
            if (media_type == ours or rank < 3) and rank > best_rank:
                likes[ours] = (rank, quality)

    def liking(ours: str) -> tuple[float, int, bool]:
        rank, quality = likes[ours]
        # Among equals the newer type if it was named, else the one that every client knows.
        return quality, rank, (ours == GRAPHQL_JSON) == (rank == 3)

    best = max(likes, key=liking)
    if not likes[best][1]:
        raise Refused(406, f"The answer can be had as {GRAPHQL_JSON} or {JSON}.")
    return best


class Streaming(Enum):
    """Whether the caller takes an answer as a stream of events."""

    NEVER = 0
    IF_NEEDED = 1
    ONLY = 2


def streaming(accept: str | None) -> Streaming:
    """Whether to stream: who names event streams beside another type gets one where it must be."""
    taken = {media_type for media_type, quality in _ranges(accept) if quality}
    if EVENT_STREAM not in taken:
        return Streaming.NEVER
    others = taken & {JSON, GRAPHQL_JSON, *_WILDCARDS}
    return Streaming.IF_NEEDED if others else Streaming.ONLY


def _ranges(accept: str | None) -> Iterator[tuple[str, float]]:
    for part in (accept or "*/*").split(","):
        media_type, *parameters = (piece.strip().lower() for piece in part.split(";"))
        yield media_type, _quality(parameters)


def _quality(parameters: Sequence[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            # What is no quality says that the type is taken, and no more.
            return float(parameter[2:]) if _QUALITY.match(parameter[2:]) else 0.001
    return 1.0


def wants_page(request: Request) -> bool:
    """Whether a browser opens the address, rather than a client asking for data."""
    return (
        request.method in {"GET", "HEAD"}
        and not {"query", "documentId", "extensions"} & request.query_params.keys()
        and "text/html" in request.headers.get("accept", "")
    )


def _parse_json(text: bytes, what: str, limits: Limits) -> Any:
    if nests_deeper(text, limits.json_depth):
        raise OverLimit(
            LimitExceeded("json_depth", "a depth of JSON", limits.json_depth, subject="A request")
        )
    if holds_more(text, limits.json_values):
        raise OverLimit(
            LimitExceeded(
                "json_values", "a number of JSON values", limits.json_values, subject="A request"
            )
        )
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise Refused(400, f"{what} is not valid JSON.") from None


def _batch_from(content: list[Any], limits: Limits, size: int) -> list[GraphQLRequest]:
    if limits.batch == 1:
        raise Refused(400, "Batches are not accepted: send one operation in a request.")
    if not content:
        raise Refused(400, "A batch must have at least one operation.")
    if len(content) > limits.batch:
        raise OverLimit(
            LimitExceeded(
                "batch", "a number of operations", limits.batch, len(content), subject="A batch"
            )
        )
    return [_request_from(parameters, limits, size) for parameters in content]


def _request_from(parameters: Any, limits: Limits, size: int) -> GraphQLRequest:
    if not isinstance(parameters, dict):
        raise Refused(400, "The request body must be a JSON object.")
    query = parameters.get("query")
    document_id = parameters.get("documentId")
    extensions = parameters.get("extensions")
    if not isinstance(extensions, dict | None):
        raise Refused(400, "extensions must be an object.")
    extensions = extensions or {}
    if not isinstance(document_id, str | None) or document_id == "":
        raise Refused(400, "documentId must be a string.")
    if document_id is not None and query is not None:
        raise Refused(400, "Send query or documentId, not both.")
    named = document_id is not None or extensions.get("persistedQuery") is not None
    if (query is not None or not named) and (not isinstance(query, str) or not query):
        raise Refused(400, "query must be a string that holds a GraphQL document.")
    # Clients send null for what they leave out; an empty name means none.
    name = parameters.get("operationName")
    if not isinstance(name, str | None):
        raise Refused(400, "operationName must be a string.")
    variables = parameters.get("variables")
    if not isinstance(variables, dict | None):
        raise Refused(400, "variables must be an object.")
    _check_variables(variables, limits, size)
    return GraphQLRequest(query, document_id, name or None, variables or {}, extensions)


def _check_variables(variables: dict[str, Any] | None, limits: Limits, size: int) -> None:
    # They are no larger than what they came in.
    if not variables or size <= limits.variables_bytes:
        return
    found = len(orjson.dumps(variables))
    if found > limits.variables_bytes:
        raise OverLimit(
            LimitExceeded(
                "variables_bytes",
                "variables of a size in bytes",
                limits.variables_bytes,
                found,
                subject="A request",
            )
        )
