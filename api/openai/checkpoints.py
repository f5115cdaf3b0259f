"""A job's checkpoints as OpenAI has them: models that are ready to use, which here is the model of every stage.

What a run resumes from is no such thing: it cannot be served, and goes when its stage has ended.
"""

from typing import Literal

from pydantic import BaseModel, Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.times import unix_seconds
from core.errors import NotFound
from core.job_steps import steps_before
from core.models import Evaluation, Job, Metric, Model
from core.training_results import validation_loss


class CheckpointMetrics(BaseModel):
    step: int
    train_loss: float | None = Field(description="of the last step")
    full_valid_loss: float | None = Field(description="of all held-out chat rows; null where there are none")


class JobCheckpoint(BaseModel):
    """The model that a stage has made."""

    id: str
    object: Literal["fine_tuning.job.checkpoint"] = "fine_tuning.job.checkpoint"
    created_at: int
    fine_tuned_model_checkpoint: str
    fine_tuning_job_id: str
    metrics: CheckpointMetrics
    step_number: int = Field(description="counted through all stages")


async def newest_checkpoints(session: AsyncSession, job: Job, after: str | None, limit: int) -> list[JobCheckpoint]:
    """Up to `limit` of them, the newest first, behind the one whose id is `after`; those that were removed are not."""
    query = select(Model).where(Model.job_id == job.id, Model.removed_at.is_(None)).order_by(Model.seq.desc())
    models = list(await session.scalars(query))
    if after is not None:
        ids = [_checkpoint_id(job.id, model.stage) for model in models]
        if after not in ids:
            raise NotFound(f"after is {after!r}: job {job.id} has no checkpoint of that id", param="after")
        models = models[ids.index(after) + 1 :]
    return [await _checkpoint(session, job, model) for model in models[:limit]]


async def _checkpoint(session: AsyncSession, job: Job, model: Model) -> JobCheckpoint:
    query = select(Metric).where(Metric.job_id == job.id, Metric.stage == model.stage)
    last = await session.scalar(query.order_by(Metric.step.desc()).limit(1))
    measured = await session.get(Evaluation, (job.id, model.stage))
    step = steps_before(job.plan)[model.stage] + (0 if last is None else last.step)
    return JobCheckpoint(
        id=_checkpoint_id(job.id, model.stage),
        created_at=unix_seconds(model.created_at),
        fine_tuned_model_checkpoint=model.id,
        fine_tuning_job_id=job.id,
        metrics=CheckpointMetrics(
            step=step,
            train_loss=None if last is None else last.loss,
            full_valid_loss=validation_loss(measured),
        ),
        step_number=step,
    )


def _checkpoint_id(job_id: str, stage: str) -> str:
    return f"ftckpt_{job_id.removeprefix('ftjob-')}-{stage}"
