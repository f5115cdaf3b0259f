"""Deployments as they are asked for, and as they stand."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import Deployment
from core.states import DeploymentStatus


class DeploymentRequest(BaseModel, extra="forbid"):
    model: str = Field(min_length=1, max_length=500, description="id of a model in GET /models")


class DeploymentView(BaseModel):
    """A wish that the endpoint serves a model under `alias`, and what became of it."""

    id: str
    object: Literal["deployment"] = "deployment"
    alias: str
    model: str
    job_id: str | None
    status: DeploymentStatus
    strategy: str | None
    timings: dict[str, Any] | None
    error: str | None
    created_at: int
    live_at: int | None

    @classmethod
    def of(cls, deployment: Deployment) -> Self:
        return cls(
            id=deployment.id,
            alias=deployment.alias,
            model=deployment.model_id,
            job_id=deployment.job_id,
            status=deployment.status,
            strategy=deployment.strategy,
            timings=deployment.timings,
            error=deployment.error,
            created_at=unix_seconds(deployment.created_at),
            live_at=unix_seconds(deployment.live_at),
        )
