"""What each engine spells in its own way; statements elsewhere are the same for all of them."""

from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlmodel import SQLModel


def upsert(table: type[SQLModel]) -> Insert:
    """An INSERT that can say what to do on a conflict."""
    return insert(table)


def json_rows(*columns: Any) -> ColumnElement[str]:
    """An aggregate: the rows as a JSON array of arrays, in no promised order; `[]` for none."""
    return func.json_group_array(func.json_array(*columns))
