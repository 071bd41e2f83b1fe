"""Answering a compiled operation: its root fields one after the other, each by its statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from app.domain.principal import Principal
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.compiling import CompiledRoot
from app.graphql.compiler.roots import Answer, Where


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
    roots: Sequence[CompiledRoot], variables: Values, caller: Principal | None, where: Where
) -> Outcome:
    """Answer an operation.

    Args:
        roots: Its fields.
        variables: As resolvers get them.
        caller: Who asks, None without a key that we know.
        where: The database, and what the answer may take.

    Raises:
        Declined: it is not for the compiler, and nothing was changed.
    """
    parts: list[str] = []
    outline: dict[str, Any] = {}
    errors: list[GraphQLError] = []
    values = 0
    for key, nodes, is_nullable, root in roots:
        try:
            answer = await root.answer(caller, variables, where)
        except Declined:
            raise
        except Exception as error:  # noqa: BLE001 (as the library does, for whatever fails)
            errors.append(GraphQLError(str(error), list(nodes), path=[key], original_error=error))
            if not is_nullable:
                return Outcome(None, None, errors)
            answer = _NULL
        parts.append(f'"{key}":{answer.json}')
        outline[key] = answer.outline
        values += answer.values
    if values > where.most_values:
        raise Declined
    return Outcome(f"{{{','.join(parts)}}}", outline, errors)


_NULL = Answer("null", 0, None)
