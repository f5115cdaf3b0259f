"""What happened to a job, in order, for people to read."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Event


def add_event(
    session: Session,
    job_id: str,
    type_: str,
    message: str,
    attempt: int = 0,
    *,
    level: str = "info",
    data: dict[str, Any] | None = None,
) -> None:
    """Append to the job's events."""
    session.add(Event(job_id=job_id, attempt=attempt, type=type_, level=level, message=message, data=data))


def add_event_once(
    session: Session,
    job_id: str,
    type_: str,
    message: str,
    attempt: int = 0,
    *,
    about: dict[str, Any],
    level: str = "info",
    data: dict[str, Any],
) -> None:
    """Append to the job's events, unless one of this type is there `about` the same thing; the job's row is locked."""
    known = select(Event.id).where(Event.job_id == job_id, Event.type == type_, Event.data.contains(about)).limit(1)
    if session.scalar(known) is None:
        add_event(session, job_id, type_, message, attempt, level=level, data={**about, **data})
