"""Answering a compiled operation: its root fields one after the other, each by its statements."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from graphql import GraphQLError

from app.db.database import Database
from app.domain.principal import Principal
from app.graphql.compiler.arguments import Declined, Values
from app.graphql.compiler.compiling import CompiledRoot
from app.graphql.compiler.roots import Answer, Where, close


class Outcome(NamedTuple):
    """What became of an operation.

    `pieces` are the JSON of the answer's data; `outline` is the same as far as its price depends on
    it, see `roots.Answer`. Both are None when a field failed that can't be null.
    """

    pieces: Sequence[str] | None
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
    pieces = ["{"]
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
        pieces.append(f'"{key}":')
        pieces += answer.pieces
        pieces.append(",")
        outline[key] = answer.outline
        values += answer.values
    if values > where.most_values:
        raise Declined
    close(pieces)
    return Outcome(pieces, outline, errors)


def execute_at_once(
    roots: Sequence[CompiledRoot],
    variables: Values,
    caller: Principal | None,
    database: Database,
    most_values: int,
) -> tuple[Sequence[str], dict[str, Any]] | None:
    """Answer an operation without waiting for anything; None if that can't be.

    Nothing is changed then, and `execute` has the answer, or its errors.

    Returns:
        The pieces and the outline of an `Outcome`.

    Raises:
        Declined: it is not for the compiler.
    """
    if len(roots) == 1:
        ((key, _, _, root),) = roots
        answer = root.at_once(caller, variables, database)
        if answer is None:
            return None
        if answer.values > most_values:
            raise Declined
        return ('{"', key, '":', *answer.pieces, "}"), {key: answer.outline}
    pieces = ["{"]
    outline: dict[str, Any] = {}
    values = 0
    for key, _, _, root in roots:
        answer = root.at_once(caller, variables, database)
        if answer is None:
            return None
        pieces.append(f'"{key}":')
        pieces += answer.pieces
        pieces.append(",")
        outline[key] = answer.outline
        values += answer.values
    if values > most_values:
        raise Declined
    close(pieces)
    return pieces, outline


_NULL = Answer(("null",), 0, None)
