"""Whose each model, public name and deployment is.

Revision: 2026_11_25_isolation
Revises: 2026_11_25_result_files
"""

from alembic import op
from sqlalchemy import Column, DateTime, ForeignKey, Text, func, text

revision = "2026_11_25_isolation"
down_revision = "2026_11_25_result_files"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_uses",
        Column("project", Text, primary_key=True),
        Column("model_id", Text, ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    )
    op.create_table(
        "aliases",
        Column("alias", Text, primary_key=True),
        Column("project", Text, nullable=False),
        Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    )
    _give_models_to_their_projects()
    _give_deployments_to_their_projects()
    op.execute("UPDATE preflights SET project = jobs.project FROM jobs WHERE jobs.id = preflights.job_id")
    op.create_index("ix_jobs_project", "jobs", ["project", "seq"])
    op.create_index("ix_files_project", "files", ["project", "seq"], postgresql_where=text("deleted_at IS NULL"))


def downgrade() -> None:
    op.drop_index("ix_files_project", "files")
    op.drop_index("ix_jobs_project", "jobs")
    op.drop_constraint("pk_deployment_keys", "deployment_keys")
    op.drop_column("deployment_keys", "project")
    op.create_primary_key("pk_deployment_keys", "deployment_keys", ["key"])
    op.drop_index("ix_deployments_project", "deployments")
    op.drop_column("deployments", "project")
    op.execute("UPDATE models SET project = 'default' WHERE project IS NULL")
    op.alter_column("models", "project", nullable=False, server_default="default")
    op.drop_table("aliases")
    op.drop_table("model_uses")


def _give_models_to_their_projects() -> None:
    """A tuned model is its job's project's; a base is of all whose jobs were made of it."""
    op.alter_column("models", "project", nullable=True, server_default=None)
    op.execute("UPDATE models SET project = jobs.project FROM jobs WHERE jobs.id = models.job_id")
    op.execute("UPDATE models SET project = NULL WHERE stage = 'base'")
    op.execute(
        "INSERT INTO model_uses (project, model_id) SELECT DISTINCT jobs.project, models.id FROM models "
        "JOIN jobs ON jobs.spec ->> 'base_model' = models.base_model WHERE models.stage = 'base'"
    )


def _give_deployments_to_their_projects() -> None:
    """A public name is of the project whose job deployed it first; `default` had all that nobody's job did."""
    op.add_column("deployments", Column("project", Text, nullable=False, server_default="default"))
    op.execute(
        "INSERT INTO aliases (alias, project) SELECT DISTINCT ON (alias) alias, coalesce(jobs.project, 'default') "
        "FROM deployments LEFT JOIN jobs ON jobs.id = deployments.job_id ORDER BY alias, deployments.seq"
    )
    op.execute("UPDATE deployments SET project = aliases.project FROM aliases WHERE aliases.alias = deployments.alias")
    op.create_index("ix_deployments_project", "deployments", ["project", "seq"])
    op.add_column("deployment_keys", Column("project", Text, nullable=False, server_default="default"))
    op.alter_column("deployment_keys", "project", server_default=None)
    op.drop_constraint("pk_deployment_keys", "deployment_keys")
    op.create_primary_key("pk_deployment_keys", "deployment_keys", ["project", "key"])
