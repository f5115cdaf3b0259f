"""What is on disk."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from core.job_files import Artefact, Kind
from core.settings import get_settings


class ArtefactView(BaseModel):
    """Something that a job has on disk."""

    object: Literal["job.artefact"] = "job.artefact"
    kind: Kind
    stage: str
    location: str = Field(description="file or folder, below storage")
    size_bytes: int

    @classmethod
    def of(cls, artefact: Artefact) -> Self:
        return cls(
            kind=artefact.kind,
            stage=artefact.stage,
            location=str(artefact.path.relative_to(get_settings().storage_path)),
            size_bytes=artefact.size_bytes,
        )


class JobSize(BaseModel):
    job_id: str
    size_bytes: int = Field(description="its folder and its merged models")


class StorageView(BaseModel):
    """How full the storage's disk is, and with what of the project.  A size is the sum of the files' lengths."""

    object: Literal["storage"] = "storage"
    total_bytes: int = Field(description="of the disk that holds the storage")
    free_bytes: int
    jobs_bytes: int = Field(description="checkpoints, adapters, prepared rows, logs")
    models_bytes: int = Field(description="merged models")
    files_bytes: int = Field(description="uploaded files, and those on their way; equal ones of a project count once")
    data_bytes: int | None = Field(
        description="the data sets below DATA_ROOT, which may be on another disk; like the next two null for a key of "
        "one project"
    )
    cache_bytes: int | None
    trash_bytes: int | None = Field(description="removed, and deleted at the next sweep if not by now")
    largest_jobs: list[JobSize] = Field(description="at most ten, the largest first")
    measured_at: int
