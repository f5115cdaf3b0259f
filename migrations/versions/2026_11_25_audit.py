"""What was changed, by whom.

Revision: 2026_11_25_audit
Revises: 2026_11_25_isolation
"""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Identity, Text, func

revision = "2026_11_25_audit"
down_revision = "2026_11_25_isolation"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "audit",
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("at", DateTime(timezone=True), nullable=False, server_default=func.now()),
        Column("project", Text),
        Column("key", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("thing", Text),
        Column("outcome", Text, nullable=False),
        Column("request_id", Text, nullable=False),
        Column("address", Text),
    )
    op.create_index("ix_audit_project", "audit", ["project", "seq"])
    op.create_index("ix_audit_thing", "audit", ["thing", "seq"])


def downgrade() -> None:
    op.drop_table("audit")
