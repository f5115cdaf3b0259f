"""The metrics of a job, step by step."""

from typing import Annotated

from fastapi import APIRouter, Query

from api import queries
from api.deps import SessionDep
from api.schemas.errors import ErrorBody
from api.schemas.lists import Listing, Page
from api.schemas.results import MetricView
from core.errors import InvalidRequest
from core.health import Health

router = APIRouter(prefix="/jobs/{job_id}", tags=["jobs"], responses={404: {"model": ErrorBody}})


@router.get("/metrics")
async def list_metrics(
    job_id: str,
    session: SessionDep,
    stage: Annotated[str | None, Query(description="only this stage")] = None,
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="a step of `stage`; starts behind it")] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> Page[MetricView]:
    """Loss, grad_norm, learning rate and tokens/s of every logged step, stage by stage."""
    job = await queries.get_job(session, job_id)
    names = queries.stage_names(job)
    if stage is not None and stage not in names:
        raise InvalidRequest(f"stage is {stage!r}: this job has {', '.join(names)}", param="stage")
    if after is not None and stage is None:
        raise InvalidRequest("after is a step of one stage: give `stage` too", param="after")
    rows = await queries.metrics_after(session, job, stage, -1 if after is None else after, limit + 1)
    return Page.of([MetricView.of(row) for row in rows], limit, key="step")


@router.get("/health")
async def get_health(job_id: str, session: SessionDep) -> Listing[Health]:
    """The verdict on the training of each stage that has begun: what looks wrong, since which step, and what to do."""
    return Listing(data=await queries.health(session, await queries.get_job(session, job_id)))
