"""Uploaded files, and which jobs read them.

Revision: 2026_11_25_files
Revises: 2026_11_25_pauses
"""

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Identity, Text, func, text

revision = "2026_11_25_files"
down_revision = "2026_11_25_pauses"
branch_labels = None
depends_on = None

KEPT = text("deleted_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "files",
        Column("id", Text, nullable=False, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False, unique=True),
        Column("project", Text, ForeignKey("projects.name"), server_default="default", nullable=False),
        Column("purpose", Text, nullable=False),
        Column("filename", Text, nullable=False),
        Column("size_bytes", BigInteger, nullable=False),
        Column("sha256", Text, nullable=False),
        Column("format", Text, nullable=False),
        Column("rows", BigInteger, nullable=False),
        Column("trainable_rows", BigInteger, nullable=False),
        Column("created_at", DateTime(timezone=True), server_default=func.now(), nullable=False),
        Column("deleted_at", DateTime(timezone=True)),
        Column("idempotency_key", Text),
        Column("body_sha256", Text, nullable=False),
    )
    op.create_index("ix_files_kept", "files", ["seq"], postgresql_where=KEPT)
    op.create_index("ix_files_purpose", "files", ["purpose", "seq"], postgresql_where=KEPT)
    op.create_index("ix_files_content", "files", ["project", "sha256"], postgresql_where=KEPT)
    op.create_index("uq_files_idempotency", "files", ["project", "idempotency_key"], unique=True)
    op.create_table(
        "job_inputs",
        Column("job_id", Text, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False, primary_key=True),
        Column("file_id", Text, ForeignKey("files.id"), nullable=False, primary_key=True),
    )
    op.create_index("ix_job_inputs_file", "job_inputs", ["file_id"])


def downgrade() -> None:
    # The uploaded files themselves stay in the storage, for whoever wants them back.
    op.drop_table("job_inputs")
    op.drop_table("files")
