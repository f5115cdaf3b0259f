"""A job as OpenAI's FineTuningJob: another view of the row that `GET /jobs/{job_id}` shows.

Of several stages the last one counts, as it makes the model.
"""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.openai.hyperparameters import UsedHyperparameters
from api.openai.reading import Facts
from api.schemas.jobs import JobView
from core.models import Job
from core.spec import FILE_ID
from core.states import FINAL, JobStatus

Status = Literal[
    "validating_files", "queued", "running", "pausing", "paused", "succeeded", "failed", "cancelled"
]  # fmt: skip
STATUSES: dict[JobStatus, Status] = {
    JobStatus.QUEUED: "queued",
    JobStatus.PREPARING: "validating_files",
    JobStatus.TRAINING: "running",
    JobStatus.MERGING: "running",
    JobStatus.DEPLOYING: "running",
    JobStatus.EVALUATING: "running",
    JobStatus.CANCELLING: "cancelled",
    JobStatus.PAUSING: "pausing",
    JobStatus.PAUSED: "paused",
    JobStatus.SUCCEEDED: "succeeded",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}
"""`cancelling` leads nowhere else, and OpenAI's clients look for `cancelled` in the answer of `cancel`."""
OF_THE_TRAINING_FILE = {"bad_data"}
"""Codes of errors that stem from the rows."""


class JobError(BaseModel):
    code: str
    message: str
    param: str | None


class SupervisedUsed(BaseModel):
    hyperparameters: UsedHyperparameters


class MethodUsed(BaseModel):
    type: Literal["supervised"] = "supervised"
    supervised: SupervisedUsed


class FineTuningJob(BaseModel):
    """The job, and under `tunesmith` all that OpenAI has no field for."""

    id: str
    object: Literal["fine_tuning.job"] = "fine_tuning.job"
    created_at: int
    error: JobError | None = Field(description="why it failed, and what to do about it")
    fine_tuned_model: str | None = Field(description="null until it has succeeded")
    finished_at: int | None
    hyperparameters: UsedHyperparameters
    model: str
    organization_id: str = Field(description="the project")
    result_files: list[str] = Field(description="one CSV once it has succeeded")
    status: Status
    trained_tokens: int | None = Field(description="over all epochs; null until it has ended")
    training_file: str = Field(description="id of an uploaded file, or whatever else names the rows")
    validation_file: str | None
    seed: int
    estimated_finish: int | None = Field(description="the latest time that is expected; null when none is")
    integrations: list[dict[str, Any]] = Field(description="none is offered")
    metadata: dict[str, str]
    method: MethodUsed
    tunesmith: JobView = Field(description="the same job as GET /jobs/{job_id} shows it")

    @classmethod
    def of(cls, job: Job, facts: Facts) -> Self:
        spec, view = job.spec, JobView.of(job, list(facts.models.values()))
        last = spec["stages"][-1]
        used = UsedHyperparameters.of(last)
        expected_end = view.expected_end if job.status not in FINAL else None
        return cls(
            id=job.id,
            created_at=view.created_at,
            error=_error(job.error),
            fine_tuned_model=facts.models.get(last["name"]) if job.status == JobStatus.SUCCEEDED else None,
            finished_at=view.finished_at,
            hyperparameters=used,
            model=facts.base_name,
            organization_id=job.project,
            result_files=facts.result_files,
            status=STATUSES[job.status],
            trained_tokens=facts.trained_tokens if job.status in FINAL else None,
            training_file=_training_source(spec),
            validation_file=_validation_source(spec),
            seed=spec["seed"],
            estimated_finish=expected_end[1] if expected_end else None,
            integrations=[],
            metadata=view.metadata,
            method=MethodUsed(supervised=SupervisedUsed(hyperparameters=used)),
            tunesmith=view,
        )


def _error(error: dict[str, Any] | None) -> JobError | None:
    if error is None:
        return None
    remedy = f". What to do: {error['remedy']}" if error.get("remedy") else ""
    param = "training_file" if error["code"] in OF_THE_TRAINING_FILE else None
    return JobError(code=error["code"], message=f"{error['message']}{remedy}", param=param)


def _training_source(spec: dict[str, Any]) -> str:
    """Of the last stage that trains on an uploaded file; of the last one where none does."""
    sources = [str(stage["data"]["source"]) for stage in spec["stages"]]
    uploaded = [source for source in sources if FILE_ID.fullmatch(source)]
    return (uploaded or sources)[-1]


def _validation_source(spec: dict[str, Any]) -> str | None:
    evaluation = spec.get("evaluation") or {}
    data = evaluation.get("chat") or evaluation.get("tools")
    return data and data["source"]
