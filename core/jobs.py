"""Jobs as clients see them: creating, finding, listing, cancelling.  `core.runs` is the workers' side.

Every function takes a sync Session inside a transaction that the caller commits (the api uses
`AsyncSession.run_sync`).
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import Conflict, InvalidRequest, NotFound
from core.events import add_event
from core.ids import new_id
from core.models import Job
from core.spec import JobSpec
from core.states import FINAL, JobStatus, check_job_move


def replay(session: Session, key: str, body_sha256: str, *, project: str = "default") -> Job | None:
    """The job that this idempotency key made; InvalidRequest when it was made from another body."""
    first = session.scalar(select(Job).where(Job.project == project, Job.idempotency_key == key))
    if first is not None and first.body_sha256 != body_sha256:
        raise InvalidRequest(
            f"Idempotency-Key {key!r} was used for job {first.id} with another body: send the same body, or a new key",
            param="Idempotency-Key",
        )
    return first


def create(
    session: Session,
    spec: JobSpec,
    plan: dict[str, Any],
    *,
    project: str = "default",
    idempotency_key: str | None = None,
    body_sha256: str = "",
) -> Job:
    """Insert a queued job, or return the one that the same idempotency key and body made, were it just now."""
    statement = insert(Job).values(
        id=new_id("ftjob"),
        project=project,
        spec=spec.model_dump(mode="json"),
        plan=plan,
        priority=spec.priority,
        idempotency_key=idempotency_key,
        body_sha256=body_sha256,
        next_doorbell_at=func.now() + timedelta(seconds=15),
    )
    # A request with the same key that has yet to commit makes this statement wait for it.
    statement = statement.on_conflict_do_nothing(index_elements=["project", "idempotency_key"])
    job: Job | None = session.scalar(statement.returning(Job))
    if job is None:
        assert idempotency_key is not None, "only an idempotency key can conflict"
        first = replay(session, idempotency_key, body_sha256, project=project)
        assert first is not None, "jobs are never deleted"
        return first
    add_event(session, job.id, "job.created", f"Job created: {' -> '.join(s.name for s in spec.stages)}")
    return job


def get(session: Session, job_id: str) -> Job:
    """The job, or NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"no job {job_id!r}", param="job_id")
    return job


def page(
    session: Session, *, after: str | None, limit: int, status: JobStatus | None, metadata: dict[str, str]
) -> list[Job]:
    """Up to `limit + 1` jobs, newest first, starting behind job `after` (one more tells that there is more)."""
    query = select(Job).order_by(Job.seq.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(Job.seq < get(session, after).seq)
    if status is not None:
        query = query.where(Job.status == status)
    if metadata:
        query = query.where(Job.spec.contains({"metadata": metadata}))
    return list(session.scalars(query))


def request_cancel(session: Session, job_id: str) -> Job:
    """Cancel a queued job at once; ask the worker of a running one to stop.  Asking twice is fine."""
    job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if job is None:
        raise NotFound(f"no job {job_id!r}", param="job_id")
    if job.status in {JobStatus.CANCELLED, JobStatus.CANCELLING}:
        return job
    if job.status in FINAL:
        raise Conflict(f"job {job_id} has already {job.status}: there is nothing to cancel")
    target = JobStatus.CANCELLED if job.status == JobStatus.QUEUED else JobStatus.CANCELLING
    check_job_move(job_id, job.status, target)
    job.status, job.cancel_requested = target, True
    if target == JobStatus.CANCELLED:
        job.finished_at = func.now()
    add_event(session, job_id, f"job.{target}", "Cancel requested")
    session.flush()
    session.refresh(job)
    return job
