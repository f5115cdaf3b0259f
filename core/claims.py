"""Which queued job a worker gets: priority, then fair share between projects, then age; and only one that fits it.

Every PATIENCE-th claim of a worker goes to the oldest job instead, whatever its priority: so no stream of urgent
jobs, and no crowd of other projects, keeps a job waiting for ever.

Claims take turns under an advisory lock.  They are rare and take a millisecond, and so the limit of jobs at once
is exact, however many workers ask together.
"""

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from core import workers
from core.machine import Device
from core.models import Job, Project, Worker

PATIENCE = 8
_LOCK = 7_305_017_247  # names claims among this database's advisory locks; migrations have the number before

_NEXT = """
WITH running AS (
    SELECT jobs.project, count(*) AS jobs, sum(extract(epoch FROM now() - runs.started_at)) AS seconds
    FROM jobs JOIN runs ON runs.job_id = jobs.id AND runs.attempt = jobs.attempt
    WHERE jobs.lease_token IS NOT NULL
    GROUP BY jobs.project
)
SELECT head.id
FROM projects
LEFT JOIN running ON running.project = projects.name
CROSS JOIN LATERAL (
    SELECT id, priority, seq
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


def next_job(session: Session, worker: str, device: Device) -> str | None:
    """The id of the job that the worker should take, locked; None when there is none for it.

    Counts the claim and moves the project to the end of the line.  The transaction must then open the run.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    claims = workers.show(session, worker, device)
    query = _OLDEST if claims % PATIENCE == PATIENCE - 1 else _BEST
    job_id: str | None = session.execute(query, {"memory_bytes": device.memory_bytes}).scalar_one_or_none()
    if job_id is None:
        return None
    session.execute(update(Worker).where(Worker.name == worker).values(claims=Worker.claims + 1, job_id=job_id))
    project = select(Job.project).where(Job.id == job_id).scalar_subquery()
    session.execute(update(Project).where(Project.name == project).values(last_claim_at=func.clock_timestamp()))
    return job_id
