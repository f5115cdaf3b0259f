"""Files, in the form of OpenAI's File object with what was found in them."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import File

Purpose = Literal["fine-tune", "evals"]
"""Of an upload."""
FilePurpose = Literal["fine-tune", "evals", "fine-tune-results"]


class FileView(BaseModel):
    """An uploaded data set, every row of which was read and can be used, or the CSV of a job's results."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: FilePurpose
    status: Literal["processed"] = "processed"
    project: str
    job_id: str | None = Field(description="the job whose results it holds; null for an upload")
    sha256: str = Field(description="of the content, in hexadecimal digits")
    format: str = Field(description="form of the rows, as it was detected; csv for results")
    rows: int
    trainable_rows: int = Field(description="rows with an assistant message to learn")

    @classmethod
    def of(cls, file: File) -> Self:
        return cls.model_validate(
            {
                "id": file.id,
                "bytes": file.size_bytes,
                "created_at": unix_seconds(file.created_at),
                "filename": file.filename,
                "purpose": file.purpose,
                "project": file.project,
                "job_id": file.job_id,
                "sha256": file.sha256,
                "format": file.format,
                "rows": file.rows,
                "trainable_rows": file.trainable_rows,
            }
        )


class FileDeleted(BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True
