"""When a model was removed, and indexes that tell fast whether one is in use.

Revision: 2026_11_23_retention
Revises: 2026_11_23_queues
"""

from alembic import op
from sqlalchemy import Column, DateTime, text

revision = "2026_11_23_retention"
down_revision = "2026_11_23_queues"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("models", Column("removed_at", DateTime(timezone=True)))
    op.create_index("ix_models_job", "models", ["job_id"])
    op.create_index("ix_models_kept", "models", ["seq"], postgresql_where=text("removed_at IS NULL"))
    op.create_index("ix_deployments_model", "deployments", ["model_id"])
    op.create_index(
        "ix_deployments_history", "deployments", ["alias", "live_at"], postgresql_where=text("live_at IS NOT NULL")
    )


def downgrade() -> None:
    op.drop_index("ix_deployments_history", "deployments")
    op.drop_index("ix_deployments_model", "deployments")
    op.drop_index("ix_models_kept", "models")
    op.drop_index("ix_models_job", "models")
    op.drop_column("models", "removed_at")
