"""Jobs: creating, listing, reading, cancelling, pausing, resuming, retrying."""

from typing import Annotated, Any

from fastapi import APIRouter, BackgroundTasks, Body, Query, Request

from api import queries
from api.access import CallerDep
from api.db import transaction
from api.deps import AfterId, IdempotencyKey, Limit, SessionDep
from api.doorbell import ring
from api.examples import JOB_EXAMPLES
from api.metadata_filter import METADATA_FILTER, metadata_filter
from api.schemas.errors import ErrorBody
from api.schemas.jobs import JobView, RerunRequest, RunView
from api.schemas.lists import Listing, Page
from api.submission import submit
from core import jobs, reruns
from core.idempotency import digest
from core.spec import JobSpec
from core.states import JobStatus

router = APIRouter(prefix="/jobs", tags=["jobs"])


@router.post(
    "",
    status_code=201,
    responses={413: {"model": ErrorBody, "description": "The body is over the limit"}},
)
async def create_job(
    spec: Annotated[JobSpec, Body(openapi_examples=JOB_EXAMPLES)],
    request: Request,
    caller: CallerDep,
    after_answer: BackgroundTasks,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Queue a fine-tuning job.  With nothing but `base_model` it is the whole two-stage recipe."""
    made = await submit(spec, digest(spec), request, after_answer, caller, idempotency_key)
    if made.is_new:
        return JobView.of(made.job, result_models=[])
    async with transaction(caller.project) as session:
        return await queries.job_view(session, made.job)


@router.get("", openapi_extra={"parameters": [METADATA_FILTER]})
async def list_jobs(
    request: Request,
    session: SessionDep,
    after: AfterId = None,
    limit: Limit = 20,
    status: Annotated[JobStatus | None, Query(description="only jobs in this state")] = None,
) -> Page[JobView]:
    """The newest first; `metadata[key]=value` keeps the jobs that carry it."""
    wanted = metadata_filter(request)
    rows = await session.run_sync(
        lambda sync: jobs.page(sync, after=after, limit=limit, status=status, metadata=wanted)
    )
    return Page.of(await queries.job_views(session, rows), limit)


@router.get("/{job_id}", responses={404: {"model": ErrorBody}})
async def get_job(job_id: str, caller: CallerDep) -> JobView:
    return await queries.stored_job_view(job_id, caller.within)


AS_IT_WAS = RerunRequest()
CHANGES: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody}, 409: {"model": ErrorBody}}


@router.post("/{job_id}/cancel", responses=CHANGES)
async def cancel_job(job_id: str, session: SessionDep) -> JobView:
    """Cancel a queued job at once; a running one stops at its next step.  Asking twice is fine."""
    return await queries.job_view(session, await session.run_sync(jobs.cancel, job_id))


@router.post("/{job_id}/pause", responses=CHANGES)
async def pause_job(job_id: str, session: SessionDep) -> JobView:
    """Hold a queued job back; a running one saves a checkpoint at its next step and stops.  Asking twice is fine."""
    return await queries.job_view(session, await session.run_sync(jobs.pause, job_id))


@router.post("/{job_id}/resume", responses=CHANGES)
async def resume_job(job_id: str, request: Request, session: SessionDep, after_answer: BackgroundTasks) -> JobView:
    """Queue a paused job again; it goes on from its last checkpoint.  Asking twice is fine."""
    after_answer.add_task(ring, request.app.state.rings)
    return await queries.job_view(session, await session.run_sync(jobs.resume, job_id))


@router.post("/{job_id}/retry", responses=CHANGES)
async def retry_job(job_id: str, request: Request, session: SessionDep, after_answer: BackgroundTasks) -> JobView:
    """Queue a failed or cancelled job again; what it finished stays done.  Asking twice is fine."""
    after_answer.add_task(ring, request.app.state.rings)
    return await queries.job_view(session, await session.run_sync(jobs.retry, job_id))


@router.post("/{job_id}/rerun", status_code=201, responses={**CHANGES, 422: {"model": ErrorBody}})
async def rerun_job(
    job_id: str,
    request: Request,
    caller: CallerDep,
    after_answer: BackgroundTasks,
    body: RerunRequest = AS_IT_WAS,
    idempotency_key: IdempotencyKey = None,
) -> JobView:
    """Queue a new job that makes the models of this one again: same data, base, seed and settings.

    What the manifests of its models say was read is pinned; `data_changed` names whatever is not the same any more.
    """
    async with transaction(caller.project) as session:
        spec = await session.run_sync(reruns.repeated, job_id, body.deploy)
    made = await submit(spec, f"{job_id}/{digest(body)}", request, after_answer, caller, idempotency_key, job_id)
    async with transaction(caller.project) as session:
        return await queries.job_view(session, made.job)


@router.get("/{job_id}/runs", responses={404: {"model": ErrorBody}})
async def list_runs(job_id: str, session: SessionDep) -> Listing[RunView]:
    """Every attempt at the job: on which worker, from when to when, and why it ended."""
    job = await queries.get_job(session, job_id)
    return Listing(data=[RunView.of(run) for run in await queries.runs(session, job)])
