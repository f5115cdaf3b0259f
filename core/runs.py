"""Runs: claiming a job, keeping its lease, writing what happens, and ending or giving it back.

Every function takes a sync Session inside a transaction that the caller commits.  Every write is guarded by the
run's lease token, so a worker that lost its lease can change nothing.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import LeaseLost
from core.events import add_event
from core.models import Evaluation, Job, Metric, Run
from core.states import FINAL, JobStatus, check_job_move


@dataclass(frozen=True)
class Lease:
    """The right to write for one run of a job."""

    job_id: str
    attempt: int
    token: uuid.UUID


def claim(session: Session, worker: str, lease_s: float) -> Lease | None:
    """Take the best queued job (priority, then age) and open a run; None when there is nothing to take."""
    best = (
        select(Job.id)
        .where(Job.status == JobStatus.QUEUED)
        .order_by(Job.priority.desc(), Job.seq)
        .limit(1)
        .with_for_update(skip_locked=True)
        .scalar_subquery()
    )
    row = session.execute(
        update(Job)
        .where(Job.id == best)
        .values(
            status=JobStatus.PREPARING,
            attempt=Job.attempt + 1,
            lease_token=uuid.uuid4(),
            lease_expires_at=func.now() + timedelta(seconds=lease_s),
            started_at=func.coalesce(Job.started_at, func.now()),
        )
        .returning(Job.id, Job.attempt, Job.lease_token)
    ).one_or_none()
    if row is None:
        return None
    lease = Lease(job_id=row.id, attempt=row.attempt, token=row.lease_token)
    session.add(Run(job_id=lease.job_id, attempt=lease.attempt, worker=worker))
    add_event(session, lease.job_id, "run.started", f"Run {lease.attempt} started on {worker}", lease.attempt)
    return lease


def renew(session: Session, lease: Lease, lease_s: float) -> bool:
    """Extend the lease and say whether a cancel was asked for; LeaseLost when another run owns the job."""
    cancel = session.execute(
        update(Job)
        .where(Job.id == lease.job_id, Job.lease_token == lease.token)
        .values(lease_expires_at=func.now() + timedelta(seconds=lease_s))
        .returning(Job.cancel_requested)
    ).scalar_one_or_none()
    if cancel is None:
        raise LeaseLost(f"run {lease.attempt} of job {lease.job_id} lost its lease")
    return cancel


def hold(session: Session, lease: Lease) -> Job:
    """Lock the job's row for this run's writes; LeaseLost when another run owns it."""
    job = session.scalar(select(Job).where(Job.id == lease.job_id, Job.lease_token == lease.token).with_for_update())
    if job is None:
        raise LeaseLost(f"run {lease.attempt} of job {lease.job_id} lost its lease")
    return job


def move(session: Session, lease: Lease, target: JobStatus, *, stage: str | None = None) -> None:
    """Enter a working state; a job that is being cancelled stays so."""
    job = hold(session, lease)
    if job.status == JobStatus.CANCELLING:
        return
    check_job_move(job.id, job.status, target)
    job.status, job.stage, job.progress = target, stage, None
    add_event(session, job.id, f"job.{target}", f"{target.capitalize()}{f' {stage}' if stage else ''}", lease.attempt)


def record_progress(
    session: Session, lease: Lease, progress: dict[str, Any] | None, metrics: Sequence[dict[str, Any]] = ()
) -> None:
    """Store what the running stage reported; a step seen before (after a resume) is overwritten, never doubled."""
    job = hold(session, lease)
    if progress is not None:
        job.progress = progress
    if metrics:
        statement = insert(Metric).values([{**m, "job_id": lease.job_id, "attempt": lease.attempt} for m in metrics])
        replaced = {c.name: c for c in statement.excluded if c.name not in {"job_id", "stage", "step"}}
        session.execute(statement.on_conflict_do_update(index_elements=["job_id", "stage", "step"], set_=replaced))


def record_plan(session: Session, lease: Lease, stage: str, rows: int, steps: int) -> None:
    """Replace the planned rows and steps of a stage by those that its prepared rows make."""
    job = hold(session, lease)
    stages = [{**s, "rows": rows, "steps": steps} if s["name"] == stage else s for s in job.plan["stages"]]
    total = None if any(s["steps"] is None for s in stages) else sum(s["steps"] for s in stages)
    job.plan = {**job.plan, "stages": stages, "total_steps": total}


def record_device(session: Session, lease: Lease, device: dict[str, Any]) -> None:
    """Store what the job trains on."""
    hold(session, lease).device = device


def record_scores(session: Session, lease: Lease, stage: str, model_id: str, scores: dict[str, Any]) -> None:
    """Store a model's scores; measuring again replaces them."""
    hold(session, lease)
    statement = insert(Evaluation).values(job_id=lease.job_id, stage=stage, model_id=model_id, scores=scores)
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id", "stage"], set_={"scores": scores, "model_id": model_id, "created_at": func.now()}
        )
    )


def finish(session: Session, lease: Lease, target: JobStatus, error: dict[str, Any] | None = None) -> None:
    """End the run and the job, and give the lease up."""
    job = hold(session, lease)
    if job.status == JobStatus.CANCELLING and target == JobStatus.SUCCEEDED:
        target = JobStatus.CANCELLED
    check_job_move(job.id, job.status, target)
    job.status, job.error, job.finished_at = target, error, func.now()
    _release(session, job, outcome=str(target))
    message = error["message"] if error else f"Job {target}"
    level = "error" if target == JobStatus.FAILED else "info"
    add_event(session, job.id, f"job.{target}", message, lease.attempt, level=level, data=error)


def give_back(session: Session, lease: Lease, reason: str) -> None:
    """Return the job to the queue, to go on from its last checkpoint."""
    job = hold(session, lease)
    target = JobStatus.CANCELLED if job.status == JobStatus.CANCELLING else JobStatus.QUEUED
    check_job_move(job.id, job.status, target)
    job.status = target
    if target in FINAL:
        job.finished_at = func.now()
    _release(session, job, outcome=reason)
    add_event(session, job.id, f"job.{target}", f"Given back: {reason}", lease.attempt, level="warning")


def reap(session: Session, max_attempts: int) -> int:
    """Requeue the jobs whose lease ran out (or fail those out of attempts); returns how many there were."""
    lost = session.scalars(
        select(Job)
        .where(Job.lease_token.is_not(None), Job.lease_expires_at < func.now())
        .with_for_update(skip_locked=True)
    ).all()
    for job in lost:
        exhausted = job.attempt >= max_attempts
        if job.status == JobStatus.CANCELLING:
            target = JobStatus.CANCELLED
        else:
            target = JobStatus.FAILED if exhausted else JobStatus.QUEUED
        check_job_move(job.id, job.status, target)
        job.status = target
        if target in FINAL:
            job.finished_at = func.now()
        if target == JobStatus.FAILED:
            job.error = {
                "code": "worker_lost",
                "message": f"{job.attempt} workers were lost while running this job; look at their logs, then retry",
                "stage": job.stage,
            }
        attempt = job.attempt
        _release(session, job, outcome="lease_expired")
        add_event(session, job.id, "run.lost", "The worker stopped renewing its lease", attempt, level="warning")
    return len(lost)


def due_doorbells(session: Session, again_in_s: float) -> int:
    """How many queued jobs should be rung for now; each is due again after `again_in_s`."""
    due = select(Job.id).where(Job.status == JobStatus.QUEUED, Job.next_doorbell_at <= func.now()).limit(100)
    rung = session.scalars(
        update(Job)
        .where(Job.id.in_(due.with_for_update(skip_locked=True)))
        .values(next_doorbell_at=func.now() + timedelta(seconds=again_in_s))
        .returning(Job.id)
    )
    return len(rung.all())


def _release(session: Session, job: Job, outcome: str) -> None:
    run = session.get(Run, (job.id, job.attempt))
    assert run is not None, f"job {job.id} is leased without a run"
    run.ended_at, run.outcome = func.now(), outcome
    job.lease_token = job.lease_expires_at = None
    job.next_doorbell_at = func.now()
