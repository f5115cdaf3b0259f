"""Fine-tuning jobs: `client.fine_tuning.jobs` of OpenAI's SDK, over the jobs of `/jobs`."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Query, Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from api import queries
from api.access import CallerDep
from api.db import transaction
from api.deps import AfterId, IdempotencyKey, Limit, SessionDep
from api.doorbell import ring
from api.examples import FINE_TUNING_JOB_EXAMPLES
from api.metadata_filter import METADATA_FILTER, metadata_filter
from api.openai.checkpoints import JobCheckpoint, newest_checkpoints
from api.openai.create import CreateJob, spec_of
from api.openai.events import JobEvent, newest_events
from api.openai.job_view import FineTuningJob
from api.openai.reading import facts_of
from api.schemas.errors import ErrorBody
from api.schemas.lists import Page
from api.submission import earlier, submit
from core import jobs
from core.idempotency import digest
from core.models import Job

router = APIRouter(prefix="/fine_tuning/jobs", tags=["openai: fine-tuning"])
ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "No such job"}}
CHANGES: dict[int | str, dict[str, Any]] = {
    **ABSENT,
    409: {"model": ErrorBody, "description": "The job's state forbids it; not to be retried"},
}
EventLimit = Annotated[int, Query(ge=1, le=1000, description="entries at most")]


@router.post("", responses={413: {"model": ErrorBody, "description": "The body is over the limit"}})
async def create(
    body: Annotated[CreateJob, Body(openapi_examples=FINE_TUNING_JOB_EXAMPLES)],
    request: Request,
    caller: CallerDep,
    after_answer: BackgroundTasks,
    idempotency_key: IdempotencyKey = None,
) -> FineTuningJob:
    """Queue a job of one stage, or of those in `tunesmith.stages`."""
    asked = digest(body)
    job = None if idempotency_key is None else await earlier(idempotency_key, asked, caller.project)
    if job is None:
        spec = await spec_of(body, request.app.state.scans, caller.project)
        made = await submit(spec, asked, request, after_answer, caller, idempotency_key)
        job = made.job
    async with transaction(caller.project) as session:
        return await _view(session, job)


@router.get("", openapi_extra={"parameters": [METADATA_FILTER]}, responses=ABSENT)
async def list_jobs(
    request: Request, session: SessionDep, after: AfterId = None, limit: Limit = 20
) -> Page[FineTuningJob]:
    """The newest first; `metadata[key]=value` keeps the jobs that carry it."""
    wanted = metadata_filter(request)
    rows = await session.run_sync(lambda sync: jobs.page(sync, after=after, limit=limit, status=None, metadata=wanted))
    facts = await facts_of(session, rows)
    return Page.of([FineTuningJob.of(job, known) for job, known in zip(rows, facts, strict=True)], limit)


@router.get("/{job_id}", responses=ABSENT)
async def retrieve(job_id: str, session: SessionDep) -> FineTuningJob:
    return await _view(session, await queries.get_job(session, job_id))


@router.post("/{job_id}/cancel", responses=CHANGES)
async def cancel(job_id: str, session: SessionDep) -> FineTuningJob:
    """Cancel a job; one that runs stops at its next step.  Asking twice is fine."""
    return await _changed(session, jobs.cancel, job_id)


@router.post("/{job_id}/pause", responses=CHANGES)
async def pause(job_id: str, session: SessionDep) -> FineTuningJob:
    """Hold a job back; one that runs saves a checkpoint at its next step and stops.  Asking twice is fine."""
    return await _changed(session, jobs.pause, job_id)


@router.post("/{job_id}/resume", responses=CHANGES)
async def resume(job_id: str, request: Request, session: SessionDep, after_answer: BackgroundTasks) -> FineTuningJob:
    """Queue a paused job again; it goes on from its last checkpoint.  Asking twice is fine."""
    after_answer.add_task(ring, request.app.state.rings)
    return await _changed(session, jobs.resume, job_id)


@router.get("/{job_id}/events", responses=ABSENT)
async def list_events(
    job_id: str, session: SessionDep, after: AfterId = None, limit: EventLimit = 20
) -> Page[JobEvent]:
    """What happened, and every step's metrics, the newest first."""
    job = await queries.get_job(session, job_id)
    return Page.of(await newest_events(session, job, after, limit + 1), limit)


@router.get("/{job_id}/checkpoints", responses=ABSENT)
async def list_checkpoints(
    job_id: str, session: SessionDep, after: AfterId = None, limit: Limit = 10
) -> Page[JobCheckpoint]:
    """The models that the stages have made so far, the newest first."""
    job = await queries.get_job(session, job_id)
    return Page.of(await newest_checkpoints(session, job, after, limit + 1), limit)


async def _changed(session: AsyncSession, change: Callable[[Session, str], Job], job_id: str) -> FineTuningJob:
    return await _view(session, await session.run_sync(change, job_id))


async def _view(session: AsyncSession, job: Job) -> FineTuningJob:
    [facts] = await facts_of(session, [job])
    return FineTuningJob.of(job, facts)
