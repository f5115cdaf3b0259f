"""What happened to a job, in order, for people to read."""

from typing import Any

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
