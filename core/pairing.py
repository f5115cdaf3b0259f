"""Which answers of two models belong together, and which model was right: verdicts on the same rows of a suite.

Answers belong together by their suite, their key and what is expected, never by the number of a row: another job's
suite of that name may hold other rows.  A row that a suite holds twice is paired copy by copy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, Subquery, and_, func, literal, select, tuple_, union_all
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session, aliased

from core.models import Evaluation, EvaluationAnswer, Job
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
    """Those of a model, whichever jobs measured it; a confined session sees those of its own project's jobs."""
    measured = select(Evaluation.job_id, Evaluation.stage).join(Job, Job.id == Evaluation.job_id)
    measured = measured.where(Evaluation.model_id == model_id)
    newest = measured.order_by(Evaluation.created_at.desc()).limit(MEASUREMENTS)
    return Answers(tuple_(Evaluation.job_id, Evaluation.stage).in_(newest))


@dataclass(frozen=True)
class PairedRows:
    """The rows that two models have both answered: of each the newer model's key, and the older one's as `older_…`."""

    rows: Subquery

    @property
    def won(self) -> ColumnElement[bool]:
        """Only the newer model is right."""
        return and_(self.rows.c.correct, ~self.rows.c.older_correct)

    @property
    def lost(self) -> ColumnElement[bool]:
        """Only the older model is right."""
        return and_(~self.rows.c.correct, self.rows.c.older_correct)

    def answers(self) -> Select[EvaluationAnswer, EvaluationAnswer]:
        """The whole answers, the older model's first; the newer one's are of `EvaluationAnswer` itself."""
        older = aliased(EvaluationAnswer)
        is_older = and_(*(getattr(older, name) == self.rows.c[f"older_{name}"] for name in _ROW))
        is_newer = and_(*(getattr(EvaluationAnswer, name) == self.rows.c[name] for name in _ROW))
        return (
            select(older, EvaluationAnswer)
            .select_from(self.rows)
            .join(older, is_older)
            .join(EvaluationAnswer, is_newer)
        )


def paired_rows(older: Answers, newer: Answers) -> PairedRows:
    """The rows that both models have answered.

    They are brought together by grouping and not by a join: Postgres cannot know how many rows a suite has in common
    with another, and would try each row of one with each of the other.
    """
    sides = (select(older.rows(), literal(True).label("is_older")), select(newer.rows(), literal(False)))
    rows = union_all(*sides).subquery()

    def of(name: str, *, is_older: bool) -> ColumnElement[Any]:
        aggregate = func.bool_or if name == "correct" else func.max
        return aggregate(rows.c[name]).filter(rows.c.is_older == is_older)

    columns = [of(name, is_older=False).label(name) for name in (*_ROW, "correct")]
    columns += [of(name, is_older=True).label(f"older_{name}") for name in (*_ROW, "correct")]
    same = [rows.c[name] for name in _SAME]
    return PairedRows(select(*columns).group_by(*same).having(func.count() == 2).subquery())


def compare_answers(session: Session, older: Answers, newer: Answers) -> dict[str, Paired]:
    """How two models differ on the rows that both answered, by suite; nothing for a suite without such a row."""
    both = paired_rows(older, newer)
    suite = both.rows.c.suite
    query = select(suite, func.count(), func.count().filter(both.won), func.count().filter(both.lost))
    counted = session.execute(query.group_by(suite).order_by(suite)).all()
    return {name: Paired(n, won, lost, mcnemar(won, lost)) for name, n, won, lost in counted}


def examples(session: Session, older: Answers, newer: Answers, *, won: bool, limit: int) -> Sequence[Pair]:
    """Rows on which the models differ, the older model's answer and the newer one's: `limit` of each suite at most.

    `won`: those that only the newer model gets right; else those that only the older one does.
    """
    both = paired_rows(older, newer)
    number = func.row_number().over(partition_by=both.rows.c.suite, order_by=both.rows.c.row)
    numbered = select(both.rows, number.label("number")).where(both.won if won else both.lost).subquery()
    query = PairedRows(numbered).answers().where(numbered.c.number <= limit)
    return session.execute(query.order_by(numbered.c.suite, numbered.c.row)).all()
