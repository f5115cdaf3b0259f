"""Idempotency keys of deployments; indexes for an alias's history and for models that adapters are served on.

Revision: 2026_11_25_wishes
Revises: 2026_11_25_serving
"""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, Text, func

revision = "2026_11_25_wishes"
down_revision = "2026_11_25_serving"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "deployment_keys",
        Column("key", Text, nullable=False, primary_key=True),
        Column("body_sha256", Text, nullable=False),
        Column("deployment_id", Text, ForeignKey("deployments.id", ondelete="CASCADE"), nullable=False),
        Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
    )
    op.create_index("ix_deployments_weights", "deployments", ["weights_id"])
    op.create_index("ix_deployments_alias", "deployments", ["alias", "seq"])


def downgrade() -> None:
    op.drop_index("ix_deployments_alias", "deployments")
    op.drop_index("ix_deployments_weights", "deployments")
    op.drop_table("deployment_keys")
