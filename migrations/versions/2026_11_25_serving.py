"""What a deployment serves and how, what a model is checked by, and trials on a share of the requests.

Revision: 2026_11_25_serving
Revises: 2026_11_25_turns
"""

from alembic import op
from sqlalchemy import Column, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_serving"
down_revision = "2026_11_25_turns"
branch_labels = None
depends_on = None

OPEN = text("status IN ('pending', 'staging', 'swapping', 'trial')")
OPEN_BEFORE = text("status IN ('pending', 'staging', 'swapping')")
MODELS = (Column("base_id", Text), Column("adapter_rank", Integer), Column("canary", JSONB))
DEPLOYMENTS = (
    Column("serve_as", Text, server_default="merged", nullable=False),
    Column("weights_id", Text),
    Column("gate", JSONB, server_default="{}", nullable=False),
    Column("split", JSONB),
    Column("rollback_of", Text),
    Column("reason", Text),
    Column("trial", JSONB),
)


def upgrade() -> None:
    for column in MODELS:
        op.add_column("models", column.copy())
    for column in DEPLOYMENTS:
        op.add_column("deployments", column.copy())
    op.execute("UPDATE deployments SET weights_id = model_id")
    op.alter_column("deployments", "weights_id", nullable=False)
    op.create_foreign_key("fk_deployments_weights_id", "deployments", "models", ["weights_id"], ["id"])
    op.create_foreign_key("fk_deployments_rollback_of", "deployments", "deployments", ["rollback_of"], ["id"])
    op.drop_index("ix_deployments_open", "deployments")
    op.create_index("ix_deployments_open", "deployments", ["seq"], postgresql_where=OPEN)


def downgrade() -> None:
    # A trial had not replaced anything yet.
    op.execute("UPDATE deployments SET status = 'pending' WHERE status = 'trial'")
    op.drop_index("ix_deployments_open", "deployments")
    op.create_index("ix_deployments_open", "deployments", ["seq"], postgresql_where=OPEN_BEFORE)
    for column in DEPLOYMENTS:
        op.drop_column("deployments", column.name)
    for column in MODELS:
        op.drop_column("models", column.name)
