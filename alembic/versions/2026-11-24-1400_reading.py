"""Orders by any sort and filter, callers' own ids for them, and finding them by words.

Revision ID: 0003
Revises: 0002
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import sqlalchemy as sa
from alembic import op

import app.db.types
from app.domain.words import words_of

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_ORDERS_AT_ONCE = 1_000


def upgrade() -> None:
    op.add_column("orders", sa.Column("external_id", app.db.types.PlainText(), nullable=True))
    op.create_index(
        op.f("ix_orders_external_id_user_id"),
        "orders",
        ["external_id", "user_id"],
        unique=True,
        sqlite_where=sa.text("external_id IS NOT NULL"),
        postgresql_where=sa.text("external_id IS NOT NULL"),
    )
    op.create_index(
        op.f("ix_orders_user_id_updated_at_id"), "orders", ["user_id", "updated_at", "id"]
    )
    op.create_index(op.f("ix_orders_updated_at_id"), "orders", ["updated_at", "id"])
    op.create_index(
        op.f("ix_orders_user_id_total_minor_id"), "orders", ["user_id", "total_minor", "id"]
    )
    op.create_index(op.f("ix_orders_total_minor_id"), "orders", ["total_minor", "id"])
    op.create_index(
        op.f("ix_order_items_product_id_user_id_order_id"),
        "order_items",
        ["product_id", "user_id", "order_id"],
    )
    op.create_table(
        "order_words",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("order_id", app.db.types.PlainText(), nullable=False),
        sa.Column("words", app.db.types.PlainText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "order_id"],
            ["orders.user_id", "orders.id"],
            name=op.f("fk_order_words_user_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_order_words")),
        sa.UniqueConstraint("user_id", "order_id", name=op.f("uq_order_words_user_id_order_id")),
    )
    if op.get_context().dialect.name == "sqlite":
        for statement in _SQLITE_INDEX:
            op.execute(statement)
    else:
        op.execute(_POSTGRESQL_INDEX)
    _fill(op.get_bind())


def downgrade() -> None:
    if op.get_context().dialect.name == "sqlite":
        op.execute("DROP TABLE order_search")
    op.drop_table("order_words")
    op.drop_index(op.f("ix_order_items_product_id_user_id_order_id"), "order_items")
    op.drop_index(op.f("ix_orders_total_minor_id"), "orders")
    op.drop_index(op.f("ix_orders_user_id_total_minor_id"), "orders")
    op.drop_index(op.f("ix_orders_updated_at_id"), "orders")
    op.drop_index(op.f("ix_orders_user_id_updated_at_id"), "orders")
    op.drop_index(op.f("ix_orders_external_id_user_id"), "orders")
    op.drop_column("orders", "external_id")


_SQLITE_INDEX = (
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

_POSTGRESQL_INDEX = """CREATE INDEX ix_order_words_search ON order_words
    USING gin (array_to_tsvector(array_remove(string_to_array(
    words || ' zu' || user_id || replace(words, ' ', ' zu' || user_id), ' '), '')))"""

_users = sa.table("users", *(sa.column(name) for name in ("id", "name", "email")))
_orders = sa.table("orders", *(sa.column(name) for name in ("user_id", "id", "address")))
_items = sa.table(
    "order_items", *(sa.column(name) for name in ("user_id", "order_id", "position", "name"))
)
_words = sa.table("order_words", *(sa.column(name) for name in ("user_id", "order_id", "words")))


def _fill(connection: sa.Connection) -> None:
    for some in _in_parts(connection):
        first, last = some[0], some[-1]
        key = sa.tuple_(_items.c.user_id, _items.c.order_id)
        lines = connection.execute(
            sa.select(_items.c.user_id, _items.c.order_id, _items.c.name)
            .where(key >= _key(first), key <= _key(last))
            .order_by(_items.c.user_id, _items.c.order_id, _items.c.position)
        )
        bought = {
            order: [name for *_, name in group] for order, group in groupby(lines, lambda r: r[:2])
        }
        rows = [
            {
                "user_id": user_id,
                "order_id": order_id,
                "words": " ".join(
                    words_of(
                        [name or "", email or "", *bought.get((user_id, order_id), ()), address]
                    )
                ),
            }
            for user_id, order_id, address, name, email in some
        ]
        connection.execute(sa.insert(_words), rows)


def _in_parts(connection: sa.Connection) -> Iterator[Sequence[sa.Row[Any]]]:
    statement = (
        sa.select(_orders.c.user_id, _orders.c.id, _orders.c.address, _users.c.name, _users.c.email)
        .outerjoin_from(_orders, _users, _users.c.id == _orders.c.user_id)
        .order_by(_orders.c.user_id, _orders.c.id)
        .limit(_ORDERS_AT_ONCE)
    )
    some = connection.execute(statement).all()
    while some:
        yield some
        past = sa.tuple_(_orders.c.user_id, _orders.c.id) > _key(some[-1])
        some = connection.execute(statement.where(past)).all()


def _key(row: sa.Row[Any]) -> sa.Tuple:
    return sa.tuple_(sa.literal(row[0]), sa.literal(row[1]))
