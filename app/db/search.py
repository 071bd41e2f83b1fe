"""Finding orders by words: the index over `order_words`, which each engine builds its own way.

The index holds each word of an order twice: as it is, for those who see every order, and after
its customer's id. So a search among one customer's orders never touches another's, however common
the word. In SQLite triggers keep the index in step, also when orders are deleted.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, event, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.db import tables
from app.domain.ids import UserId

# Marks a word that stands after its customer's id. No other word begins so: after a z comes another
# z or a hexadecimal digit.
_OWNED = "zu"

_SQLITE_STATEMENTS = (
    # Only an index: the words are in `order_words`. Words are pure ASCII, whose tokenizer cuts
    # them at the spaces between them. Neither their places nor their number is needed.
    """CREATE VIRTUAL TABLE order_search USING fts5
    (words, content='', detail=none, columnsize=0, tokenize='ascii')""",
    """CREATE TRIGGER order_words_added AFTER INSERT ON order_words BEGIN
      INSERT INTO order_search (rowid, words) VALUES (new.seq, new.words
        || ' zu' || new.user_id || replace(new.words, ' ', ' zu' || new.user_id));
    END""",
    """CREATE TRIGGER order_words_removed AFTER DELETE ON order_words BEGIN
      INSERT INTO order_search (order_search, rowid, words) VALUES ('delete', old.seq, old.words
        || ' zu' || old.user_id || replace(old.words, ' ', ' zu' || old.user_id));
    END""",
    """CREATE TRIGGER order_words_changed AFTER UPDATE ON order_words BEGIN
      INSERT INTO order_search (order_search, rowid, words) VALUES ('delete', old.seq, old.words
        || ' zu' || old.user_id || replace(old.words, ' ', ' zu' || old.user_id));
      INSERT INTO order_search (rowid, words) VALUES (new.seq, new.words
        || ' zu' || new.user_id || replace(new.words, ' ', ' zu' || new.user_id));
    END""",
)

# The words as they are: what PostgreSQL would make of a text, by a language or its own idea of
# words, plays no part.
_POSTGRESQL_INDEX = "ix_order_words_search"
_POSTGRESQL_WORDS = """array_to_tsvector(array_remove(string_to_array(
    words || ' zu' || user_id || replace(words, ' ', ' zu' || user_id), ' '), ''))"""


@event.listens_for(tables.metadata.tables["order_words"], "after_create")
def _create_index(_table: object, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE_STATEMENTS:
            connection.exec_driver_sql(statement)
    else:
        connection.exec_driver_sql(
            f"CREATE INDEX {_POSTGRESQL_INDEX} ON order_words USING gin ({_POSTGRESQL_WORDS})"
        )


class _any_match(FunctionElement[bool]):  # noqa: N801 (used as a function)
    """Whether a row of `order_words` has words that begin so. An argument for each engine."""

    inherit_cache = True
    type = Boolean()


@compiles(_any_match)
def _match_by_gin(element: _any_match, compiler: SQLCompiler, **options: Any) -> str:
    _, query = element.clauses
    text = _POSTGRESQL_WORDS.replace("words", "order_words.words").replace(
        "user_id", "order_words.user_id"
    )
    return f"{text} @@ {compiler.process(query, **options)}::text::tsquery"


@compiles(_any_match, "sqlite")
def _match_by_fts5(element: _any_match, compiler: SQLCompiler, **options: Any) -> str:
    query, _ = element.clauses
    found = "SELECT rowid FROM order_search WHERE order_search MATCH"
    return f"order_words.seq IN ({found} {compiler.process(query, **options)})"


def words_begin_with(words: Sequence[str], owner: UserId | None) -> ColumnElement[bool]:
    """The condition on rows of `order_words` that each of the words begins one of theirs.

    Args:
        words: What `words_of` made, at least one.
        owner: Whose orders alone are looked through, all users' if None.
    """
    # Words are a-z and 0-9 alone, so they can't leave their quotes; a * asks for beginnings.
    prefix = "" if owner is None else _OWNED + owner
    return _any_match(
        literal(" AND ".join(f'"{prefix}{word}"*' for word in words)),
        literal(" & ".join(f"'{prefix}{word}':*" for word in words)),
    )


def is_no_index(name: str | None, *_: object) -> bool:
    """Whether migrations have to do with it: not with the tables that the index consists of."""
    return name is None or not name.startswith(("order_search", _POSTGRESQL_INDEX))
