"""Queueing a job: admitted, stored in one statement, and rung for; the same for every way of asking for one."""

import logging
from dataclasses import dataclass

from fastapi import BackgroundTasks, Request

from api.access import Caller
from api.admission import admit
from api.db import first_row, transaction
from api.doorbell import ring
from api.quotas import check_job
from core import jobs
from core.ids import new_id
from core.jobs import NewJob
from core.models import Job
from core.spec import JobSpec

log = logging.getLogger("api")


@dataclass(frozen=True)
class Submitted:
    """The job, and whether this request made it."""

    job: Job
    is_new: bool


async def submit(
    spec: JobSpec,
    body_sha256: str,
    request: Request,
    after_answer: BackgroundTasks,
    caller: Caller,
    idempotency_key: str | None,
    rerun_of: str | None = None,
) -> Submitted:
    """The job that was made, or the one that the same idempotency key and body made before, were it just now."""
    project = caller.project
    if idempotency_key is not None and (first := await earlier(idempotency_key, body_sha256, project)) is not None:
        return Submitted(first, is_new=False)
    await check_job(request, caller)
    admitted = await admit(spec, request.app.state.scans, project)
    new = NewJob(
        new_id("ftjob"),
        spec,
        admitted.plan,
        admitted.memory_bytes,
        project,
        idempotency_key,
        body_sha256,
        caller.change,
        rerun_of,
    )
    row = await first_row(jobs.INSERT_JOB, new.parameters())
    if row is None:  # another request was faster, with the same key, or in deleting a file that the job reads
        async with transaction(project) as session:
            return Submitted(await session.run_sync(jobs.not_made, new), is_new=False)
    log.info("job.created job_id=%s base_model=%s", new.job_id, spec.base_model)
    after_answer.add_task(ring, request.app.state.rings)
    return Submitted(new.row(row.created_at), is_new=True)


async def earlier(idempotency_key: str, body_sha256: str, project: str) -> Job | None:
    """The job that the key made; InvalidRequest when it was made from another body."""
    async with transaction(project) as session:
        return await session.run_sync(lambda sync: jobs.replay(sync, idempotency_key, body_sha256, project=project))
