"""What came out of a job: metrics and scores."""

from typing import Any, Literal, Self

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


class Scorecard(BaseModel):
    """The scores of the base model and of every stage's model, measured on the served endpoint."""

    object: Literal["job.scorecard"] = "job.scorecard"
    job_id: str
    stages: dict[str, dict[str, Any]] = Field(description="`base` first, then the stages in order")
