"""What came out of a job, step by step."""

from typing import Literal, Self

from pydantic import BaseModel, Field

from api.schemas.times import unix_seconds
from core.models import Metric


class MetricView(BaseModel):
    """One logged optimiser step."""

    object: Literal["job.metric"] = "job.metric"
    stage: str
    step: int
    attempt: int
    at: int
    epoch: float
    loss: float | None
    grad_norm: float | None
    learning_rate: float
    tokens: int = Field(description="trained on so far in this stage")
    tokens_per_s: float
    step_s: float

    @classmethod
    def of(cls, metric: Metric) -> Self:
        values = {name: getattr(metric, name) for name in cls.model_fields if name not in {"object", "at"}}
        return cls(at=unix_seconds(metric.at), **values)
