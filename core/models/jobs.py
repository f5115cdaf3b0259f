"""A job, its runs, and what happened in them."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Identity, Index, Integer, func, text
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base
from core.states import JobStatus


class Job(Base):
    """A requested spec and where it stands.

    `seq` orders lists and is a job's age in the queue; the lease columns say which run owns the job; `failures`
    counts the runs in a row that were lost or broke off without getting as far as a new checkpoint, and `passed_over`
    the claims that left the job, though it was the oldest, for a better one.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str] = mapped_column(ForeignKey("projects.name"), server_default="default")
    status: Mapped[JobStatus] = mapped_column(server_default=JobStatus.QUEUED)
    spec: Mapped[dict[str, Any]]
    plan: Mapped[dict[str, Any]]
    priority: Mapped[int] = mapped_column(Integer, server_default="0")
    memory_bytes: Mapped[int] = mapped_column(server_default="0")
    passed_over: Mapped[int] = mapped_column(Integer, server_default="0")
    not_before: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    stage: Mapped[str | None]
    progress: Mapped[dict[str, Any] | None]
    progress_at: Mapped[datetime | None]
    checkpoint: Mapped[dict[str, Any] | None]
    adjustments: Mapped[dict[str, Any] | None]
    forecast: Mapped[dict[str, Any] | None]
    error: Mapped[dict[str, Any] | None]
    device: Mapped[dict[str, Any] | None]

    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    lease_token: Mapped[uuid.UUID | None]
    lease_expires_at: Mapped[datetime | None]
    failures: Mapped[int] = mapped_column(Integer, server_default="0")
    next_doorbell_at: Mapped[datetime] = mapped_column(server_default=func.now())

    idempotency_key: Mapped[str | None]
    body_sha256: Mapped[str | None]
    rerun_of: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))

    __table_args__ = (
        Index("ix_jobs_queue", "project", priority.desc(), seq, postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_oldest", "project", seq, postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_status", "status", "seq"),
        Index("ix_jobs_project", "project", "seq"),
        Index("ix_jobs_metadata", text("(spec -> 'metadata') jsonb_path_ops"), postgresql_using="gin"),
        Index("ix_jobs_history", text("(spec ->> 'base_model')"), seq, postgresql_where=text("status = 'succeeded'")),
        Index(
            "ix_jobs_local_base",
            text("(spec ->> 'base_model')"),
            postgresql_where=text(r"status <> 'succeeded' AND (spec ->> 'base_model') ~ '^\.{0,2}/'"),
        ),
        Index("ix_jobs_lease", "lease_expires_at", postgresql_where=text("lease_token IS NOT NULL")),
        Index("ix_jobs_reruns", rerun_of, postgresql_where=text("rerun_of IS NOT NULL")),
        Index("uq_jobs_idempotency", "project", "idempotency_key", unique=True),
    )


class Run(Base):
    """One attempt at a job, kept as history."""

    __tablename__ = "runs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    worker: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    reason: Mapped[str | None]


class Phase(Base):
    """How long one state of one run lasted: what forecasts are made from."""

    __tablename__ = "phases"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    status: Mapped[JobStatus] = mapped_column(primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    ended_at: Mapped[datetime | None]


class Event(Base):
    """Something that happened to a job, in order of `id`."""

    __tablename__ = "events"

    id: Mapped[int] = mapped_column(Identity(always=True), primary_key=True)
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    attempt: Mapped[int] = mapped_column(Integer, server_default="0")
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    type: Mapped[str]
    level: Mapped[str] = mapped_column(server_default="info")
    message: Mapped[str]
    data: Mapped[dict[str, Any] | None]

    __table_args__ = (Index("ix_events_job", job_id, id),)


class Metric(Base):
    """One logged optimiser step; a later run's value of the same step replaces an earlier one's."""

    __tablename__ = "metrics"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    step: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    epoch: Mapped[float]
    loss: Mapped[float | None]
    grad_norm: Mapped[float | None]
    learning_rate: Mapped[float]
    tokens: Mapped[int]
    tokens_per_s: Mapped[float]
    step_s: Mapped[float]


class Pause(Base):
    """A run wants the accelerator that it shares with vLLM for itself; `granted_at` says since when it has it.

    It holds for as long as that run holds its job, so a run that is gone needs nobody to take it back.
    """

    __tablename__ = "pauses"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer)
    requested_at: Mapped[datetime] = mapped_column(server_default=func.now())
    granted_at: Mapped[datetime | None]
    how: Mapped[str | None]
