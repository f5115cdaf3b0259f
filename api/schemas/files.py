"""Uploaded files, in the form of OpenAI's File object with what was found in them."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import File

Purpose = Literal["fine-tune", "evals"]


class FileView(BaseModel):
    """An uploaded data set: every row of it was read, and can be used."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: Purpose
    status: Literal["processed"] = "processed"
    project: str
    sha256: str = Field(description="of the content, in hexadecimal digits")
    format: str = Field(description="form of the rows, as it was detected")
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
