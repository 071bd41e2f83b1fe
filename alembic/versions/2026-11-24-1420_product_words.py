"""The words of product names, to search in.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

import app.db.types
from app.domain.words import words_of

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "products",
        sa.Column("name_words", app.db.types.PlainText(), server_default="", nullable=False),
    )
    connection = op.get_bind()
    products = sa.table(
        "products",
        sa.column("id", sa.Text),
        sa.column("name", sa.Text),
        sa.column("name_words", sa.Text),
    )
    words = [
        {"of_id": id_, "words": "".join(f" {word}" for word in words_of([name]))}
        for id_, name in connection.execute(sa.select(products.c.id, products.c.name))
    ]
    if words:
        connection.execute(
            sa.update(products)
            .where(products.c.id == sa.bindparam("of_id"))
            .values(name_words=sa.bindparam("words")),
            words,
        )


def downgrade() -> None:
    op.drop_column("products", "name_words")
