"""How well a job's models do."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.models.base import Base


class Evaluation(Base):
    """The scores of one model of a job, measured on the served endpoint; `stage` is `base` or the stage's name."""

    __tablename__ = "evaluations"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[str]
    scores: Mapped[dict[str, Any]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())

    __table_args__ = (Index("ix_evaluations_model", "model_id", "created_at"),)


class EvaluationAnswer(Base):
    """What a model answered to one row of a suite, and the verdict; `row` counts from 0 in the order of the suite.

    `key` is the same for the same question with the same tools, in any job: by it two models' answers are paired.
    `question` is the last message of the user.  `expected` holds the accepted calls, each `{"name", "arguments": {NAME:
    [accepted values]}, "optional": [names that may be left out]}`; `answer` holds `calls` (`{"name", "arguments"}`),
    `content` and `finish_reason`.  `correct` is the verdict on name and all arguments, or on not calling where none is
    expected; `fault` says why it is wrong, and `tools` names what was offered.
    """

    __tablename__ = "evaluation_answers"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    suite: Mapped[str] = mapped_column(primary_key=True)
    row: Mapped[int] = mapped_column(Integer, primary_key=True)
    key: Mapped[str]
    kind: Mapped[str]
    expects_call: Mapped[bool]
    name_ok: Mapped[bool]
    correct: Mapped[bool]
    malformed: Mapped[bool]
    stopped: Mapped[bool]
    question: Mapped[str]
    tools: Mapped[list[str]] = mapped_column(JSONB)
    expected: Mapped[list[Any]] = mapped_column(JSONB)
    answer: Mapped[dict[str, Any]]
    fault: Mapped[str | None]
