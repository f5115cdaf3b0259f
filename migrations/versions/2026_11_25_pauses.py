"""Runs that want the accelerator which they share with vLLM.

Revision: 2026_11_25_pauses
Revises: 2026_11_25_wishes
"""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, Integer, Text, func

revision = "2026_11_25_pauses"
down_revision = "2026_11_25_wishes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pauses",
        Column("job_id", Text, ForeignKey("jobs.id", name="fk_pauses_job_id", ondelete="CASCADE"), nullable=False),
        Column("attempt", Integer, nullable=False),
        Column("requested_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("granted_at", DateTime(timezone=True)),
        Column("how", Text),
    )
    op.create_primary_key("pk_pauses", "pauses", ["job_id"])


def downgrade() -> None:
    op.drop_table("pauses")
