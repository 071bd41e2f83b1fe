"""Changes as steps: what the database is to be asked next, decided without knowing who asks it.

A use case is a generator. It yields a statement, is sent the statement's rows, and returns what it
came to. So its rules are written once, and whoever has a connection carries it out: SQLite's writer
without leaving the event loop, PostgreSQL's driver in few round trips, SQLAlchemy in between.
"""

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.prepared import Prepared

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]
"""What a driver makes of a row: its values, in the order of the statement's columns."""


class Statement(NamedTuple):
    """A statement with its values.

    With `rows` it is executed for each of them, and no row comes back. `only` names the engine that
    it is for; on another one it is passed over.
    """

    prepared: Prepared
    values: Mapping[str, Any] = {}
    rows: Sequence[Mapping[str, Any]] | None = None
    only: str = ""


class AtOnce(NamedTuple):
    """A statement that does what several others do, where a round trip costs more than they do.

    Either way the same rows come back. SQLite has no such statements, and Citus refuses them.
    """

    whole: Callable[[], Statement]
    parts: Callable[[], "Steps[Sequence[Row]]"]


Steps: TypeAlias = Generator[Statement | AtOnce, Sequence[Row], T]
"""A change, step by step, and what it returns."""


def unfolded(
    steps: Steps[T], engine: str, *, in_parts: bool
) -> Generator[Statement, Sequence[Row], T]:
    """The statements of a change for an engine, one by one.

    Args:
        steps: The change.
        engine: `sqlite` or `postgresql`.
        in_parts: Whether what could be done at once is done in parts.
    """
    rows: Sequence[Row]
    try:
        step = next(steps)
        while True:
            if isinstance(step, AtOnce):
                if in_parts:
                    rows = yield from unfolded(step.parts(), engine, in_parts=True)
                else:
                    rows = yield step.whole()
            elif not step.only or step.only == engine:
                rows = yield step
            else:
                rows = ()
            step = steps.send(rows)
    except StopIteration as end:
        result: T = end.value
        return result


async def carry_out(
    statements: Generator[Statement, Sequence[Row], T],
    execute: Callable[[Statement], Awaitable[Sequence[Row]]],
) -> T:
    """Execute the statements of a change, each when it is asked for, and return its result."""
    try:
        statement = next(statements)
        while True:
            statement = statements.send(await execute(statement))
    except StopIteration as end:
        result: T = end.value
        return result


async def drive(connection: AsyncConnection, steps: Steps[T]) -> T:
    """Carry a change out as a part of a transaction, after what else it does, and before more."""
    engine = connection.dialect.name

    async def execute(statement: Statement) -> Sequence[Row]:
        if statement.rows is not None:
            text, many = statement.prepared.bind_rows(engine, statement.rows)
            if many:
                await connection.exec_driver_sql(text, many)
            return ()
        text, parameters = statement.prepared.bind(engine, statement.values)
        result = await connection.exec_driver_sql(text, parameters)
        return result.all() if result.returns_rows else ()

    return await carry_out(unfolded(steps, engine, in_parts=True), execute)
