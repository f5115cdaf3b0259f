"""Models with the answers that they gave, as an evaluation stores them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.db import transaction
from core.models import Evaluation, EvaluationAnswer
from core.significance import rate

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


def scores_of(*rows: Row, **more: Any) -> dict[str, Any]:
    """Scores as an evaluation stores them, of these rows; a wrong answer has called the other way round."""
    suites = {}
    for suite in dict.fromkeys(row.suite for row in rows):
        calls = [row.correct for row in rows if row.suite == suite and row.expected]
        others = [row.correct for row in rows if row.suite == suite and not row.expected]
        confusion = {
            "called_expected": sum(calls),
            "not_called_expected": len(calls) - sum(calls),
            "called_unexpected": len(others) - sum(others),
            "not_called_unexpected": sum(others),
        }
        not_called = [False] * confusion["not_called_expected"] + [True] * confusion["not_called_unexpected"]
        suites[suite] = {
            "kind": "held_out",
            "rows": len(calls) + len(others),
            "function_name_accuracy": rate(calls),
            "function_name_and_args_accuracy": rate(calls),
            "lenient_function_name_and_args_accuracy": rate(calls),
            "no_call_accuracy": rate(others),
            "no_call_precision": rate(not_called),
            "malformed_call_rate": rate(False for _ in (*calls, *others)),
            "stop_rate": rate(True for _ in (*calls, *others)),
            "confusion": confusion,
            "by_kind": {"single": rate((*calls, *others))},
        }
    whole: dict[str, Any] = {"version": 2, "headline": next(iter(suites), None), "suites": suites, "prompts": []}
    return {**whole, "chat": None, "speed": None, "evaluate_s": 1.5, **more}


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
        evaluation = Evaluation(job_id=job_id, stage=stage, model_id=model_id, scores=scores or scores_of(*rows))
        if at is not None:
            evaluation.created_at = at
        session.add(evaluation)
        session.add_all(row.answer(job_id, stage, number) for number, row in enumerate(rows))
    return model_id
