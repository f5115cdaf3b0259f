"""The rows in Postgres: the truth about projects, jobs, runs, workers, events, metrics, models and deployments."""

import uuid
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import BigInteger, DateTime, Float, ForeignKey, Identity, Index, Integer, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from core.states import DeploymentStatus, JobStatus, PreflightStatus

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        int: BigInteger,
        float: Float,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB(none_as_null=True),
        JobStatus: Text,
        DeploymentStatus: Text,
    }


class Project(Base):
    """Whose jobs share the workers fairly, and within which limits; null means without limit."""

    __tablename__ = "projects"

    name: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    weight: Mapped[float] = mapped_column(server_default="1")
    max_running: Mapped[int | None] = mapped_column(Integer)
    gpu_hours: Mapped[float | None]
    used_s: Mapped[float] = mapped_column(server_default="0")
    last_claim_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Worker(Base):
    """A worker process as it last showed itself."""

    __tablename__ = "workers"

    name: Mapped[str] = mapped_column(primary_key=True)
    memory_bytes: Mapped[int]
    device: Mapped[str]
    started_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())
    job_id: Mapped[str | None]


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

    __table_args__ = (
        Index("ix_jobs_queue", "project", priority.desc(), seq, postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_oldest", "project", seq, postgresql_where=text("status = 'queued'")),
        Index("ix_jobs_status", "status", "seq"),
        Index("ix_jobs_metadata", text("(spec -> 'metadata') jsonb_path_ops"), postgresql_using="gin"),
        Index("ix_jobs_history", text("(spec ->> 'base_model')"), seq, postgresql_where=text("status = 'succeeded'")),
        Index(
            "ix_jobs_local_base",
            text("(spec ->> 'base_model')"),
            postgresql_where=text(r"status <> 'succeeded' AND (spec ->> 'base_model') ~ '^\.{0,2}/'"),
        ),
        Index("ix_jobs_lease", "lease_expires_at", postgresql_where=text("lease_token IS NOT NULL")),
        Index("uq_jobs_idempotency", "project", "idempotency_key", unique=True),
    )


class File(Base):
    """An uploaded data set.  Its bytes are where `core.file_store` says, until `deleted_at`; the row stays.

    `body_sha256` tells whether a repeated idempotency key comes with the same upload.
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

    __table_args__ = (
        Index("ix_files_kept", "seq", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_files_purpose", "purpose", "seq", postgresql_where=text("deleted_at IS NULL")),
        Index("ix_files_content", "project", "sha256", postgresql_where=text("deleted_at IS NULL")),
        Index("uq_files_idempotency", "project", "idempotency_key", unique=True),
    )


class JobInput(Base):
    """An uploaded file that a job reads: it cannot be deleted before the job has ended."""

    __tablename__ = "job_inputs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    file_id: Mapped[str] = mapped_column(ForeignKey("files.id"), primary_key=True)

    __table_args__ = (Index("ix_job_inputs_file", file_id),)


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


class Model(Base):
    """A servable model: a base, or the merged model of a job's stage.  `location` is below storage, or absolute.

    With `adapter_rank`, `location/adapter` makes the same model of the weights of `base_id`, as one LoRA adapter.
    `canary` is what a server that has just loaded it must answer (`worker.stages.canary`), and `parity` the
    `core.parity.ParityRecord` of whether it is served as it was trained.
    One with `removed_at` has no files any more (`core.retention`), and cannot be deployed.
    """

    __tablename__ = "models"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    project: Mapped[str] = mapped_column(server_default="default")
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    stage: Mapped[str]
    base_model: Mapped[str]
    location: Mapped[str]
    manifest: Mapped[dict[str, Any]]
    base_id: Mapped[str | None]
    adapter_rank: Mapped[int | None] = mapped_column(Integer)
    canary: Mapped[dict[str, Any] | None]
    parity: Mapped[dict[str, Any] | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    removed_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_models_job", job_id),
        Index("ix_models_kept", seq, postgresql_where=text("removed_at IS NULL")),
    )


class Deployment(Base):
    """A wish that an alias points at a model; the newest one that did not fail is the desired state.

    `weights_id` is the model whose weights vLLM must hold for it: the model itself, or the base of its adapter.
    `strategy` and `reason` say how the gateway put it in place and why so, `trial` how it did on a share of requests.
    """

    __tablename__ = "deployments"

    id: Mapped[str] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    alias: Mapped[str]
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    job_id: Mapped[str | None] = mapped_column(ForeignKey("jobs.id", ondelete="SET NULL"))
    serve_as: Mapped[str] = mapped_column(server_default="merged")
    weights_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    gate: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    split: Mapped[dict[str, Any] | None]
    rollback_of: Mapped[str | None] = mapped_column(ForeignKey("deployments.id"))
    status: Mapped[DeploymentStatus] = mapped_column(server_default=DeploymentStatus.PENDING)
    strategy: Mapped[str | None]
    reason: Mapped[str | None]
    trial: Mapped[dict[str, Any] | None]
    timings: Mapped[dict[str, Any] | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    live_at: Mapped[datetime | None]

    __table_args__ = (
        Index("uq_deployments_live", "alias", unique=True, postgresql_where=text("status = 'live'")),
        Index(
            "ix_deployments_open", "seq", postgresql_where=text("status IN ('pending', 'staging', 'swapping', 'trial')")
        ),
        Index("ix_deployments_model", model_id),
        Index("ix_deployments_weights", weights_id),
        Index("ix_deployments_alias", "alias", "seq"),
        Index("ix_deployments_history", "alias", "live_at", postgresql_where=text("live_at IS NOT NULL")),
    )


class DeploymentKey(Base):
    """The deployment that an idempotency key got: made by it, or found by it, as several keys can find one."""

    __tablename__ = "deployment_keys"

    key: Mapped[str] = mapped_column(primary_key=True)
    body_sha256: Mapped[str]
    deployment_id: Mapped[str] = mapped_column(ForeignKey("deployments.id", ondelete="CASCADE"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Evaluation(Base):
    """The scores of one model of a job, measured on the served endpoint; `stage` is `base` or the stage's name."""

    __tablename__ = "evaluations"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str]
    scores: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


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
