"""One answer of one of a job's models, and the verdict."""

from typing import Any, Literal, Self

from pydantic import BaseModel, Field

from core.answers import Found, answer_id
from core.scorecard.build import model_answer
from core.scorecard.card import ModelAnswer


class AnswerView(BaseModel):
    """What a model answered to one row of a suite."""

    object: Literal["job.answer"] = "job.answer"
    id: str = Field(description="`stage:suite:row`")
    stage: str
    suite: str
    row: int = Field(description="its place in the suite, from 0")
    key: str = Field(description="the same for the same question with the same tools, in any job")
    kind: str
    question: str = Field(description="the user's last message")
    tools: list[str] = Field(description="the functions on offer")
    expected: list[Any] = Field(description="the accepted calls; empty where no call is right")
    name_is_right: bool = Field(description="whether the right functions were called")
    malformed: bool = Field(description="whether it holds a call that no client can carry out")
    answer: ModelAnswer
    older: ModelAnswer | None = Field(description="what the older model answered; null unless two are compared")

    @classmethod
    def of(cls, found: Found) -> Self:
        older, row = found
        same = {name: getattr(row, name) for name in ("stage", "suite", "row", "key", "kind", "question", "tools")}
        return cls(
            id=answer_id(row),
            **same,
            expected=row.expected,
            name_is_right=row.name_ok,
            malformed=row.malformed,
            answer=model_answer(row),
            older=None if older is None else model_answer(older),
        )
