"""The first tables: jobs with their runs, events, metrics and evaluations; models and deployments.

Revision: 2026_11_23
Revises: none
"""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, ForeignKey, Identity, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

revision = "2026_11_23"
down_revision = None
branch_labels = None
depends_on = None

TIME = DateTime(timezone=True)


def upgrade() -> None:
    _create_jobs()
    _create_children_of_jobs()
    _create_models()
    _create_deployments()


def downgrade() -> None:
    for table in ("deployments", "models", "evaluations", "metrics", "events", "runs", "jobs"):
        op.drop_table(table)


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("project", Text, server_default="default", nullable=False),
        Column("status", Text, server_default="queued", nullable=False),
        Column("spec", JSONB, nullable=False),
        Column("plan", JSONB, nullable=False),
        Column("priority", Integer, server_default="0", nullable=False),
        Column("created_at", TIME, server_default=text("now()"), nullable=False),
        Column("started_at", TIME),
        Column("finished_at", TIME),
        Column("stage", Text),
        Column("progress", JSONB),
        Column("error", JSONB),
        Column("device", JSONB),
        Column("attempt", Integer, server_default="0", nullable=False),
        Column("lease_token", Uuid),
        Column("lease_expires_at", TIME),
        Column("cancel_requested", Boolean, server_default=text("false"), nullable=False),
        Column("next_doorbell_at", TIME, server_default=text("now()"), nullable=False),
        Column("idempotency_key", Text),
        Column("body_sha256", Text),
    )
    op.create_index("ix_jobs_queue", "jobs", [text("priority DESC"), "seq"], postgresql_where=text("status = 'queued'"))
    op.create_index("ix_jobs_lease", "jobs", ["lease_expires_at"], postgresql_where=text("lease_token IS NOT NULL"))
    op.create_index("uq_jobs_idempotency", "jobs", ["project", "idempotency_key"], unique=True)


def _job_id(primary_key: bool = False) -> Column[str]:
    return Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=primary_key, nullable=False)


def _create_children_of_jobs() -> None:
    op.create_table(
        "runs",
        _job_id(primary_key=True),
        Column("attempt", Integer, primary_key=True),
        Column("worker", Text, nullable=False),
        Column("started_at", TIME, server_default=text("now()"), nullable=False),
        Column("ended_at", TIME),
        Column("outcome", Text),
    )
    op.create_table(
        "events",
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        _job_id(),
        Column("attempt", Integer, server_default="0", nullable=False),
        Column("created_at", TIME, server_default=text("clock_timestamp()"), nullable=False),
        Column("type", Text, nullable=False),
        Column("level", Text, server_default="info", nullable=False),
        Column("message", Text, nullable=False),
        Column("data", JSONB),
    )
    op.create_index("ix_events_job", "events", ["job_id", "id"])
    op.create_table(
        "metrics",
        _job_id(primary_key=True),
        Column("stage", Text, primary_key=True),
        Column("step", Integer, primary_key=True),
        Column("attempt", Integer, nullable=False),
        Column("at", TIME, server_default=text("clock_timestamp()"), nullable=False),
        Column("epoch", Float, nullable=False),
        Column("loss", Float),
        Column("grad_norm", Float),
        Column("learning_rate", Float, nullable=False),
        Column("tokens", BigInteger, nullable=False),
        Column("tokens_per_s", Float, nullable=False),
        Column("step_s", Float, nullable=False),
    )
    op.create_table(
        "evaluations",
        _job_id(primary_key=True),
        Column("stage", Text, primary_key=True),
        Column("model_id", Text, nullable=False),
        Column("scores", JSONB, nullable=False),
        Column("created_at", TIME, server_default=text("now()"), nullable=False),
    )


def _create_models() -> None:
    op.create_table(
        "models",
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("project", Text, server_default="default", nullable=False),
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="SET NULL")),
        Column("stage", Text, nullable=False),
        Column("base_model", Text, nullable=False),
        Column("location", Text, nullable=False),
        Column("manifest", JSONB, nullable=False),
        Column("created_at", TIME, server_default=text("now()"), nullable=False),
    )


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        Column("id", Text, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("alias", Text, nullable=False),
        Column("model_id", Text, ForeignKey("models.id"), nullable=False),
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="SET NULL")),
        Column("status", Text, server_default="pending", nullable=False),
        Column("strategy", Text),
        Column("timings", JSONB),
        Column("error", Text),
        Column("created_at", TIME, server_default=text("now()"), nullable=False),
        Column("live_at", TIME),
    )
    op.create_index(
        "uq_deployments_live", "deployments", ["alias"], unique=True, postgresql_where=text("status = 'live'")
    )
    is_open = text("status IN ('pending', 'staging', 'swapping')")
    op.create_index("ix_deployments_open", "deployments", ["seq"], postgresql_where=is_open)
