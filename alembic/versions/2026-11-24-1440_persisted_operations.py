"""Operations that clients name by their SHA-256.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

import app.db.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "persisted_operations",
        sa.Column("sha256", app.db.types.PlainText(), nullable=False),
        sa.Column("text", app.db.types.PlainText(), nullable=False),
        sa.Column("created_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_persisted_operations")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        op.f("ix_persisted_operations_last_used_at"), "persisted_operations", ["last_used_at"]
    )


def downgrade() -> None:
    op.drop_table("persisted_operations")
