"""Repeatable writes, who calls REST, and what was imported from the legacy shop.

Revision ID: 0002
Revises: 0001
"""

import sqlalchemy as sa
from alembic import op

import app.db.types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "idempotency_keys",
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("key", app.db.types.PlainText(), nullable=False),
        sa.Column("request_sha256", app.db.types.PlainText(), nullable=False),
        sa.Column("order_id", app.db.types.PlainText(), nullable=False),
        sa.Column("created_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "key", name=op.f("pk_idempotency_keys")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_idempotency_keys_created_at"), "idempotency_keys", ["created_at"])

    op.create_table(
        "rest_usage",
        sa.Column("day", app.db.types.PlainText(), nullable=False),
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("key_id", app.db.types.PlainText(), nullable=False),
        sa.Column("path", app.db.types.PlainText(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("last_called_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("calls >= 1", name=op.f("ck_rest_usage_calls")),
        sa.PrimaryKeyConstraint("day", "user_id", "key_id", "path", name=op.f("pk_rest_usage")),
        sqlite_with_rowid=False,
    )

    op.create_table(
        "legacy_records",
        sa.Column("collection", app.db.types.PlainText(), nullable=False),
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("sha256", app.db.types.PlainText(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "id", name=op.f("pk_legacy_records")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("legacy_records")
    op.drop_table("rest_usage")
    op.drop_table("idempotency_keys")
