"""The audit log, entry by entry."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import AuditEntry


class AuditView(BaseModel):
    """A change, or one that was refused."""

    id: str
    object: Literal["audit.entry"] = "audit.entry"
    at: int
    project: str | None = Field(description="that the request was about; null: all of them")
    key: str = Field(description="the id of the key, or the name of the setting that holds it")
    action: str = Field(description="the route, as `POST /jobs/{job_id}/cancel`")
    thing: str | None = Field(description="the id or the name of what was changed")
    outcome: str = Field(description="`done`, or the code of the refusal")
    request_id: str
    address: str | None = Field(description="where the request came from: that of the proxy, where there is one")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls(
            id=entry.id,
            at=unix_seconds(entry.at),
            project=entry.project,
            key=entry.key,
            action=entry.action,
            thing=entry.thing,
            outcome=entry.outcome,
            request_id=entry.request_id,
            address=entry.address,
        )
