"""Which queued job a worker gets: priority, then fair share between projects, then age; and only one that fits it.

The oldest job that fits is passed over fewer than PATIENCE times, whatever its priority: so no stream of urgent jobs,
and no crowd of other projects, keeps a job waiting for ever.  The job's row counts that, as workers come and go.

Claims take turns under an advisory lock.  They are rare and take a millisecond, and so the limit of jobs at once
is exact, however many workers ask together.
"""

from sqlalchemy import func, null, select, text, update
from sqlalchemy.orm import Session

from core import workers
from core.machine import Device
from core.models import Job, Project, Worker

PATIENCE = 8
"""The oldest job gets at least every so many-th of the claims that it fits."""
_LOCK = 7_305_017_247  # names claims among this database's advisory locks; migrations have the number before

_NEXT = """
WITH running AS (
    SELECT jobs.project, count(*) AS jobs, sum(extract(epoch FROM now() - runs.started_at)) AS seconds
    FROM jobs JOIN runs ON runs.job_id = jobs.id AND runs.attempt = jobs.attempt
    WHERE jobs.lease_token IS NOT NULL
    GROUP BY jobs.project
)
SELECT head.id, head.passed_over
FROM projects
LEFT JOIN running ON running.project = projects.name
CROSS JOIN LATERAL (
    SELECT id, priority, seq, passed_over
    FROM jobs
    WHERE project = projects.name AND status = 'queued' AND memory_bytes <= :memory_bytes
        AND (not_before IS NULL OR not_before <= now())
    ORDER BY {within}
    LIMIT 1
    FOR UPDATE SKIP LOCKED
) AS head
WHERE (max_running IS NULL OR coalesce(running.jobs, 0) < max_running)
    AND (gpu_hours IS NULL OR used_s + coalesce(running.seconds, 0) < gpu_hours * 3600)
ORDER BY {between}
LIMIT 1
"""
_BEST = text(
    _NEXT.format(
        within="priority DESC, seq",
        between="head.priority DESC, coalesce(running.jobs, 0) / weight, last_claim_at, head.seq",
    )
)
_OLDEST = text(_NEXT.format(within="seq", between="head.seq"))


def take_turn(session: Session) -> None:
    """Wait until no other claim is under way, and keep others waiting until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def next_job(session: Session, worker: str, device: Device) -> str | None:
    """The id of the job that the worker should take, locked; None when there is none for it.

    Moves the project to the end of the line, and clears where the job's last run got to.  The transaction must then
    open the run.
    """
    take_turn(session)
    workers.show(session, worker, device)
    job_id = _choose(session, device.memory_bytes)
    if job_id is None:
        return None
    session.execute(update(Job).where(Job.id == job_id).values(passed_over=0, stage=None, progress=null()))
    session.execute(update(Worker).where(Worker.name == worker).values(job_id=job_id))
    project = select(Job.project).where(Job.id == job_id).scalar_subquery()
    session.execute(update(Project).where(Project.name == project).values(last_claim_at=func.clock_timestamp()))
    return job_id


def fits_another(session: Session, device: Device) -> bool:
    """Whether a larger worker that is free would get a job; asked in the turn in which this one got none."""
    is_free = (Worker.job_id.is_(None), Worker.seen_at > func.now() - workers.ALIVE_FOR)
    larger = select(func.max(Worker.memory_bytes)).where(*is_free, Worker.memory_bytes > device.memory_bytes)
    memory_bytes = session.scalar(larger)
    return memory_bytes is not None and session.execute(_BEST, {"memory_bytes": memory_bytes}).first() is not None


def _choose(session: Session, memory_bytes: int) -> str | None:
    """The best job for a worker of this memory, or the oldest one when it has been passed over often enough."""
    best = session.execute(_BEST, {"memory_bytes": memory_bytes}).first()
    if best is None:
        return None
    oldest = session.execute(_OLDEST, {"memory_bytes": memory_bytes}).first()
    if oldest is None or oldest.id == best.id:  # none when a limit was lowered since the statement before
        return str(best.id)
    if oldest.passed_over >= PATIENCE - 1:
        return str(oldest.id)
    session.execute(update(Job).where(Job.id == oldest.id).values(passed_over=Job.passed_over + 1))
    return str(best.id)
