"""What each engine spells in its own way; statements elsewhere are the same for all of them."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlmodel import SQLModel


def upsert(table: type[SQLModel]) -> Insert:
    """An INSERT that can say what to do on a conflict."""
    return insert(table)


def json_rows(*columns: Any) -> ColumnElement[str]:
    """An aggregate: the rows as a JSON array of arrays, in no promised order; `[]` for none."""
    return func.json_group_array(func.json_array(*columns))


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
