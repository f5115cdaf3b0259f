"""A preflight as it is answered."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from api.schemas.errors import ErrorProblem
from api.schemas.times import unix_seconds
from core.models import Preflight
from core.preflight_report import Report
from core.preview import StagePreview
from core.states import PreflightStatus


class PreflightView(BaseModel):
    """What a job comes to, found out before it trains, and where finding out stands."""

    id: str
    object: Literal["preflight"] = "preflight"
    job_id: str | None = Field(description="the job whose first phase it was; null when it was asked for by itself")
    status: PreflightStatus
    report: Report | None = Field(description="null until it has ended")
    problems: list[ErrorProblem] = Field(description="everything that keeps the job from running")
    created_at: int
    finished_at: int | None

    @classmethod
    def of(cls, preflight: Preflight) -> Self:
        return cls(
            id=preflight.id,
            job_id=preflight.job_id,
            status=PreflightStatus(preflight.status),
            report=None if preflight.report is None else Report.model_validate(preflight.report),
            problems=[ErrorProblem.model_validate(problem) for problem in preflight.problems or []],
            created_at=unix_seconds(preflight.created_at),
            finished_at=unix_seconds(preflight.finished_at),
        )


class PreviewView(BaseModel):
    """Sample rows of every stage, token by token."""

    object: Literal["preview"] = "preview"
    preflight_id: str
    job_id: str | None
    stages: list[StagePreview]

    @classmethod
    def of(cls, preflight: Preflight, preview: list[dict[str, Any]]) -> Self:
        stages = [StagePreview.model_validate(stage) for stage in preview]
        return cls(preflight_id=preflight.id, job_id=preflight.job_id, stages=stages)
