"""What happened to a job."""

from typing import Any, Literal, Self

from pydantic import BaseModel

from api.schemas.times import unix_seconds
from core.models import Event


class EventView(BaseModel):
    """Something that happened to a job."""

    id: int
    object: Literal["job.event"] = "job.event"
    created_at: int
    type: str
    level: str
    message: str
    attempt: int
    data: dict[str, Any] | None

    @classmethod
    def of(cls, event: Event) -> Self:
        return cls(
            id=event.id,
            created_at=unix_seconds(event.created_at),
            type=event.type,
            level=event.level,
            message=event.message,
            attempt=event.attempt,
            data=event.data,
        )
