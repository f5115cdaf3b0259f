"""Preflights: what a job comes to, found out before it trains.

Revision: 2026_11_25_preflights
Revises: 2026_11_25_files
"""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, Integer, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_25_preflights"
down_revision = "2026_11_25_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "preflights",
        Column("id", Text, nullable=False, primary_key=True),
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=True, unique=True),
        Column("project", Text, server_default="default", nullable=False),
        Column("status", Text, server_default="queued", nullable=False),
        Column("spec", JSONB, nullable=False),
        Column("body_sha256", Text, nullable=False),
        Column("report", JSONB, nullable=True),
        Column("preview", JSONB, nullable=True),
        Column("problems", JSONB, nullable=True),
        Column("attempt", Integer, server_default="0", nullable=False),
        Column("token", Uuid, nullable=True),
        Column("expires_at", DateTime(timezone=True), nullable=True),
        Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("finished_at", DateTime(timezone=True), nullable=True),
    )
    is_open = text("status IN ('queued', 'running')")
    op.create_index("ix_preflights_open", "preflights", ["created_at"], postgresql_where=is_open)
    op.create_index("ix_preflights_old", "preflights", ["created_at"], postgresql_where=text("job_id IS NULL"))


def downgrade() -> None:
    op.drop_table("preflights")
