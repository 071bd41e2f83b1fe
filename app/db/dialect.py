"""What each engine spells in its own way; statements elsewhere are the same for all of them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    SQLColumnExpression,
    TableValuedAlias,
    Text,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import NullType, TypeEngine
from sqlmodel import SQLModel

from app.db.types import TextList


def upsert(table: type[SQLModel]) -> Insert:
    """An INSERT that can say what to do on a conflict.

    It is PostgreSQL's, of which SQLite has taken the clause over; SQLAlchemy writes it for both.
    """
    return insert(table)


def listed(types: Mapping[str, TypeEngine[Any]], parameter: str) -> TableValuedAlias:
    """Lists of values as rows, on PostgreSQL, which are counted in the column `n` from 1.

    The planner is not to see how long they are: it would take each length for a reason to plan the
    statement anew, which takes several times as long as to run it.

    Args:
        types: The columns, and what the list of each consists of.
        parameter: How the parameters are called, `{}` being the column; each is a list.
    """
    lists = [
        select(bindparam(parameter.format(column), type_=ARRAY(type_))).scalar_subquery()
        for column, type_ in types.items()
    ]
    return func.unnest(*lists).table_valued(*types, with_ordinality="n").render_derived()


class json_rows(FunctionElement[str]):  # noqa: N801 (used as a function)
    """An aggregate: the rows as a JSON array of arrays, in no promised order; `[]` for none."""

    inherit_cache = True
    type = Text()

    def __init__(self, *columns: Any) -> None:
        super().__init__(*columns)


@compiles(json_rows)
def _json_rows(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    # As text: the driver would read JSON itself, and make floats of numbers.
    columns = compiler.process(element.clauses, **options)
    return f"coalesce(json_agg(json_build_array({columns}))::text, '[]')"


@compiles(json_rows, "sqlite")
def _json_rows_of_sqlite(element: json_rows, compiler: SQLCompiler, **options: Any) -> str:
    columns = compiler.process(element.clauses, **options)
    return f"json_group_array(json_array({columns}))"


class is_one_of(FunctionElement[Any]):  # noqa: N801 (used as a function)
    """The condition that a column's text is in a list, which is one parameter of that name.

    So the statement is the same for a list of any length.
    """

    inherit_cache = True
    # Of a Boolean, SQLAlchemy asks whether it is 1 where there is no such type: that uses no index.
    type = NullType()

    def __init__(self, column: SQLColumnExpression[Any], name: str) -> None:
        super().__init__(column, bindparam(name, type_=TextList()))


@compiles(is_one_of)
def _is_one_of(element: is_one_of, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = ANY ({texts})"


@compiles(is_one_of, "sqlite")
def _is_one_of_json(element: is_one_of, compiler: SQLCompiler, **options: Any) -> str:
    column, texts = (compiler.process(one, **options) for one in element.clauses)
    values = "SELECT value FROM json_each"
    return f"{column} IN ({values}({texts}))"


class ends_key(FunctionElement[Any]):  # noqa: N801 (used as a function)
    """The condition that a column equals a value, where the columns before it in a key are given.

    SQLite would look up a column that is unique by itself in an index of its own, and then by what
    it found there in the key: twice the pages, and in a large table each is a miss.
    """

    inherit_cache = True
    type = NullType()

    def __init__(self, column: SQLColumnExpression[Any], value: BindParameter[Any]) -> None:
        super().__init__(column, value)


@compiles(ends_key)
def _equals(element: ends_key, compiler: SQLCompiler, **options: Any) -> str:
    column, value = (compiler.process(one, **options) for one in element.clauses)
    return f"{column} = {value}"


@compiles(ends_key, "sqlite")
def _is_between(element: ends_key, compiler: SQLCompiler, **options: Any) -> str:
    column, value = element.clauses
    # Each time anew: on SQLite, parameters are told apart by their places.
    least, most = (compiler.process(value, **options) for _ in range(2))
    return f"{compiler.process(column, **options)} BETWEEN {least} AND {most}"


class tested_only(FunctionElement[Any]):  # noqa: N801 (used as a function)
    """A column that rows are tested by and not looked up by, though there is an index on it.

    SQLite chooses between indexes by rules of thumb, which know nothing of LIMIT or of how common
    a value is; other engines keep statistics and need no advice.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(tested_only)
def _as_it_is(element: tested_only, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(tested_only, "sqlite")
def _without_index(element: tested_only, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"
