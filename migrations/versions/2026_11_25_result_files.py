"""The file that holds the results of a job.

Revision: 2026_11_25_result_files
Revises: 2026_11_25_keys
"""

from alembic import op
from sqlalchemy import Column, ForeignKey, Text, text

revision = "2026_11_25_result_files"
down_revision = "2026_11_25_keys"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("files", Column("job_id", Text, ForeignKey("jobs.id", ondelete="SET NULL"), nullable=True))
    kept = text("deleted_at IS NULL")
    op.create_index("uq_files_results", "files", ["job_id"], unique=True, postgresql_where=kept)


def downgrade() -> None:
    op.drop_index("uq_files_results", "files")
    op.drop_column("files", "job_id")
