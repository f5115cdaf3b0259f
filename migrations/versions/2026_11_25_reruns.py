"""Which job a job repeats.

Revision: 2026_11_25_reruns
Revises: 2026_11_25_limits
"""

from alembic import op
from sqlalchemy import Column, ForeignKey, Text, text

revision = "2026_11_25_reruns"
down_revision = "2026_11_25_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", Column("rerun_of", Text, ForeignKey("jobs.id", ondelete="SET NULL"), nullable=True))
    op.create_index("ix_jobs_reruns", "jobs", ["rerun_of"], postgresql_where=text("rerun_of IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_jobs_reruns", "jobs")
    op.drop_column("jobs", "rerun_of")
