"""What the api reads besides jobs: events, metrics, models, deployments.  Lists go by key, never OFFSET."""

from typing import Any, TypeVar

import anyio.to_thread
from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from api.db import first_row
from api.schemas.jobs import JobView
from core.errors import NotFound
from core.health import Health, Step, verdict
from core.models import AuditEntry, Deployment, Evaluation, Event, Job, Key, Metric, Model, Run
from core.spec import StageSpec

Row = TypeVar("Row", Model, Deployment, Key, AuditEntry)


async def get_job(session: AsyncSession, job_id: str) -> Job:
    """The job, or NotFound."""
    job = await session.get(Job, job_id)
    if job is None:
        raise _no_job(job_id)
    return job


async def job_views(session: AsyncSession, jobs: list[Job]) -> list[JobView]:
    """The jobs as answered, with the models they made; one query for all of them."""
    query = select(Model.job_id, Model.id).where(Model.job_id.in_([job.id for job in jobs])).order_by(Model.seq)
    models: dict[str | None, list[str]] = {}
    for job_id, model_id in await session.execute(query):
        models.setdefault(job_id, []).append(model_id)
    return [JobView.of(job, models.get(job.id, [])) for job in jobs]


# Named, not `*`: a statement that is prepared would fail for ever once a migration has added a column.
_COLUMNS = ", ".join(f"jobs.{column.name}" for column in Job.__table__.columns)
_JOB = f"""
SELECT {_COLUMNS}, ARRAY(SELECT models.id FROM models WHERE models.job_id = jobs.id ORDER BY seq) AS result_models
FROM jobs
WHERE id = %(job_id)s AND (CAST(%(within)s AS text) IS NULL OR project = %(within)s)
"""


async def stored_job_view(job_id: str, within: str | None) -> JobView:
    """The job as answered, or NotFound when the project has no such job; with None it may be of any."""
    row = await first_row(_JOB, {"job_id": job_id, "within": within})
    if row is None:
        raise _no_job(job_id)
    return JobView.of(row, row.result_models)


def _no_job(job_id: str) -> NotFound:
    return NotFound(f"no job {job_id!r}: GET /jobs lists those there are", param="job_id")


async def job_view(session: AsyncSession, job: Job) -> JobView:
    """One job as answered."""
    [view] = await job_views(session, [job])
    return view


async def runs(session: AsyncSession, job: Job) -> list[Run]:
    """The attempts at the job, the first one first."""
    return list(await session.scalars(select(Run).where(Run.job_id == job.id).order_by(Run.attempt)))


async def events_after(session: AsyncSession, job_id: str, after: int, limit: int) -> list[Event]:
    """Up to `limit` events of the job behind event `after`, the oldest first."""
    query = select(Event).where(Event.job_id == job_id, Event.id > after).order_by(Event.id).limit(limit)
    return list(await session.scalars(query))


async def metrics_after(session: AsyncSession, job: Job, stage: str | None, after: int, limit: int) -> list[Metric]:
    """Up to `limit` metrics, in order of the spec's stages and then of their steps."""
    found: list[Metric] = []
    for name in [stage] if stage else stage_names(job):
        query = select(Metric).where(Metric.job_id == job.id, Metric.stage == name, Metric.step > after)
        found += await session.scalars(query.order_by(Metric.step).limit(limit - len(found)))
        if len(found) == limit:
            break
    return found


async def health(session: AsyncSession, job: Job) -> list[Health]:
    """The verdict on the training of each stage that has begun, from its metrics as they are now."""
    planned_steps = {stage["name"]: stage["steps"] for stage in job.plan["stages"]}
    judged = []
    for stage in map(StageSpec.model_validate, job.spec["stages"]):
        rows = await session.execute(
            select(Metric.step, Metric.epoch, Metric.loss, Metric.grad_norm, Metric.learning_rate)
            .where(Metric.job_id == job.id, Metric.stage == stage.name)
            .order_by(Metric.step)
        )
        if steps := [Step.model_validate(row) for row in rows]:
            # In a thread: the rules take a tenth of a second for the steps of the whole recipe.
            judged.append(await anyio.to_thread.run_sync(verdict, steps, stage, planned_steps.get(stage.name)))
    return judged


async def model_scores(session: AsyncSession, model_id: str) -> dict[str, Any] | None:
    """The newest scores of a model; None before it was measured."""
    query = select(Evaluation.scores).where(Evaluation.model_id == model_id).order_by(Evaluation.created_at.desc())
    return await session.scalar(query.limit(1))


def stage_names(job: Job) -> list[str]:
    """The names of the job's stages, in order."""
    return [stage["name"] for stage in job.spec["stages"]]


async def newest(
    session: AsyncSession, table: type[Row], after: str | None, limit: int, *only: ColumnElement[bool]
) -> list[Row]:
    """Up to `limit` rows, the newest first, starting behind the row whose id is `after`."""
    query = select(table).where(*only).order_by(table.seq.desc()).limit(limit)
    if after is not None:
        last = await session.get(table, after)
        if last is None:
            raise NotFound(f"after is {after!r}: there is no {table.__name__.lower()} of that id", param="after")
        query = query.where(table.seq < last.seq)
    return list(await session.scalars(query))
