"""Events of two more kinds, and ways to follow one customer's or one kind of them.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_NAME = "ck_order_events_type"
_BEFORE = "type IN ('created', 'status_changed', 'deleted')"
_AFTER = "type IN ('created', 'status_changed', 'address_changed', 'deleted', 'restored')"


def upgrade() -> None:
    with op.batch_alter_table("order_events") as table:
        table.drop_constraint(op.f(_NAME), type_="check")
        table.create_check_constraint(op.f(_NAME), _AFTER)
    op.create_index(op.f("ix_order_events_user_id_seq"), "order_events", ["user_id", "seq"])
    op.create_index(op.f("ix_order_events_type_seq"), "order_events", ["type", "seq"])


def downgrade() -> None:
    op.drop_index(op.f("ix_order_events_type_seq"), "order_events")
    op.drop_index(op.f("ix_order_events_user_id_seq"), "order_events")
    # Fails while there are events of the newer kinds: they are not thrown away silently.
    with op.batch_alter_table("order_events") as table:
        table.drop_constraint(op.f(_NAME), type_="check")
        table.create_check_constraint(op.f(_NAME), _BEFORE)
