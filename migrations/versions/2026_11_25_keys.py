"""Keys: their hashes, what they open, and since when and until when.

Revision: 2026_11_25_keys
Revises: 2026_11_25_measured_models
"""

from alembic import op
from sqlalchemy import ARRAY, BigInteger, Column, DateTime, ForeignKey, Identity, Text, func, text

revision = "2026_11_25_keys"
down_revision = "2026_11_25_measured_models"
branch_labels = None
depends_on = None

MOMENT = DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "keys",
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("project", Text, ForeignKey("projects.name")),
        Column("name", Text, nullable=False),
        Column("scopes", ARRAY(Text), nullable=False),
        Column("sha256", Text, nullable=False, unique=True),
        Column("prefix", Text, nullable=False),
        Column("created_at", MOMENT, nullable=False, server_default=func.now()),
        Column("expires_at", MOMENT),
        Column("last_used_at", MOMENT),
        Column("revoked_at", MOMENT),
    )
    op.create_index("ix_keys_open", "keys", ["id"], postgresql_where=text("revoked_at IS NULL"))


def downgrade() -> None:
    op.drop_table("keys")
