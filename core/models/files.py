"""Uploaded data sets, the results of jobs, and which jobs read what."""

from datetime import datetime

from sqlalchemy import ForeignKey, Identity, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class File(Base):
    """An uploaded data set, or the results of a job.

    Its bytes are where `core.file_store` says, until `deleted_at`; the row stays.  `job_id` is the job whose results it
    holds, and `body_sha256` tells whether a repeated idempotency key comes with the same upload.
    """

    __tablename__ = "files"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), server_default="default")
    purpose: Mapped[str]
    filename: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    format: Mapped[str]
    rows: Mapped[int]
    trainable_rows: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    deleted_at: Mapped[datetime | None]
    idempotency_key: Mapped[str | None]
    body_sha256: Mapped[str]
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_files_kept", "seq", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_files_project", "project", "seq", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_files_purpose", "purpose", "seq", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_files_content", "project", "sha256", postgresql_where=text("deleted_at IS NULL")),
        Index("uq_files_results", "job_id", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_files_idempotency", "project", "idempotency_key", unique=True),
    )


class JobInput(Base):
    """An uploaded file that a job reads: it cannot be deleted before the job has ended."""

    __tablename__ = "job_inputs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"), primary_key=True)

    __table_args__ = (Index("ix_job_inputs_file", file_id),)
