"""What was found out about a model before it goes live, and deployments that wait for that.

Revision: 2026_11_25_gate
Revises: 2026_11_25_reruns
"""

from alembic import op
from sqlalchemy import Column, Text, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_gate"
down_revision = "2026_11_25_reruns"
branch_labels = None
depends_on = None


OPEN = text("status IN ('pending', 'staging', 'swapping', 'candidate', 'trial')")
OPEN_BEFORE = text("status IN ('pending', 'staging', 'swapping', 'trial')")
DEPLOYMENTS = (Column("candidate", Text), Column("gate", JSONB), Column("forced", Text))


def upgrade() -> None:
    op.add_column("models", Column("gate", JSONB))
    for column in DEPLOYMENTS:
        op.add_column("deployments", column.copy())
    op.drop_index("ix_deployments_open", "deployments")
    op.create_index("ix_deployments_open", "deployments", ["seq"], postgresql_where=OPEN)


def downgrade() -> None:
    # A candidate had not replaced anything yet.
    op.execute("UPDATE deployments SET status = 'pending' WHERE status = 'candidate'")
    op.drop_index("ix_deployments_open", "deployments")
    op.create_index("ix_deployments_open", "deployments", ["seq"], postgresql_where=OPEN_BEFORE)
    for column in DEPLOYMENTS:
        op.drop_column("deployments", column.name)
    op.drop_column("models", "gate")
