"""Runs: claiming a job, keeping its lease, writing what happens, and ending or giving it back.

Every function takes a sync Session inside a transaction that the caller commits.  Every write is guarded by the
run's lease token, so a worker that lost its lease can change nothing.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import deployments
from core.claims import next_job
from core.errors import LeaseLost
from core.events import add_event, add_event_once
from core.forecast import judge
from core.health import Finding, Health
from core.machine import Device
from core.models import Job, Metric, Phase, Project, Run, Worker
from core.remedies import remedy
from core.states import FINAL, STOPPING, JobStatus, check_job_move

_STEP = ("job_id", "stage", "step")
_CHUNK = 500  # a statement holds 65,535 values at most, which is 5,957 steps


@dataclass(frozen=True)
class Lease:
    """The right to write for one run of a job."""

    job_id: str
    attempt: int
    token: uuid.UUID
    project: str


def claim(session: Session, worker: str, device: Device, lease_s: float) -> Lease | None:
    """Open a run of the job that this worker should take next; None when there is nothing for it."""
    job_id = next_job(session, worker, device)
    if job_id is None:
        return None
    row = session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(
            status=JobStatus.PREPARING,
            attempt=Job.attempt + 1,
            lease_token=uuid.uuid4(),
            lease_expires_at=func.now() + timedelta(seconds=lease_s),
            started_at=func.coalesce(Job.started_at, func.now()),
            progress_at=func.now(),
            not_before=None,
        )
        .returning(Job.id, Job.attempt, Job.lease_token, Job.project)
    ).one()
    lease = Lease(job_id=row.id, attempt=row.attempt, token=row.lease_token, project=row.project)
    session.add(Run(job_id=lease.job_id, attempt=lease.attempt, worker=worker))
    session.flush()
    _open_phase(session, lease, JobStatus.PREPARING, None)
    add_event(session, lease.job_id, "run.started", f"Run {lease.attempt} started on {worker}", lease.attempt)
    return lease


def renew(session: Session, lease: Lease, lease_s: float) -> JobStatus:
    """Extend the lease and return the job's state; LeaseLost when another run owns the job."""
    status = session.execute(
        update(Job)
        .where(Job.id == lease.job_id, Job.lease_token == lease.token)
        .values(lease_expires_at=func.now() + timedelta(seconds=lease_s))
        .returning(Job.status)
    ).scalar_one_or_none()
    return _owned(status, lease)


def look(session: Session, lease: Lease) -> JobStatus:
    """The job's state, without a write; LeaseLost when another run owns the job."""
    status = session.scalar(select(Job.status).where(Job.id == lease.job_id, Job.lease_token == lease.token))
    return _owned(status, lease)


def _owned(status: str | None, lease: Lease) -> JobStatus:
    if status is None:
        raise LeaseLost(f"run {lease.attempt} of job {lease.job_id} lost its lease")
    return JobStatus(status)


def hold(session: Session, lease: Lease) -> Job:
    """Lock the job's row for this run's writes; LeaseLost when another run owns it.

    What the session had read before the lock is read again: a wish to stop may have come in between.
    """
    query = select(Job).where(Job.id == lease.job_id, Job.lease_token == lease.token).with_for_update()
    job = session.scalar(query, execution_options={"populate_existing": True})
    if job is None:
        raise LeaseLost(f"run {lease.attempt} of job {lease.job_id} lost its lease")
    return job


def move(session: Session, lease: Lease, target: JobStatus, *, stage: str | None = None) -> JobStatus:
    """Enter a working state; a job that was asked to stop stays as it is.  Returns the state that the job is in now."""
    job = hold(session, lease)
    if job.status in STOPPING:
        return JobStatus(job.status)
    check_job_move(job.id, job.status, target)
    job.status, job.stage, job.progress, job.progress_at = target, stage, None, func.now()
    _close_phase(session, lease)
    _open_phase(session, lease, target, stage)
    add_event(session, job.id, f"job.{target}", f"{target.capitalize()}{f' {stage}' if stage else ''}", lease.attempt)
    return target


def record_progress(
    session: Session, lease: Lease, progress: dict[str, Any] | None, metrics: Sequence[dict[str, Any]] = ()
) -> None:
    """Store what the running stage reported.

    A step seen before (after a resume) is overwritten, never doubled; where nothing differs, it stays that of its run.
    """
    job = hold(session, lease)
    if progress is not None:
        job.progress, job.progress_at = progress, func.now()
    rows = [{**metric, "job_id": lease.job_id, "attempt": lease.attempt} for metric in metrics]
    for first in range(0, len(rows), _CHUNK):
        statement = insert(Metric).values(rows[first : first + _CHUNK])
        new = {column.name: column for column in statement.excluded if column.name not in _STEP}
        measured = [name for name in new if name not in ("attempt", "at")]
        differs = or_(*(getattr(Metric, name).is_distinct_from(new[name]) for name in measured))
        session.execute(statement.on_conflict_do_update(index_elements=_STEP, set_=new, where=differs))


def record_plan(session: Session, lease: Lease, stage: str, rows: int, steps: int) -> None:
    """Replace the planned rows and steps of a stage by those that its prepared rows make."""
    job = hold(session, lease)
    stages = [{**s, "rows": rows, "steps": steps} if s["name"] == stage else s for s in job.plan["stages"]]
    total = None if any(s["steps"] is None for s in stages) else sum(s["steps"] for s in stages)
    job.plan = {**job.plan, "stages": stages, "total_steps": total}


def record_checkpoint(session: Session, lease: Lease, stage: str, step: int) -> None:
    """Remember the last checkpoint that is whole.  The job got further, so earlier failures are forgotten."""
    job = hold(session, lease)
    job.checkpoint, job.failures = {"stage": stage, "step": step}, 0
    add_event(session, job.id, "checkpoint.saved", f"Checkpoint at step {step} of {stage}", lease.attempt)


def record_adjustment(session: Session, lease: Lease, stage: str, changes: dict[str, Any], message: str) -> None:
    """Change how a stage is run (never what it learns), for this run and those to come."""
    job = hold(session, lease)
    job.adjustments = {**(job.adjustments or {}), stage: changes}
    add_event(
        session, job.id, "run.adjusted", message, lease.attempt, level="warning", data={"stage": stage, **changes}
    )


def record_finding(session: Session, lease: Lease, stage: str, finding: Finding) -> None:
    """Tell what a rule found in the stage's training; whatever run finds it again, it is told once."""
    hold(session, lease)
    add_event_once(
        session,
        lease.job_id,
        "training.unhealthy",
        f"{stage}, step {finding.step}: {finding.message}; {finding.advice}",
        lease.attempt,
        level="warning",
        about={"stage": stage, "kind": finding.kind},
        data=finding.model_dump(mode="json", include={"step", "figure", "bound", "advice"}),
    )


def record_health(session: Session, lease: Lease, health: Health) -> None:
    """Tell the verdict on a stage's training, once."""
    hold(session, lease)
    add_event_once(
        session,
        lease.job_id,
        "training.judged",
        health.summary(),
        lease.attempt,
        level="warning" if health.warnings else "info",
        about={"stage": health.stage},
        data={"status": health.status, "warnings": health.warnings},
    )


def record_device(session: Session, lease: Lease, device: dict[str, Any]) -> None:
    """Store what the job trains on."""
    hold(session, lease).device = device


def finish(session: Session, lease: Lease, target: JobStatus, error: dict[str, Any] | None = None) -> None:
    """End the run and the job, and give the lease up.

    A job that was being cancelled is cancelled, however its run ended; one that was being paused ends as its run did.
    """
    job = hold(session, lease)
    if job.status == JobStatus.CANCELLING:
        target, error = JobStatus.CANCELLED, None
    _end(session, job, target, str(target), error["message"] if error else f"Job {target}", error)


def stopped(session: Session, lease: Lease, reason: str) -> None:
    """End a run that stopped when it was asked to: cancelled or paused as the job's owner wished, else queued again."""
    job = hold(session, lease)
    target = STOPPING.get(job.status, JobStatus.QUEUED)
    outcome = str(target) if job.status in STOPPING else "drained"
    _end(session, job, target, outcome, f"Job {target}" if job.status in STOPPING else f"Given back: {reason}")


def retry_later(session: Session, lease: Lease, error: dict[str, Any], limit: int) -> None:
    """End a run that broke off by a passing fault: queued again, or failed when that was the `limit`-th in a row."""
    _broken(session, hold(session, lease), "broke_off", error, limit)


def reap(session: Session, limit: int) -> int:
    """Requeue the jobs whose lease ran out, or fail one that was lost `limit` times in a row; returns how many."""
    lost = session.scalars(
        select(Job)
        .where(Job.lease_token.is_not(None), Job.lease_expires_at < func.now())
        .with_for_update(skip_locked=True)
    ).all()
    for job in lost:
        message = "The worker stopped renewing its lease: it was killed, frozen or cut off"
        _broken(session, job, "lease_expired", {"code": "worker_lost", "message": message, "stage": job.stage}, limit)
    return len(lost)


def _broken(session: Session, job: Job, outcome: str, error: dict[str, Any], limit: int) -> None:
    """A run ended without anybody's wish.  The first time the job is queued at once, then after growing waits."""
    job.failures += 1
    type_ = {"lease_expired": "run.lost"}.get(outcome, f"run.{outcome}")
    add_event(session, job.id, type_, error["message"], job.attempt, level="warning")
    if job.status in STOPPING:
        _end(session, job, STOPPING[job.status], outcome, f"Job {STOPPING[job.status]}")
    elif job.failures >= limit:
        error = {**error, "message": f"{error['message']} ({job.failures} runs in a row ended so)"}
        _end(session, job, JobStatus.FAILED, outcome, error["message"], error)
    else:
        wait_s = backoff_s(job.failures)
        job.not_before = func.now() + timedelta(seconds=wait_s)
        when = f"in {wait_s:g} s" if wait_s else "at once"
        _end(session, job, JobStatus.QUEUED, outcome, f"Queued again, to go on {when} from the last checkpoint")


def backoff_s(failures: int) -> float:
    """How long a job waits after so many failures in a row: not at all, then 5 s, 10 s, 20 s … up to 5 minutes."""
    return 0.0 if failures <= 1 else float(min(300, 5 * 2 ** (failures - 2)))


def _end(
    session: Session, job: Job, target: JobStatus, outcome: str, message: str, error: dict[str, Any] | None = None
) -> None:
    """Move the job, close its run, and give the lease up; a job that is queued again is rung for at once.

    A model of a job that did not succeed does not go live any more, unless it is being put in place already; a trial
    of one that will be run again goes on meanwhile.
    """
    check_job_move(job.id, job.status, target)
    lease = Lease(job.id, job.attempt, uuid.UUID(int=0), job.project)
    if error is not None:
        error = {**error, "remedy": remedy(error["code"])}
    job.status, job.error = target, error
    job.finished_at = func.now() if target in FINAL else None
    job.lease_token = job.lease_expires_at = None
    job.next_doorbell_at = func.now()
    run = session.get_one(Run, (job.id, job.attempt))
    run.ended_at, run.outcome, run.reason = func.now(), outcome, message
    _close_phase(session, lease)
    # The worker before its project, as a claim locks them.
    session.execute(update(Worker).where(Worker.job_id == job.id).values(job_id=None))
    session.execute(
        update(Project)
        .where(Project.name == job.project)
        .values(used_s=Project.used_s + func.extract("epoch", func.now() - run.started_at))
    )
    if target == JobStatus.SUCCEEDED:
        session.flush()
        judge(session, job)
    else:
        deployments.withdraw(session, job.id, also_trials=target in FINAL)
    level = {JobStatus.FAILED: "error", JobStatus.QUEUED: "warning"}.get(target, "info")
    add_event(session, job.id, f"job.{target}", message, lease.attempt, level=level, data=error)


def _open_phase(session: Session, lease: Lease, status: JobStatus, stage: str | None) -> None:
    values = {"job_id": lease.job_id, "attempt": lease.attempt, "status": status, "stage": stage or ""}
    session.execute(insert(Phase).values(values).on_conflict_do_nothing())


def _close_phase(session: Session, lease: Lease) -> None:
    session.execute(
        update(Phase)
        .where(Phase.job_id == lease.job_id, Phase.attempt == lease.attempt, Phase.ended_at.is_(None))
        .values(ended_at=func.clock_timestamp())
    )


def due_doorbells(session: Session, again_in_s: float) -> int:
    """How many queued jobs should be rung for now; each is due again after `again_in_s`."""
    is_due = (Job.next_doorbell_at <= func.now(), or_(Job.not_before.is_(None), Job.not_before <= func.now()))
    due = select(Job.id).where(Job.status == JobStatus.QUEUED, *is_due).limit(100)
    rung = session.scalars(
        update(Job)
        .where(Job.id.in_(due.with_for_update(skip_locked=True)))
        .values(next_doorbell_at=func.now() + timedelta(seconds=again_in_s))
        .returning(Job.id)
    )
    return len(rung.all())
