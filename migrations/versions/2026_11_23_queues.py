"""Projects, workers and phases; what jobs need for queues, pauses, mending and forecasts.

Revision: 2026_11_23_queues
Revises: 2026_11_23
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, ForeignKey, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_23_queues"
down_revision = "2026_11_23"
branch_labels = None
depends_on = None

TIME = DateTime(timezone=True)
NOW = text("now()")
QUEUED = text("status = 'queued'")


def upgrade() -> None:
    _create_projects()
    _create_workers()
    _create_phases()
    _extend_jobs()
    op.add_column("runs", Column("reason", Text))


def downgrade() -> None:
    op.drop_column("runs", "reason")
    op.drop_constraint("fk_jobs_project", "jobs", type_="foreignkey")
    for index in ("ix_jobs_metadata", "ix_jobs_status", "ix_jobs_oldest", "ix_jobs_queue"):
        op.drop_index(index, "jobs")
    op.create_index("ix_jobs_queue", "jobs", [text("priority DESC"), "seq"], postgresql_where=QUEUED)
    op.add_column("jobs", Column("cancel_requested", Boolean, server_default=text("false"), nullable=False))
    added = ("failures", "forecast", "adjustments", "checkpoint", "progress_at", "not_before", "memory_bytes")
    for column in added:
        op.drop_column("jobs", column)
    for table in ("phases", "workers", "projects"):
        op.drop_table(table)


def _create_projects() -> None:
    op.create_table(
        "projects",
        Column("name", Text, primary_key=True),
        Column("created_at", TIME, server_default=NOW, nullable=False),
        Column("weight", Float, server_default="1", nullable=False),
        Column("max_running", Integer),
        Column("gpu_hours", Float),
        Column("used_s", Float, server_default="0", nullable=False),
        Column("last_claim_at", TIME, server_default=NOW, nullable=False),
    )
    op.execute("INSERT INTO projects (name) SELECT 'default' UNION SELECT project FROM jobs")


def _create_workers() -> None:
    op.create_table(
        "workers",
        Column("name", Text, primary_key=True),
        Column("memory_bytes", BigInteger, nullable=False),
        Column("device", Text, nullable=False),
        Column("started_at", TIME, server_default=NOW, nullable=False),
        Column("seen_at", TIME, server_default=NOW, nullable=False),
        Column("job_id", Text),
        Column("claims", BigInteger, server_default="0", nullable=False),
    )


def _create_phases() -> None:
    op.create_table(
        "phases",
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
        Column("attempt", Integer, primary_key=True),
        Column("status", Text, primary_key=True),
        Column("stage", Text, primary_key=True),
        Column("started_at", TIME, server_default=text("clock_timestamp()"), nullable=False),
        Column("ended_at", TIME),
    )


def _extend_jobs() -> None:
    for column in (
        Column("memory_bytes", BigInteger, server_default="0", nullable=False),
        Column("not_before", TIME),
        Column("progress_at", TIME),
        Column("checkpoint", JSONB),
        Column("adjustments", JSONB),
        Column("forecast", JSONB),
        Column("failures", Integer, server_default="0", nullable=False),
    ):
        op.add_column("jobs", column)
    op.drop_column("jobs", "cancel_requested")  # a job that is to stop says so by its status
    op.create_foreign_key("fk_jobs_project", "jobs", "projects", ["project"], ["name"])
    op.drop_index("ix_jobs_queue", "jobs")
    op.create_index("ix_jobs_queue", "jobs", ["project", text("priority DESC"), "seq"], postgresql_where=QUEUED)
    op.create_index("ix_jobs_oldest", "jobs", ["project", "seq"], postgresql_where=QUEUED)
    op.create_index("ix_jobs_status", "jobs", ["status", "seq"])
    metadata = text("(spec -> 'metadata') jsonb_path_ops")
    op.create_index("ix_jobs_metadata", "jobs", [metadata], postgresql_using="gin")
