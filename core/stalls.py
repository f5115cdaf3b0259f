"""Telling a job that moves from one that only looks so."""

from datetime import UTC, datetime

from core.models import Job
from core.states import HELD


def stalled(job: Job, limit_s: float, now: datetime | None = None) -> str | None:
    """Why the job is thought to hang, as one sentence; None while it moves or no worker holds it."""
    if job.status not in HELD or job.progress_at is None or job.lease_expires_at is None:
        return None
    now = now or datetime.now(UTC)
    silent_s = (now - job.progress_at).total_seconds()
    if (over_s := (now - job.lease_expires_at).total_seconds()) > 0:
        return (
            f"the worker's lease ran out {over_s:.0f} s ago: it was killed or cut off, and the job is queued again soon"
        )
    if silent_s < limit_s:
        return None
    step = (job.progress or {}).get("step")
    where = f"{job.status}{f' {job.stage}' if job.stage else ''}{f' at step {step}' if step is not None else ''}"
    return (
        f"no progress for {silent_s:.0f} s (limit {limit_s:g} s) while {where}: its worker is alive, so the program "
        "hangs or is very slow; its log is in the job's folder, and cancel or pause stop it"
    )
