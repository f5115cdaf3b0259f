"""The suites that a model is measured on: where each is read, its questions, and its answers graded."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.spec import HELD_OUT, SuiteSpec
from core.storable import storable
from core.suites import Question, SuiteKind
from worker.stages.evaluate_run import EvaluationRun
from worker.stages.grading import Answer, Graded, grade
from worker.stages.sources import Roots, held_out_suite, source_suite


@dataclass(frozen=True)
class Suite:
    """Questions in the order of their rows."""

    name: str
    kind: SuiteKind
    questions: list[Question]


def load_suites(run: EvaluationRun) -> list[Suite]:
    """Read every suite, the held-out rows first; BadData lists what is wrong with the rows of one."""
    held_out = [Suite(HELD_OUT, "held_out", held_out_suite(run.held_out, run).questions)] if run.held_out else []
    return held_out + [_load(name, spec, run) for name, spec in run.suites.items()]


def _load(name: str, spec: SuiteSpec, roots: Roots) -> Suite:
    read = source_suite(spec, roots)
    kind: SuiteKind = "bfcl" if read.is_leaderboard else "held_out" if name == HELD_OUT else "openai"
    return Suite(name, kind, read.questions)


def graded_rows(suite: Suite, answers: Sequence[Answer]) -> list[Graded]:
    """The verdict on each answer, in the order of the questions."""
    return [grade(question, answer) for question, answer in zip(suite.questions, answers, strict=True)]


def kept_rows(suite: Suite, answers: Sequence[Answer], graded: Sequence[Graded]) -> list[dict[str, Any]]:
    """What is kept of every row: the columns of `core.models.EvaluationAnswer` but for job and stage."""
    return [
        {
            "suite": suite.name,
            "row": row,
            "key": question.key,
            **storable({name: value for name, value in asdict(verdict).items() if name not in ("called", "lenient")}),
            "question": storable(question.text),
            "tools": storable(question.tool_names),
            "expected": storable([call.shown() for call in question.expected]),
            "answer": storable(answer.shown()),
        }
        for row, (question, answer, verdict) in enumerate(zip(suite.questions, answers, graded, strict=True))
    ]
