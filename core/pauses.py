"""One accelerator for training and serving: a run asks the gateway to free it, and says when it is done with it.

A Session is a transaction that the caller commits.
"""

from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.models import Job, Pause
from core.runs import Lease
from core.states import HELD, JobStatus


def ask(session: Session, lease: Lease) -> None:
    """Ask for the accelerator; asking again changes nothing."""
    wish = insert(Pause).values(job_id=lease.job_id, attempt=lease.attempt)
    made_anew = {"attempt": lease.attempt, "requested_at": func.now(), "granted_at": None, "how": None}
    session.execute(
        wish.on_conflict_do_update(
            index_elements=["job_id"], set_=made_anew, where=Pause.attempt != wish.excluded.attempt
        )
    )


def granted(session: Session, lease: Lease) -> str | None:
    """How vLLM has freed the accelerator for this run, or None while it has not."""
    mine = select(Pause.how).where(Pause.job_id == lease.job_id, Pause.attempt == lease.attempt)
    return session.scalar(mine.where(Pause.granted_at.is_not(None)))


def end(session: Session, job_id: str) -> None:
    """The job does not need the accelerator any more."""
    session.execute(delete(Pause).where(Pause.job_id == job_id))


def wanted(session: Session) -> Job | None:
    """The job whose run wants the accelerator, or has it: the one that asked first."""
    query = select(Job).join(Pause, (Pause.job_id == Job.id) & (Pause.attempt == Job.attempt))
    query = query.where(Job.status.in_(HELD), Job.lease_token.is_not(None))
    return session.scalar(query.order_by(Pause.requested_at, Pause.job_id).limit(1))


def grant(session: Session, how: str) -> None:
    """Tell every run that asked that the accelerator is free, and how: `asleep` or `stopped`."""
    session.execute(update(Pause).where(Pause.granted_at.is_(None)).values(granted_at=func.now(), how=how))


def expected_s(job: Job, now: datetime | None = None) -> float | None:
    """Seconds until the job's training has ended, as its progress tells; None while it tells nothing."""
    eta_s = (job.progress or {}).get("eta_s")
    if job.status != JobStatus.TRAINING or eta_s is None or job.progress_at is None:
        return None
    since_s = ((now or datetime.now(UTC)) - job.progress_at).total_seconds()
    return max(0.0, float(eta_s) - since_s)
