"""Users, keys, products, orders with their items, numbers and events.

Revision ID: 0001
Revises: none
"""

import sqlalchemy as sa
from alembic import op

import app.db.types

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "order_counters",
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("last_order_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_order_counters")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "order_events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("order_id", app.db.types.PlainText(), nullable=False),
        sa.Column("order_version", sa.Integer(), nullable=False),
        sa.Column("type", app.db.types.PlainText(), nullable=False),
        sa.Column("source", app.db.types.PlainText(), nullable=False),
        sa.Column("from_status", app.db.types.PlainText(), nullable=True),
        sa.Column("to_status", app.db.types.PlainText(), nullable=True),
        sa.Column("actor_id", app.db.types.PlainText(), nullable=False),
        sa.Column("occurred_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.Column("data", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "source IN ('graphql', 'rest', 'import')", name=op.f("ck_order_events_source")
        ),
        sa.CheckConstraint(
            "type IN ('created', 'status_changed', 'deleted')", name=op.f("ck_order_events_type")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_order_events")),
        sa.UniqueConstraint("id", name=op.f("uq_order_events_id")),
    )
    op.create_index(op.f("ix_order_events_order_id_seq"), "order_events", ["order_id", "seq"])

    op.create_table(
        "orders",
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("order_number", sa.Integer(), nullable=False),
        sa.Column("status", app.db.types.PlainText(), nullable=False),
        sa.Column("address", app.db.types.PlainText(), nullable=False),
        sa.Column("currency", app.db.types.PlainText(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.Column("updated_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('pending', 'delivery', 'completed')", name=op.f("ck_orders_status")
        ),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_orders_currency")),
        sa.CheckConstraint("order_number >= 1", name=op.f("ck_orders_order_number")),
        sa.CheckConstraint("total_minor >= 0", name=op.f("ck_orders_total_minor")),
        sa.CheckConstraint("version >= 0", name=op.f("ck_orders_version")),
        sa.PrimaryKeyConstraint("user_id", "id", name=op.f("pk_orders")),
        sa.UniqueConstraint("id", name=op.f("uq_orders_id")),
        sa.UniqueConstraint("user_id", "order_number", name=op.f("uq_orders_user_id_order_number")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_orders_created_at_id"), "orders", ["created_at", "id"])
    op.create_index(
        op.f("ix_orders_status_created_at_id"), "orders", ["status", "created_at", "id"]
    )
    op.create_index(
        op.f("ix_orders_user_id_created_at_id"), "orders", ["user_id", "created_at", "id"]
    )

    op.create_table(
        "products",
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("name", app.db.types.PlainText(), nullable=False),
        sa.Column("image", app.db.types.PlainText(), nullable=True),
        sa.Column("description", app.db.types.PlainText(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", app.db.types.PlainText(), nullable=False),
        sa.Column("deleted_at", app.db.types.UTCDateTime(timezone=True), nullable=True),
        sa.CheckConstraint("length(currency) = 3", name=op.f("ck_products_currency")),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_products_price_minor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_products_name_id"), "products", ["name", "id"])

    op.create_table(
        "users",
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("email", app.db.types.PlainText(), nullable=True),
        sa.Column("name", app.db.types.PlainText(), nullable=False),
        sa.Column("is_admin", sa.Boolean(), nullable=False),
        sa.Column("created_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("name", app.db.types.PlainText(), nullable=False),
        sa.Column("prefix", app.db.types.PlainText(), nullable=False),
        sa.Column("sha256", app.db.types.PlainText(), nullable=False),
        sa.Column("scopes", app.db.types.PlainText(), nullable=False),
        sa.Column("created_at", app.db.types.UTCDateTime(timezone=True), nullable=False),
        sa.Column("expires_at", app.db.types.UTCDateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", app.db.types.UTCDateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", app.db.types.UTCDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_api_keys_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_keys_sha256")),
    )
    op.create_index(op.f("ix_api_keys_prefix"), "api_keys", ["prefix"])
    op.create_index(op.f("ix_api_keys_user_id"), "api_keys", ["user_id"])

    op.create_table(
        "order_items",
        sa.Column("user_id", app.db.types.PlainText(), nullable=False),
        sa.Column("order_id", app.db.types.PlainText(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("id", app.db.types.PlainText(), nullable=False),
        sa.Column("product_id", app.db.types.PlainText(), nullable=False),
        sa.Column("name", app.db.types.PlainText(), nullable=False),
        sa.Column("image", app.db.types.PlainText(), nullable=True),
        sa.Column("unit_price_minor", sa.BigInteger(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("shipping", app.db.types.PlainText(), nullable=False),
        sa.CheckConstraint(
            "shipping IN ('Next day', 'Regular', 'Budget')", name=op.f("ck_order_items_shipping")
        ),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_order_items_quantity")),
        sa.CheckConstraint("unit_price_minor >= 0", name=op.f("ck_order_items_unit_price_minor")),
        sa.ForeignKeyConstraint(
            ["user_id", "order_id"],
            ["orders.user_id", "orders.id"],
            name=op.f("fk_order_items_user_id_order_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "order_id", "position", name=op.f("pk_order_items")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    op.drop_table("order_items")
    op.drop_table("api_keys")
    op.drop_table("users")
    op.drop_table("products")
    op.drop_table("orders")
    op.drop_table("order_events")
    op.drop_table("order_counters")
