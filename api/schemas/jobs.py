"""A job with its plan, and its runs."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.times import unix_seconds
from core.forecast import shown
from core.memory import GIB
from core.models import Job, Run
from core.settings import get_settings
from core.spec import DeploySpec
from core.stalls import stalled
from core.states import JobStatus


class PlannedStage(BaseModel):
    name: str
    rows: int | None = Field(description="rows to train on; null until a hub data set has been read")
    steps: int | None = Field(description="optimiser steps over these rows")
    effective_batch: int = Field(description="rows per optimiser step")


class Plan(BaseModel):
    """What the job comes to."""

    stages: list[PlannedStage]
    total_steps: int | None


class RerunRequest(BaseModel):
    """What a rerun does otherwise than the job that it repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    deploy: DeploySpec | None = Field(None, description="which models go live, and how; as the job said when absent")


class JobView(BaseModel):
    """A job and where it stands."""

    id: str
    object: Literal["job"] = "job"
    project: str
    status: JobStatus
    stage: str | None = Field(description="the stage at work")
    progress: dict[str, Any] | None = Field(description="step, max_steps, loss, tokens_per_s and eta_s of the stage")
    error: dict[str, Any] | None = Field(
        description="why the job failed: code, message, stage, and as remedy what to do"
    )
    # Not a JobSpec: a job stored under older rules must still be shown.
    spec: dict[str, Any] = Field(description="the JobSpec with every default filled in")
    plan: Plan
    device: dict[str, Any] | None = Field(description="what the job runs on, and what that changed")
    priority: int
    memory_gb: float = Field(description="what training needs; smaller workers leave the job, and 0 fits any")
    stalled: str | None = Field(description="why a running job is thought to hang; null while it moves")
    queue_position: int | None = Field(description="1 is next; null when not queued, far behind, or kept back")
    waiting_for: str | None = Field(description="what keeps a queued job back, other than those before it")
    expected_start: list[int] | None = Field(description="earliest and latest time; null when not known")
    expected_end: list[int] | None = Field(description="earliest and latest time; null when not known")
    checkpoint: dict[str, Any] | None = Field(description="the last whole checkpoint: stage and step")
    adjustments: dict[str, Any] | None = Field(description="how stages are run otherwise than asked, after a failure")
    attempt: int = Field(description="runs so far")
    rerun_of: str | None = Field(description="the job that this one repeats")
    created_at: int
    started_at: int | None
    finished_at: int | None
    metadata: dict[str, str]
    result_models: list[str] = Field(description="ids of the models made so far, in order of the stages")

    @classmethod
    def of(cls, job: Job, result_models: list[str]) -> Self:
        is_queued, forecast = job.status == JobStatus.QUEUED, shown(job, get_settings().reap_every_s)
        return cls(
            id=job.id,
            project=job.project,
            status=job.status,
            stage=None if is_queued else job.stage,
            progress=None if is_queued else job.progress,
            error=job.error,
            spec=job.spec,
            plan=Plan.model_validate(job.plan),
            device=job.device,
            priority=job.priority,
            memory_gb=round(job.memory_bytes / GIB, 2),
            stalled=stalled(job, get_settings().stalled_after_s),
            queue_position=forecast.get("position"),
            waiting_for=forecast.get("waiting_for"),
            expected_start=forecast.get("start"),
            expected_end=forecast.get("end"),
            checkpoint=job.checkpoint,
            adjustments=job.adjustments,
            attempt=job.attempt,
            rerun_of=job.rerun_of,
            created_at=unix_seconds(job.created_at),
            started_at=unix_seconds(job.started_at),
            finished_at=unix_seconds(job.finished_at),
            metadata=job.spec.get("metadata", {}),
            result_models=result_models,
        )


class RunView(BaseModel):
    """One attempt at a job."""

    object: Literal["job.run"] = "job.run"
    attempt: int
    worker: str
    started_at: int
    ended_at: int | None
    outcome: str | None = Field(description="succeeded, failed, cancelled, paused, drained, lease_expired or broke_off")
    reason: str | None

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            attempt=run.attempt,
            worker=run.worker,
            started_at=unix_seconds(run.started_at),
            ended_at=unix_seconds(run.ended_at),
            outcome=run.outcome,
            reason=run.reason,
        )
