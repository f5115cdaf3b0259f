"""Models with the answers that they gave, as an evaluation stores them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.db import transaction
from core.models import Evaluation, EvaluationAnswer

OSLO = {"name": "get_weather", "arguments": {"city": "Oslo"}}


@dataclass(frozen=True)
class Row:
    """A row of a suite, and whether the model is right about it."""

    question: str
    correct: bool
    suite: str = "tools"
    expected: tuple[dict[str, Any], ...] = (OSLO,)
    content: str = ""
    fault: str | None = None

    def answer(self, job_id: str, stage: str, row: int) -> EvaluationAnswer:
        calls = list(self.expected) if self.correct else []
        return EvaluationAnswer(
            job_id=job_id,
            stage=stage,
            suite=self.suite,
            row=row,
            key=f"key of {self.question}",
            kind="single",
            expects_call=bool(self.expected),
            name_ok=self.correct,
            correct=self.correct,
            malformed=False,
            stopped=True,
            question=self.question,
            tools=["get_weather"],
            expected=list(self.expected),
            answer={"calls": calls, "content": self.content, "finish_reason": "tool_calls" if calls else "stop"},
            fault=None if self.correct else self.fault or "no call where one was expected",
        )


def measure(
    job_id: str,
    stage: str,
    *rows: Row,
    model: str | None = None,
    scores: dict[str, Any] | None = None,
    at: datetime | None = None,
) -> str:
    """Store that the job measured a model as `stage`, with its answers in this order; returns the model's id."""
    model_id = model or f"ft:{job_id}-{stage}"
    with transaction() as session:
        evaluation = Evaluation(job_id=job_id, stage=stage, model_id=model_id, scores=scores or {})
        if at is not None:
            evaluation.created_at = at
        session.add(evaluation)
        session.add_all(row.answer(job_id, stage, number) for number, row in enumerate(rows))
    return model_id
