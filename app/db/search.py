"""Finding orders by words: the index over `order_words`, which each engine builds its own way.

The index holds each word of an order twice: as it is, for those who see every order, and after
its customer's id. So a search among one customer's orders never touches another's, however common
the word. Triggers keep the index in step, also when orders are deleted.
"""

from collections.abc import Sequence

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Text,
    column,
    event,
    select,
    table,
)
from sqlmodel import col

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


@event.listens_for(tables.metadata.tables["order_words"], "after_create")
def _create_index(_table: object, connection: Connection, **_: object) -> None:
    if connection.dialect.name == "sqlite":
        for statement in _SQLITE_STATEMENTS:
            connection.exec_driver_sql(statement)


def words_begin_with(words: Sequence[str], owner: UserId | None) -> ColumnElement[bool]:
    """The condition on rows of `order_words` that each of the words begins one of theirs.

    Args:
        words: What `words_of` made, at least one.
        owner: Whose orders alone are looked through, all users' if None.
    """
    # Words are a-z and 0-9 alone, so they can't leave their quotes; a * asks for beginnings.
    prefix = "" if owner is None else _OWNED + owner
    query = " AND ".join(f'"{prefix}{word}"*' for word in words)
    index = table("order_search", column("rowid", BigInteger), column("order_search", Text))
    found = select(index.c.rowid).where(index.c.order_search.bool_op("MATCH")(query))
    return col(tables.OrderWords.seq).in_(found)


def is_no_index(name: str | None, *_: object) -> bool:
    """Whether migrations have to do with it: not with the tables that the index consists of."""
    return name is None or not name.startswith("order_search")
