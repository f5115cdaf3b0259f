"""`python -m bench.floor`: the api with nothing stored, which is as fast as its two job routes could ever be.

The same application, middleware, key, schema, admission and answers; only what Postgres and the broker would do is
left out: a job is kept in memory for a moment, and nobody is told.
"""

from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Body, Depends, FastAPI, Request

from api.__main__ import serve
from api.access import CallerDep, needs
from api.admission import admit
from api.app import create_app
from api.examples import JOB_EXAMPLES
from api.schemas.jobs import JobView
from core.access import Scope
from core.errors import NotFound
from core.ids import new_id
from core.models import Job
from core.spec import JobSpec
from core.states import JobStatus

KEPT = 1000
router = APIRouter(prefix="/jobs", dependencies=[Depends(needs(Scope.TRAIN))])
_jobs: dict[str, Job] = {}


@router.post("", status_code=201)
async def create_job(
    spec: Annotated[JobSpec, Body(openapi_examples=JOB_EXAMPLES)], request: Request, caller: CallerDep
) -> JobView:
    body = spec.model_dump_json()
    admitted = await admit(spec, request.app.state.scans, caller.project)
    job = Job(
        id=new_id("ftjob"),
        project=caller.project,
        status=JobStatus.QUEUED,
        spec=spec.model_dump(mode="json"),
        plan=admitted.plan,
        priority=spec.priority,
        memory_bytes=admitted.memory_bytes,
        attempt=0,
        created_at=datetime.now(UTC),
        body_sha256=sha256(body.encode()).hexdigest(),
    )
    if len(_jobs) < KEPT:
        _jobs[job.id] = job
    return JobView.of(job, result_models=[])


@router.get("/{job_id}")
async def get_job(job_id: str) -> JobView:
    job = _jobs.get(job_id)
    if job is None:
        raise NotFound(f"no job {job_id!r}", param="job_id")
    return JobView.of(job, result_models=[])


def create_floor() -> FastAPI:
    """The application with these two routes before its own."""
    app = create_app()
    app.include_router(router)
    app.router.routes.insert(0, app.router.routes.pop())
    return app


if __name__ == "__main__":
    serve(create_floor())
