"""Projects with their limits, and workers."""

from collections.abc import Set
from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.keys import PerMinute
from api.schemas.times import unix_seconds
from core.memory import GIB
from core.models import Worker
from core.spec import Name


class ProjectChange(BaseModel, extra="forbid"):
    """What to set; what is left out stays, and null lifts a limit."""

    weight: float = Field(1.0, gt=0, le=1000, description="a project of weight 2 gets twice the workers of one of 1")
    max_running: int | None = Field(None, ge=0, description="jobs at once")
    gpu_hours: float | None = Field(None, ge=0, description="hours of workers in all; running jobs are paused there")
    max_queued: int | None = Field(None, ge=0, le=2**31 - 1, description="queued jobs; a further one is refused")
    file_bytes: int | None = Field(None, ge=0, le=2**62, description="uploaded files, equal ones counted once")
    storage_bytes: int | None = Field(None, ge=0, le=2**62, description="files, and what jobs and models take up")
    requests_per_minute: PerMinute = Field(None, description="of all its keys together, as for a key")
    tokens_per_minute: PerMinute = Field(None, description="of all its keys together, as for a key")


class NewProject(ProjectChange):
    """A project to be made, with its limits."""

    name: Name


class ProjectView(BaseModel):
    """A project, its limits and what it has used."""

    name: str
    object: Literal["project"] = "project"
    weight: float
    max_running: int | None
    gpu_hours: float | None
    used_gpu_hours: float
    max_queued: int | None
    file_bytes: int | None
    storage_bytes: int | None
    requests_per_minute: int | None
    tokens_per_minute: int | None


class WorkerView(BaseModel):
    """A worker as it last showed itself."""

    name: str
    object: Literal["worker"] = "worker"
    device: str
    memory_gb: float
    job_id: str | None
    seen_at: int

    @classmethod
    def of(cls, worker: Worker, seen_jobs: Set[str]) -> Self:
        """As it is shown to those who may see these jobs."""
        return cls(
            name=worker.name,
            device=worker.device,
            memory_gb=round(worker.memory_bytes / GIB, 1),
            job_id=worker.job_id if worker.job_id in seen_jobs else None,
            seen_at=unix_seconds(worker.seen_at),
        )
