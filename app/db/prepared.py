"""Statements made once: their text for each engine, and how values become a driver's parameters.

What a request sends again and again goes straight to the driver: making a statement anew takes
longer than most of them run. They are still written in SQLAlchemy, once for both engines.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Dialect
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.sql import ClauseElement

_DIALECTS: Mapping[str, Callable[[], Dialect]] = {
    "sqlite": aiosqlite.dialect,
    "postgresql": asyncpg.dialect,
}


class Bound(NamedTuple):
    """A statement as a driver takes it: its text, and its parameters' values in their order."""

    text: str
    parameters: tuple[Any, ...]


class _Form(NamedTuple):
    """A statement for one engine: `binds` are each parameter's name and what converts its value.

    Values that were written into the statement as it was made are in `fixed`.
    """

    text: str
    binds: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    fixed: Mapping[str, Any]

    def parameters(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.fixed:
            values = {**self.fixed, **values}
        return tuple(
            [
                values[name] if convert is None else convert(values[name])
                for name, convert in self.binds
            ]
        )


class Prepared:
    """A statement that is sent often, with other values each time.

    Args:
        construct: The statement. Its parameters are `bindparam`s with names, and with the types of
            the columns they are compared with. One that is a list has as many elements as this one
            each time, called `name_1`, `name_2` and so on.
    """

    def __init__(self, construct: ClauseElement) -> None:
        self._construct = construct
        self._forms: dict[str, _Form] = {}

    def bind(self, engine: str, values: Mapping[str, Any]) -> Bound:
        """The statement for an engine, `sqlite` or `postgresql`, with values for its parameters.

        Raises:
            KeyError: a parameter has no value.
        """
        form = self._form(engine)
        return Bound(form.text, form.parameters(values))

    def bind_rows(
        self, engine: str, rows: Sequence[Mapping[str, Any]]
    ) -> tuple[str, list[tuple[Any, ...]]]:
        """The statement for an engine, to be executed for each of several rows of values.

        Raises:
            KeyError: a parameter has no value in a row.
        """
        form = self._form(engine)
        return form.text, [form.parameters(row) for row in rows]

    def _form(self, engine: str) -> _Form:
        form = self._forms.get(engine)
        if form is None:
            form = self._forms[engine] = _form(self._construct, _DIALECTS[engine]())
        return form


def _form(construct: ClauseElement, dialect: Dialect) -> _Form:
    compiled: Any = construct.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    named = {name: bind for bind, name in compiled.bind_names.items()}
    binds = []
    fixed = {}
    for name in compiled.positiontup or ():
        # An element of a list is called as the list is, and a number.
        bind = named[name if name in named else name.rpartition("_")[0]]
        binds.append((name, bind.type.dialect_impl(dialect).bind_processor(dialect)))
        if bind.unique:
            fixed[name] = compiled.params[name]
    return _Form(compiled.string, tuple(binds), fixed)
