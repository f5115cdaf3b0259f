"""How often a job was passed over, instead of how often a worker claimed; indexes for the two questions about a base.

Revision: 2026_11_25_turns
Revises: 2026_11_23_retention
"""

from alembic import op
from sqlalchemy import BigInteger, Column, Integer, text

revision = "2026_11_25_turns"
down_revision = "2026_11_23_retention"
branch_labels = None
depends_on = None

BASE_MODEL = text("(spec ->> 'base_model')")
SUCCEEDED = text("status = 'succeeded'")
LOCAL = text(r"status <> 'succeeded' AND (spec ->> 'base_model') ~ '^\.{0,2}/'")


def upgrade() -> None:
    op.add_column("jobs", Column("passed_over", Integer, server_default="0", nullable=False))
    op.drop_column("workers", "claims")
    op.create_index("ix_jobs_history", "jobs", [BASE_MODEL, "seq"], postgresql_where=SUCCEEDED)
    op.create_index("ix_jobs_local_base", "jobs", [BASE_MODEL], postgresql_where=LOCAL)


def downgrade() -> None:
    op.drop_index("ix_jobs_local_base", "jobs")
    op.drop_index("ix_jobs_history", "jobs")
    op.add_column("workers", Column("claims", BigInteger, server_default="0", nullable=False))
    op.drop_column("jobs", "passed_over")
