"""How failures look at this door: `userErrors` in payloads, coded errors, or a masked one.

What a caller can mend in a mutation's input is data of its payload. Rights, limits and a query's
bad arguments are GraphQL errors with `extensions.code`. Anything unexpected is logged with its
traceback under the request's id, and only that id is shown.
"""

from collections.abc import Sequence

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.utils.str_converters import to_camel_case

from app.domain.errors import (
    AppError,
    Contended,
    Forbidden,
    InvalidInput,
    Problem,
    ProblemCode,
    SlowConsumer,
    StreamEnded,
    Throttled,
    TimedOut,
    TooManyStreams,
    Unauthenticated,
    Unavailable,
    describe,
)
from app.graphql.pagination import encode_event_cursor
from app.graphql.publish import publish_enum

log = structlog.stdlib.get_logger()

publish_enum(
    ProblemCode,
    name="UserErrorCode",
    description="Why an input was refused.",
    values={
        "INVALID": "Malformed or not allowed.",
        "NOT_FOUND": "Nothing with that id that the caller may use.",
        "OUT_OF_RANGE": "Too few, too many, too short or too long.",
        "CONFLICT": "The order is past `expectedVersion`, or the value is already in use.",
        "IDEMPOTENCY_MISMATCH": "The idempotency key came with another input before.",
    },
)


@strawberry.type(
    description=(
        "An input the server refused."
        " Rights, rate and cost problems are top-level GraphQL errors instead."
    )
)
class UserError:
    """A problem in GraphQL's names."""

    code: ProblemCode = strawberry.field(description="Machine-readable reason.")
    field: list[str] = strawberry.field(
        description=(
            'Path to the input, list positions included: `["input", "items", "0", "quantity"]`.'
        )
    )
    message: str = strawberry.field(description="A sentence for a person.")


def user_errors(problems: Sequence[Problem]) -> list[UserError]:
    """Problems of a mutation's input, as its payload shows them."""
    return [
        UserError(
            code=problem.code,
            field=["input", *_camel(problem.path)],
            message=describe(problem, rename=to_camel_case),
        )
        for problem in problems
    ]


def presentable(error: GraphQLError) -> GraphQLError:
    """The error as the caller may see it, always with a code; what is unexpected is logged."""
    cause = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    extensions = dict(error.extensions or {})
    message = error.message
    if isinstance(cause, AppError):
        message, facts = _app_error(cause)
        extensions |= facts
    elif isinstance(cause, GraphQLError) or cause is None:
        extensions.setdefault("code", _code_without_cause(error))
    else:
        log.error("unexpected error", path=error.path, exc_info=cause)
        message = "Something went wrong on our side. The request id helps us find it."
        request_id = structlog.contextvars.get_contextvars().get("request_id")
        extensions = {"code": "INTERNAL_SERVER_ERROR", "requestId": request_id}
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )


def _app_error(error: AppError) -> tuple[str, dict[str, object]]:  # noqa: PLR0911 (one a kind)
    match error:
        case Unauthenticated():
            return str(error), {"code": "UNAUTHENTICATED"}
        case Forbidden(scope=scope):
            return str(error), {"code": "FORBIDDEN", "requiredScope": scope}
        case InvalidInput(problems=problems):
            return (
                " ".join(describe(problem, rename=to_camel_case) for problem in problems),
                {"code": "BAD_USER_INPUT", "field": _camel(problems[0].path)},
            )
        case Throttled(cost=cost, left=left, retry_after_s=retry_after_s):
            facts: dict[str, object] = {"requested": cost, "left": left}
            return str(error), {"code": "THROTTLED", "retryAfter": retry_after_s, "cost": facts}
        case TimedOut(limit_s=limit_s):
            return str(error), {"code": "TIMEOUT", "maximum": limit_s}
        case Contended(retry_after_s=retry_after_s):
            return str(error), {"code": "RETRY", "retryAfter": retry_after_s}
        case Unavailable():
            log.error("database unavailable", reason=error.reason)
            return str(error), {"code": "SERVICE_UNAVAILABLE"}
        case TooManyStreams():
            return str(error), {"code": "LIMIT_EXCEEDED"}
        case StreamEnded(resume_after=position):
            code = "SLOW_CONSUMER" if isinstance(error, SlowConsumer) else "SERVICE_UNAVAILABLE"
            return str(error), {"code": code, "resumeAfter": encode_event_cursor(position)}
    raise TypeError(f"no GraphQL form for {type(error).__name__}") from error


def _code_without_cause(error: GraphQLError) -> str:
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    # Before execution there is no path: what fails there are the variables. During execution the
    # library itself refuses arguments that don't fit, and that is the caller's doing too.
    return "BAD_USER_INPUT"


def _camel(path: Sequence[str | int]) -> list[str]:
    return [to_camel_case(step) if isinstance(step, str) else str(step) for step in path]
