"""What the api answers with.  Times are Unix seconds; lists are OpenAI's, paged by the id of their last entry."""

from datetime import datetime
from typing import Any, Generic, Literal, Self, TypeVar, overload

from pydantic import BaseModel, Field

from core.forecast import shown
from core.job_files import Artefact, Kind
from core.memory import GIB
from core.models import Deployment, Event, Job, Metric, Model, Run, Worker
from core.settings import get_settings
from core.stalls import stalled
from core.states import DeploymentStatus, JobStatus


class ErrorDetail(BaseModel):
    message: str
    type: str
    param: str | None
    code: str


class ErrorBody(BaseModel):
    """Every error of the api."""

    error: ErrorDetail


Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """A part of a list.  With `has_more`, ask again with `after` set to `last_id`."""

    object: Literal["list"] = "list"
    data: list[Item]
    first_id: str | int | None
    last_id: str | int | None
    has_more: bool

    @classmethod
    def of(cls, items: list[Item], limit: int, key: str = "id") -> Self:
        """The page of `items`, which were asked for with one more than `limit` to see whether there is more."""
        shown = items[:limit]
        ids = [getattr(item, key) for item in shown]
        return cls(
            data=shown,
            first_id=ids[0] if ids else None,
            last_id=ids[-1] if ids else None,
            has_more=len(items) > limit,
        )


class Listing(BaseModel, Generic[Item]):
    """A list that is always short enough to be given whole."""

    object: Literal["list"] = "list"
    data: list[Item]


class PlannedStage(BaseModel):
    name: str
    rows: int | None = Field(description="rows to train on; null until a hub data set has been read")
    steps: int | None = Field(description="optimiser steps over these rows")
    effective_batch: int = Field(description="rows per optimiser step")


class Plan(BaseModel):
    """What the job comes to."""

    stages: list[PlannedStage]
    total_steps: int | None


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


class ProjectChange(BaseModel, extra="forbid"):
    """What to set; what is left out stays, and null lifts a limit."""

    weight: float = Field(1.0, gt=0, le=1000, description="a project of weight 2 gets twice the workers of one of 1")
    max_running: int | None = Field(None, ge=0, description="jobs at once")
    gpu_hours: float | None = Field(None, ge=0, description="hours of workers in all; running jobs are paused there")


class ProjectView(BaseModel):
    """A project, its limits and what it has used."""

    name: str
    object: Literal["project"] = "project"
    weight: float
    max_running: int | None
    gpu_hours: float | None
    used_gpu_hours: float


class WorkerView(BaseModel):
    """A worker as it last showed itself."""

    name: str
    object: Literal["worker"] = "worker"
    device: str
    memory_gb: float
    job_id: str | None
    seen_at: int

    @classmethod
    def of(cls, worker: Worker) -> Self:
        return cls(
            name=worker.name,
            device=worker.device,
            memory_gb=round(worker.memory_bytes / GIB, 1),
            job_id=worker.job_id,
            seen_at=unix_seconds(worker.seen_at),
        )


class EventView(BaseModel):
    """Something that happened to a job."""

    id: int
    object: Literal["job.event"] = "job.event"
    created_at: int
    type: str
    level: str
    message: str
    attempt: int
    data: dict[str, Any] | None

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            id=event.id,
            created_at=unix_seconds(event.created_at),
            type=event.type,
            level=event.level,
            message=event.message,
            attempt=event.attempt,
            data=event.data,
        )


class MetricView(BaseModel):
    """One logged optimiser step."""

    object: Literal["job.metric"] = "job.metric"
    stage: str
    step: int
    attempt: int
    at: int
    epoch: float
    loss: float | None
    grad_norm: float | None
    learning_rate: float
    tokens: int = Field(description="trained on so far in this stage")
    tokens_per_s: float
    step_s: float

    @classmethod
    def of(cls, metric: Metric) -> Self:
        values = {name: getattr(metric, name) for name in cls.model_fields if name not in {"object", "at"}}
        return cls(at=unix_seconds(metric.at), **values)


class Scorecard(BaseModel):
    """The scores of the base model and of every stage's model, measured on the served endpoint."""

    object: Literal["job.scorecard"] = "job.scorecard"
    job_id: str
    stages: dict[str, dict[str, Any]] = Field(description="`base` first, then the stages in order")


class ModelView(BaseModel):
    """A model that can be deployed, or could be until it was removed."""

    id: str
    object: Literal["model"] = "model"
    job_id: str | None
    stage: str
    base_model: str
    location: str = Field(description="folder, below storage unless absolute")
    manifest: dict[str, Any]
    created_at: int
    removed_at: int | None = Field(description="when its files went, by its job's `keep` rules; null while it is there")

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(
            id=model.id,
            job_id=model.job_id,
            stage=model.stage,
            base_model=model.base_model,
            location=model.location,
            manifest=model.manifest,
            created_at=unix_seconds(model.created_at),
            removed_at=unix_seconds(model.removed_at),
        )


class DeploymentRequest(BaseModel, extra="forbid"):
    model: str = Field(min_length=1, max_length=500, description="id of a model in GET /models")


class DeploymentView(BaseModel):
    """A wish that the endpoint serves a model under `alias`, and what became of it."""

    id: str
    object: Literal["deployment"] = "deployment"
    alias: str
    model: str
    job_id: str | None
    status: DeploymentStatus
    strategy: str | None
    timings: dict[str, Any] | None
    error: str | None
    created_at: int
    live_at: int | None

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls(
            id=deployment.id,
            alias=deployment.alias,
            model=deployment.model_id,
            job_id=deployment.job_id,
            status=deployment.status,
            strategy=deployment.strategy,
            timings=deployment.timings,
            error=deployment.error,
            created_at=unix_seconds(deployment.created_at),
            live_at=unix_seconds(deployment.live_at),
        )


class ArtefactView(BaseModel):
    """Something that a job has on disk."""

    object: Literal["job.artefact"] = "job.artefact"
    kind: Kind
    stage: str
    location: str = Field(description="file or folder, below storage")
    size_bytes: int

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        return cls(
            kind=artefact.kind,
            stage=artefact.stage,
            location=str(artefact.path.relative_to(get_settings().storage_path)),
            size_bytes=artefact.size_bytes,
        )


class JobSize(BaseModel):
    job_id: str
    size_bytes: int = Field(description="its folder and its merged models")


class StorageView(BaseModel):
    """How full the storage's disk is, and with what.  A size is the sum of the files' lengths."""

    object: Literal["storage"] = "storage"
    total_bytes: int = Field(description="of the disk that holds the storage")
    free_bytes: int
    jobs_bytes: int = Field(description="checkpoints, adapters, prepared rows, logs")
    models_bytes: int = Field(description="merged models")
    data_bytes: int = Field(description="the data sets below DATA_ROOT, which may be on another disk")
    cache_bytes: int
    trash_bytes: int = Field(description="removed, and deleted at the next sweep if not by now")
    largest_jobs: list[JobSize] = Field(description="at most ten, the largest first")
    measured_at: int


class Health(BaseModel):
    status: Literal["ok", "unavailable"]
    database: Literal["ok", "unavailable"]


@overload
def unix_seconds(moment: datetime) -> int: ...
@overload
def unix_seconds(moment: None) -> None: ...
def unix_seconds(moment: datetime | None) -> int | None:
    """Whole seconds since 1970, as OpenAI's objects have them."""
    return None if moment is None else int(moment.timestamp())
