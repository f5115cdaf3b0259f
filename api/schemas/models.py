"""A model that can be deployed."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import Model
from core.parity import ParityRecord
from core.verdict import Verdict


class ModelView(BaseModel):
    """A model that can be deployed, or could be until it was removed."""

    id: str
    object: Literal["model"] = "model"
    job_id: str | None
    stage: str
    base_model: str
    location: str = Field(description="folder, below storage unless absolute")
    base_id: str | None = Field(description="the model whose weights its adapter goes on")
    adapter_rank: int | None = Field(description="null when it has no adapter, and can be served merged only")
    parity: ParityRecord | None = Field(description="whether it is served as it was trained; null for a base")
    gate: Verdict | None = Field(description="what was looked into before it may go live; null for a base")
    created_at: int
    removed_at: int | None = Field(
        description="when its files went, by its job's `keep` rules or a request; null while it is there"
    )

    @classmethod
    def of(cls, model: Model) -> Self:
        return cls(
            id=model.id,
            job_id=model.job_id,
            stage=model.stage,
            base_model=model.base_model,
            location=model.location,
            base_id=model.base_id,
            adapter_rank=model.adapter_rank,
            parity=model.parity and ParityRecord.model_validate(model.parity),
            gate=model.gate and Verdict.model_validate(model.gate),
            created_at=unix_seconds(model.created_at),
            removed_at=unix_seconds(model.removed_at),
        )
