"""Evaluations found by the model that was measured.

Revision: 2026_11_25_measured_models
Revises: 2026_11_25_drain
"""

from alembic import op

revision = "2026_11_25_measured_models"
down_revision = "2026_11_25_drain"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_evaluations_model", "evaluations", ["model_id", "created_at"])


def downgrade() -> None:
    op.drop_index("ix_evaluations_model", "evaluations")
