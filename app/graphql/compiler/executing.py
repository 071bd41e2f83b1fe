"""Answering a compiled operation: its root fields one after the other, each by its statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from app.db.database import Database
from app.db.deadline import Deadline
from app.domain.errors import AppError
from app.domain.principal import Principal
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.compiling import CompiledRoot
from app.graphql.compiler.roots import Answer, Reading

# A value takes at least so many bytes of an answer for each that it counts as: a product that is
# gone, `"p":null,`, counts as ten values of `cost.LOOKED_UP_VALUES`. Texts count once more.
_LEAST_BYTES = 0.8


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an operation.

    `json` is the answer's data; `outline` is the same as far as its price depends on it, see
    `roots.Answer`. Both are None when a field failed that can't be null.
    """

    json: str | None
    outline: dict[str, Any] | None
    errors: Sequence[GraphQLError] = ()


async def execute(
    roots: Sequence[CompiledRoot],
    variables: Values,
    caller: Principal | None,
    database: Database,
    until: Deadline,
    *,
    most_values: int,
) -> Outcome:
    """Answer an operation.

    Args:
        roots: Its fields.
        variables: As resolvers get them.
        caller: Who asks, None without a key that we know.
        database: Where to read.
        until: When to give up.
        most_values: How many values an answer may have. What may have more is declined.

    Raises:
        Declined: it is not for the compiler.
    """
    parts: list[str] = []
    outline: dict[str, Any] = {}
    errors: list[GraphQLError] = []
    values = length = 0
    for key, nodes, is_nullable, root in roots:
        try:
            answer = await _read(root.read(caller, variables), database, until)
        except AppError as error:
            errors.append(GraphQLError(str(error), list(nodes), path=[key], original_error=error))
            if not is_nullable:
                return Outcome(None, None, errors)
            answer = _NULL
        json = answer.json
        parts.append(f'"{key}":{json}')
        outline[key] = answer.outline
        values += answer.values
        length += len(json)
    if length > most_values * _LEAST_BYTES and values > most_values:
        raise Declined
    return Outcome(f"{{{','.join(parts)}}}", outline, errors)


async def _read(reading: Reading, database: Database, until: Deadline) -> Answer:
    try:
        reads = next(reading)
        while True:
            rows = await database.fetch(reads.statements, until, short=reads.short)
            reads = reading.send(rows)
    except StopIteration as done:
        answer: Answer = done.value
        return answer


_NULL = Answer("null", 0, None)
