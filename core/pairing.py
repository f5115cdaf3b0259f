"""Which answers of two models belong together, and which model was right: verdicts on the same rows of a suite.

Answers belong together by their suite, their key and what is expected, never by the number of a row: another job's
suite of that name may hold other rows.  A row that a suite holds twice is paired copy by copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, func, select, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from core.models import Evaluation, EvaluationAnswer
from core.significance import Paired, mcnemar

MEASUREMENTS = 20
"""A base model is measured by many jobs: its answers are looked for in the newest of them."""

_SAME = ("suite", "key", "expected", "copy")
_ROW = ("job_id", "stage", "suite", "row")
Pair = Row[EvaluationAnswer, EvaluationAnswer]


@dataclass(frozen=True)
class Answers:
    """Of one model: those that one job got from it in a stage, or, by `of_model`, the newest that any job got."""

    where: ColumnElement[bool]

    def rows(self) -> Subquery:
        """One row for each answer: its key in the table, what it is paired by, and the verdict."""
        table = EvaluationAnswer
        same_row = (table.job_id, table.stage, table.suite, table.key, table.expected)
        copy = func.row_number().over(partition_by=same_row, order_by=table.row).label("copy")
        of_measurement = and_(table.job_id == Evaluation.job_id, table.stage == Evaluation.stage)
        numbered = (
            select(table.job_id, table.stage, table.suite, table.row, table.key, table.expected, table.correct, copy)
            .add_columns(Evaluation.created_at)
            .join(Evaluation, of_measurement)
            .where(self.where)
            .subquery()
        )
        same = [numbered.c[name] for name in _SAME]
        newest = (numbered.c.created_at.desc(), numbered.c.job_id, numbered.c.stage)
        return select(numbered).ext(distinct_on(*same)).order_by(*same, *newest).subquery()


def of_stage(job_id: str, stage: str) -> Answers:
    """Those of the model that a job measured as `stage`."""
    return Answers(and_(Evaluation.job_id == job_id, Evaluation.stage == stage))


def of_model(model_id: str) -> Answers:
    """Those of a model, whichever jobs measured it."""
    measured = select(Evaluation.job_id, Evaluation.stage).where(Evaluation.model_id == model_id)
    newest = measured.order_by(Evaluation.created_at.desc()).limit(MEASUREMENTS)
    return Answers(tuple_(Evaluation.job_id, Evaluation.stage).in_(newest))


def compare_answers(session: Session, older: Answers, newer: Answers) -> dict[str, Paired]:
    """How two models differ on the rows that both answered, by suite; nothing for a suite without such a row."""
    both, won, lost = _both(older, newer)
    query = select(both.c.suite, func.count(), func.count().filter(won), func.count().filter(lost))
    counted = session.execute(query.group_by(both.c.suite).order_by(both.c.suite)).all()
    return {suite: Paired(n, won, lost, mcnemar(won, lost)) for suite, n, won, lost in counted}


def examples(
    session: Session, older: Answers, newer: Answers, *, won: bool, limit: int, suite: str | None = None
) -> Sequence[Pair]:
    """Rows on which the models differ, the older model's answer and the newer one's: `limit` of each suite at most.

    `won`: those that only the newer model gets right; else those that only the older one does.
    """
    both, is_won, is_lost = _both(older, newer)
    number = func.row_number().over(partition_by=both.c.suite, order_by=both.c.row)
    differing = select(both, number.label("number")).where(is_won if won else is_lost)
    if suite is not None:
        differing = differing.where(both.c.suite == suite)
    shown = differing.subquery()
    return session.execute(pairs(shown).where(shown.c.number <= limit).order_by(shown.c.suite, shown.c.row)).all()


def pairs(both: Subquery) -> Select[EvaluationAnswer, EvaluationAnswer]:
    """The whole answers of paired rows: the older model's and the newer one's."""
    before, after = aliased(EvaluationAnswer), aliased(EvaluationAnswer)
    is_before = and_(*(getattr(before, name) == both.c[f"older_{name}"] for name in _ROW))
    is_after = and_(*(getattr(after, name) == both.c[name] for name in _ROW))
    return select(before, after).select_from(both).join(before, is_before).join(after, is_after)


def _both(older: Answers, newer: Answers) -> tuple[Subquery, ColumnElement[bool], ColumnElement[bool]]:
    """The rows that both models answered, and which of them the newer model won and lost."""
    before, after = older.rows(), newer.rows()
    both = (
        select(after, *(before.c[name].label(f"older_{name}") for name in (*_ROW, "correct")))
        .join(before, and_(*(before.c[name] == after.c[name] for name in _SAME)))
        .subquery()
    )
    return both, and_(both.c.correct, ~both.c.older_correct), and_(~both.c.correct, both.c.older_correct)
