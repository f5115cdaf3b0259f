"""Jobs as clients see them: creating, finding, listing, and the wishes: cancel, pause, resume, retry.

`core.runs` is the workers' side.  Every function takes a sync Session inside a transaction that the caller commits
(the api uses `AsyncSession.run_sync`).
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from sqlalchemy import func, literal_column, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from core import audit, files
from core.audit import Change
from core.errors import Conflict, NotFound, StillStopping
from core.events import add_event
from core.idempotency import check_body
from core.ids import new_id
from core.models import Job
from core.projects import DEFAULT
from core.spec import JobSpec
from core.states import FINAL, HELD, WORKING, JobStatus, check_job_move


def replay(session: Session, key: str, body_sha256: str, *, project: str = DEFAULT) -> Job | None:
    """The job that this idempotency key made; InvalidRequest when it was made from another body."""
    first = session.scalar(select(Job).where(Job.project == project, Job.idempotency_key == key))
    if first is not None:
        check_body(key, body_sha256, first.body_sha256, f"job {first.id}")
    return first


@dataclass(frozen=True)
class NewJob:
    """A job that is about to be queued, and the one statement that stores it, its event and its project.

    The statement returns the time of creation, or no row when the idempotency key has made a job already, or when an
    uploaded file that the job reads is not there; a request with the same key that has yet to commit makes it wait,
    and so does one that deletes such a file.
    """

    job_id: str
    spec: JobSpec
    plan: dict[str, Any]
    memory_bytes: int
    project: str
    idempotency_key: str | None
    body_sha256: str
    change: Change | None = None
    """What the audit log shall say."""
    rerun_of: str | None = None
    """The job that this one repeats."""

    def parameters(self) -> dict[str, Any]:
        """Of INSERT_JOB."""
        entry = {} if self.change is None else audit.row(self.change, self.job_id)
        again = "" if self.rerun_of is None else f", a rerun of {self.rerun_of}"
        return {
            **{f"audit_{column}": entry.get(column) for column in _AUDITED},
            "id": self.job_id,
            "project": self.project,
            "spec": self.spec.model_dump_json(),
            "plan": json.dumps(self.plan),
            "priority": self.spec.priority,
            "memory_bytes": self.memory_bytes,
            "idempotency_key": self.idempotency_key,
            "body_sha256": self.body_sha256,
            "file_ids": self.spec.file_ids,
            "rerun_of": self.rerun_of,
            "message": f"Job created{again}: {' -> '.join(stage.name for stage in self.spec.stages)}",
        }

    def row(self, created_at: datetime) -> Job:
        """The job as it now stands in the table."""
        return Job(
            id=self.job_id,
            project=self.project,
            status=JobStatus.QUEUED,
            spec=self.spec.model_dump(mode="json"),
            plan=self.plan,
            priority=self.spec.priority,
            memory_bytes=self.memory_bytes,
            created_at=created_at,
            attempt=0,
            failures=0,
            idempotency_key=self.idempotency_key,
            body_sha256=self.body_sha256,
            rerun_of=self.rerun_of,
        )


_AUDITED = ("id", "project", "key", "action", "outcome", "request_id", "address")
INSERT_JOB: LiteralString = """
WITH project AS (
    INSERT INTO projects (name) VALUES (%(project)s) ON CONFLICT DO NOTHING
), input AS (
    SELECT id FROM files
    WHERE id = ANY(CAST(%(file_ids)s AS text[])) AND project = %(project)s AND deleted_at IS NULL
    ORDER BY id FOR KEY SHARE
), made AS (
    INSERT INTO jobs
        (id, project, spec, plan, priority, memory_bytes, idempotency_key, body_sha256, rerun_of, next_doorbell_at)
    SELECT
        %(id)s, %(project)s, CAST(%(spec)s AS jsonb), CAST(%(plan)s AS jsonb), %(priority)s, %(memory_bytes)s,
        %(idempotency_key)s, %(body_sha256)s, %(rerun_of)s, now() + interval '15 seconds'
    WHERE (SELECT count(*) FROM input) = cardinality(CAST(%(file_ids)s AS text[]))
    ON CONFLICT (project, idempotency_key) DO NOTHING
    RETURNING id, created_at
), reads AS (
    INSERT INTO job_inputs (job_id, file_id) SELECT made.id, input.id FROM made CROSS JOIN input
), event AS (
    INSERT INTO events (job_id, type, message) SELECT id, 'job.created', %(message)s FROM made
), audited AS (
    INSERT INTO audit (id, project, key, action, thing, outcome, request_id, address)
    SELECT
        %(audit_id)s, %(audit_project)s, %(audit_key)s, %(audit_action)s, made.id, %(audit_outcome)s,
        %(audit_request_id)s, %(audit_address)s
    FROM made WHERE CAST(%(audit_id)s AS text) IS NOT NULL
)
SELECT created_at FROM made
"""


def create(
    session: Session,
    spec: JobSpec,
    plan: dict[str, Any],
    *,
    memory_bytes: int = 0,
    project: str = DEFAULT,
    idempotency_key: str | None = None,
    body_sha256: str = "",
) -> Job:
    """Insert a queued job, or return the one that the same idempotency key and body made, were it just now."""
    new = NewJob(new_id("ftjob"), spec, plan, memory_bytes, project, idempotency_key, body_sha256)
    created_at = session.connection().exec_driver_sql(INSERT_JOB, new.parameters()).scalar()
    if created_at is not None:
        return new.row(created_at)
    return not_made(session, new)


def not_made(session: Session, new: NewJob) -> Job:
    """Why the statement made no job: the one that the same idempotency key made, or FileNotThere."""
    first = None
    if new.idempotency_key is not None:
        first = replay(session, new.idempotency_key, new.body_sha256, project=new.project)
    if first is None:
        there = files.there(session, new.spec.file_ids)
        raise files.missing([each for each in new.spec.file_ids if each not in there], "stages")
    return first


def get(session: Session, job_id: str) -> Job:
    """The job, or NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise NotFound(f"no job {job_id!r}", param="job_id")
    return job


# Spelled as in its index: a key that came as a parameter would match the index in some plans only.
_METADATA = literal_column("(jobs.spec -> 'metadata')", JSONB)


def page(
    session: Session, *, after: str | None, limit: int, status: JobStatus | None, metadata: dict[str, str] | None
) -> list[Job]:
    """Up to `limit + 1` jobs, newest first, starting behind job `after` (one more tells that there is more).

    They carry the `metadata`; with None those that carry nothing are meant.
    """
    query = select(Job).order_by(Job.seq.desc()).limit(limit + 1)
    if after is not None:
        query = query.where(Job.seq < get(session, after).seq)
    if status is not None:
        query = query.where(Job.status == status)
    if metadata is None:
        query = query.where(_METADATA == {})
    elif metadata:
        query = query.where(_METADATA.contains(metadata))
    return list(session.scalars(query))


def cancel(session: Session, job_id: str) -> Job:
    """Cancel a waiting job at once; ask the worker of a running one to stop.  Asking twice is fine."""
    job = _locked(session, job_id)
    if job.status in {JobStatus.CANCELLED, JobStatus.CANCELLING}:
        return job
    if job.status in FINAL:
        raise Conflict(f"job {job_id} has already {job.status}: there is nothing to cancel")
    target = JobStatus.CANCELLING if job.status in HELD else JobStatus.CANCELLED
    return _moved(session, job, target, "Cancel requested")


def pause(session: Session, job_id: str, reason: str = "Pause requested") -> Job:
    """Hold back a queued job; ask the worker of a running one to save a checkpoint and stop.  Asking twice is fine."""
    job = _locked(session, job_id)
    if job.status in {JobStatus.PAUSED, JobStatus.PAUSING}:
        return job
    if job.status not in HELD | {JobStatus.QUEUED} or job.status == JobStatus.CANCELLING:
        raise Conflict(f"job {job_id} is {job.status}: only a queued or running job can be paused")
    return _moved(session, job, JobStatus.PAUSING if job.status in HELD else JobStatus.PAUSED, reason)


def resume(session: Session, job_id: str) -> Job:
    """Queue a paused job again, to go on from its last checkpoint.  One that was not paused goes on anyway.

    It waits no longer after an earlier failure, and its end is forecast anew: the pause was nobody's forecast.
    """
    job = _locked(session, job_id)
    if job.status == JobStatus.PAUSING:
        raise StillStopping(f"job {job_id} is still saving its checkpoint: resume it when it is paused, in a moment")
    if job.status == JobStatus.QUEUED or job.status in WORKING:
        return job
    if job.status != JobStatus.PAUSED:
        raise Conflict(
            f"job {job_id} is {job.status}: only a paused job can be resumed, a failed or cancelled one retried"
        )
    job.not_before, job.forecast = None, None
    return _moved(session, job, JobStatus.QUEUED, "Resume requested")


def retry(session: Session, job_id: str) -> Job:
    """Queue a failed or cancelled job again; what it finished, and its last checkpoint, are not done twice."""
    job = _locked(session, job_id)
    if job.status == JobStatus.CANCELLING:
        raise StillStopping(f"job {job_id} is still being cancelled: retry it when it is cancelled, in a moment")
    if job.status == JobStatus.QUEUED or job.status in WORKING:
        return job
    if job.status not in {JobStatus.FAILED, JobStatus.CANCELLED}:
        raise Conflict(f"job {job_id} is {job.status}: only a failed or cancelled job can be retried")
    files.check_inputs(session, job_id)
    job.failures, job.error, job.finished_at, job.not_before, job.forecast = 0, None, None, None, None
    return _moved(session, job, JobStatus.QUEUED, "Retry requested")


def _locked(session: Session, job_id: str) -> Job:
    job = session.scalar(select(Job).where(Job.id == job_id).with_for_update())
    if job is None:
        raise NotFound(f"no job {job_id!r}", param="job_id")
    return job


def _moved(session: Session, job: Job, target: JobStatus, message: str) -> Job:
    check_job_move(job.id, job.status, target)
    job.status, job.next_doorbell_at = target, func.now()
    if target == JobStatus.CANCELLED:
        job.finished_at = func.now()
    add_event(session, job.id, f"job.{target}", message)
    session.flush()
    session.refresh(job)
    return job
