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


class Shared(NamedTuple):
    """A statement that a change may have in common with others that are made at the same time.

    A round trip costs about the same for twenty changes as for one. Where changes are not put
    together, each does what `alone` says, and is sent the same rows.

    Args:
        several: Makes the statement for some changes of their parts. What its rows have more than
            those of `alone`, at their end, is the number of the change that they are for, counted
            from 0. Steps with the same function go together.
        part: What it needs to know of this change.
        alone: Does the same for this change only.
        of: Whom the change is about: those about the same one are not at work at the same time,
            but together.
        size: How many rows it reads or writes.
        ends: Whether it is the last step of the change, and the only one that writes. Then it is a
            transaction by itself. If there are no rows for a change, it has done nothing for that
            one, which is then made alone, from its beginning.
    """

    several: Callable[[Sequence[Any]], Statement]
    part: Any
    alone: Callable[[], "Steps[Sequence[Row]]"]
    of: str
    size: int
    ends: bool = False


Steps: TypeAlias = Generator[Statement | AtOnce | Shared, Sequence[Row], T]
"""A change, step by step, and what it returns."""


def unfolded(
    steps: Steps[T], engine: str, *, in_parts: bool
) -> Generator[Statement, Sequence[Row], T]:
    """The statements of a change for an engine, one by one; it shares none with others.

    Args:
        steps: The change.
        engine: `sqlite` or `postgresql`.
        in_parts: Whether what could be done at once is done in parts.
    """
    rows: Sequence[Row]
    try:
        step = next(steps)
        while True:
            if isinstance(step, Shared):
                rows = yield from unfolded(step.alone(), engine, in_parts=in_parts)
            elif isinstance(step, AtOnce):
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
        text, parameters, _ = statement.prepared.bind(engine, statement.values)
        result = await connection.exec_driver_sql(text, parameters)
        return result.all() if result.returns_rows else ()

    return await carry_out(unfolded(steps, engine, in_parts=True), execute)
