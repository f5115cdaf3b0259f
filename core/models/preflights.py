"""What a job comes to, before it trains."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.states import PreflightStatus


class Preflight(Base):
    """What a job comes to, found out before it trains: asked for by itself, or by a job's run for its job.

    `report` is a `core.preflight_report.Report`, `preview` the sample rows of every stage, `problems` what keeps the
    job from running.  While one is looked into, `token` says by whom, until `expires_at`.
    """

    __tablename__ = "preflights"

    id: Mapped[str] = mapped_column(primary_key=True)
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), unique=True)
    project: Mapped[str] = mapped_column(server_default="default")
    status: Mapped[str] = mapped_column(server_default=PreflightStatus.QUEUED)
    spec: Mapped[dict[str, Any]]
    body_sha256: Mapped[str]
    report: Mapped[dict[str, Any] | None]
    preview: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)
    problems: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    token: Mapped[uuid.UUID | None]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_preflights_open", "created_at", postgresql_where=text("status IN ('queued', 'running')")),
        Index("ix_preflights_old", "created_at", postgresql_where=text("job_id IS NULL")),
    )
