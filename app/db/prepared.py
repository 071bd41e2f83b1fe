"""Statements made once: their text for each engine, and how values become a driver's parameters.

What a request sends again and again goes straight to the driver: making a statement anew takes
longer than most of them run. They are still written in SQLAlchemy, once for both engines.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Dialect,
    Select,
    Table,
    bindparam,
    insert,
    tuple_,
)
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.visitors import replacement_traverse
from sqlalchemy.types import TypeEngine

from app.db.dialect import listed


class _LimitsHidden(SQLiteCompiler):
    def limit_clause(self, select: Any, **arguments: Any) -> str:
        # SQLite looks at the value of a limit that is a parameter, to plan by it, and from then on
        # makes the whole statement anew for each value: a tenth of the time of a page. At a sum
        # it does not look.
        if select._limit_clause is None or select._offset_clause is not None:
            return str(super().limit_clause(select, **arguments))  # type: ignore[no-untyped-call]
        return f"\n LIMIT {self.process(select._limit_clause, **arguments)} + 0"


class _SQLite(aiosqlite.dialect):
    statement_compiler = _LimitsHidden
    supports_statement_cache = True


_DIALECTS: Mapping[str, Callable[[], Dialect]] = {
    "sqlite": _SQLite,
    "postgresql": asyncpg.dialect,
}


class Bound(NamedTuple):
    """A statement as a driver takes it: its text, and its parameters' values in their order.

    `for_several` finds the rows of this one and of others like it, where that can be.
    """

    text: str
    parameters: tuple[Any, ...]
    for_several: "ForSeveral | None" = None


_Taking: TypeAlias = Callable[[Mapping[str, Any]], tuple[Any, ...]]


class _Form(NamedTuple):
    """A statement for one engine, and what makes its parameters of values by their names."""

    text: str
    names: Sequence[str]
    types: Sequence[TypeEngine[Any]]
    parameters: _Taking
    has_fixed: bool


class Prepared:
    """A statement that is sent often, with other values each time.

    Args:
        construct: The statement. Its parameters are `bindparam`s with names, and with the types of
            the columns they are compared with. One that is a list has as many elements as this one
            each time, called `name_1`, `name_2` and so on.
        for_several: Whether those who ask for its rows at the same time may have them by one
            statement. It is for what finds a row at the most, by columns that equal parameters.
    """

    def __init__(self, construct: ClauseElement, *, for_several: bool = False) -> None:
        self._construct = construct
        self._forms: dict[str, _Form] = {}
        self._for_several: ForSeveral | None = None
        if for_several:
            if not isinstance(construct, Select):
                raise TypeError("only a SELECT finds rows for several")
            self._for_several = ForSeveral(construct)

    def bind(self, engine: str, values: Mapping[str, Any]) -> Bound:
        """The statement for an engine, `sqlite` or `postgresql`, with values for its parameters.

        Raises:
            KeyError: a parameter has no value.
        """
        form = self._forms.get(engine) or self._form(engine)
        return Bound(form.text, form.parameters(values), self._for_several)

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


def given_columns(table: Table) -> list[Column[Any]]:
    """The columns that do not count by themselves."""
    return [column for column in table.columns if column is not table.autoincrement_column]


def parameters_of(table: Table) -> dict[str, BindParameter[Any]]:
    """A parameter for each of these columns, called as the column is."""
    return {
        column.name: bindparam(column.name, type_=column.type) for column in given_columns(table)
    }


def insertion_of(table: Table) -> Prepared:
    """Inserts a row, with a value for every column that does not count by itself."""
    return Prepared(insert(table).values(parameters_of(table)))


class ForSeveral:
    """A SELECT for several sets of another one's parameters, on PostgreSQL.

    Its rows have more at their end than that one's: the number of their set, counted from 1.

    Args:
        construct: The other one.
    """

    def __init__(self, construct: Select[*tuple[Any, ...]]) -> None:
        self._construct = construct

    def bind(self, several: Sequence[Bound]) -> Bound:
        """The statement for some that are like each other."""
        text, order = self._text_and_order
        lists = list(zip(*[one.parameters for one in several], strict=True))
        return Bound(text, tuple([lists[position] for position in order]))

    @cached_property
    def _text_and_order(self) -> tuple[str, Sequence[int]]:
        """Its text, and which parameter of the other one each of its lists is of."""
        dialect = _DIALECTS["postgresql"]()
        of_one = _form(self._construct, dialect)
        if of_one.has_fixed:
            raise TypeError("a parameter without a name can't be one of several")
        sets = listed(dict(zip(of_one.names, of_one.types, strict=True)), "{}").alias("sets")

        def as_column(element: Any, **_: Any) -> ColumnElement[Any] | None:
            if not isinstance(element, BindParameter):
                return None
            if element.expanding:
                there = f"{element.key}_"
                return tuple_(*[sets.c[name] for name in of_one.names if name.startswith(there)])
            return sets.c[element.key]

        chosen: Any = replacement_traverse(self._construct, {}, as_column)
        # The column brings them among what is read from. Said apart, a join would begin with them.
        form = _form(chosen.add_columns(sets.c.n), dialect)
        return form.text, [of_one.names.index(name) for name in form.names]


def _form(construct: ClauseElement, dialect: Dialect) -> _Form:
    compiled: Any = construct.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    named = {name: bind for bind, name in compiled.bind_names.items()}
    names: Sequence[str] = compiled.positiontup or ()
    types = []
    conversions = []
    fixed = {}
    for position, name in enumerate(names):
        # An element of a list is called as the list is, and a number.
        bind = named[name if name in named else name.rpartition("_")[0]]
        types.append(bind.type)
        if convert := bind.type.dialect_impl(dialect).bind_processor(dialect):
            conversions.append((position, convert))
        if bind.unique:
            fixed[name] = compiled.params[name]
    return _Form(compiled.string, names, types, _taking(names, conversions, fixed), bool(fixed))


def _taking(
    names: Sequence[str],
    conversions: Sequence[tuple[int, Callable[[Any], Any]]],
    fixed: Mapping[str, Any],
) -> _Taking:
    """What takes the values of some names, in their order, and converts some.

    Args:
        names: The names.
        conversions: What converts values, with their positions.
        fixed: Values that were written into the statement as it was made.
    """
    if len(names) > 1 and not fixed and not conversions:
        return itemgetter(*names)

    def parameters(values: Mapping[str, Any]) -> tuple[Any, ...]:
        if fixed:
            values = {**fixed, **values}
        converted = [values[name] for name in names]
        for position, convert in conversions:
            converted[position] = convert(converted[position])
        return tuple(converted)

    return parameters
