"""The kept answers of a job's models, found by stage, suite and verdict, page by page in order of stage, suite, row."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, select, tuple_
from sqlalchemy.orm import Session

from core.errors import InvalidRequest, NotFound
from core.model_registry import get_model
from core.models import Evaluation, EvaluationAnswer, Job
from core.pairing import Answers, of_model, of_stage, paired_rows

Verdict = Literal["right", "wrong", "won", "lost"]
Found = tuple[EvaluationAnswer | None, EvaluationAnswer]
"""The older model's answer to the same row, where one was asked for, and the answer."""
BASE = "base"
_KEY = (EvaluationAnswer.stage, EvaluationAnswer.suite, EvaluationAnswer.row)


@dataclass(frozen=True)
class Wanted:
    """Which answers.  `won` and `lost` are those of `stage` against the model `against`, or the stage before it."""

    stage: str | None = None
    suite: str | None = None
    verdict: Verdict | None = None
    against: str | None = None


def answer_id(answer: EvaluationAnswer) -> str:
    """Of an answer among those of its job; neither a stage nor a suite has a colon in its name."""
    return f"{answer.stage}:{answer.suite}:{answer.row}"


def stage_names(job: Job) -> list[str]:
    """What the job's models can be measured as, in order."""
    return [BASE, *(stage["name"] for stage in job.spec["stages"])]


def measured(session: Session, job: Job) -> list[Evaluation]:
    """The measurements of the job's models so far, in that order."""
    found = {row.stage: row for row in session.scalars(select(Evaluation).where(Evaluation.job_id == job.id))}
    return [found[name] for name in stage_names(job) if name in found]


def page(session: Session, job: Job, wanted: Wanted, *, after: str | None, limit: int) -> Sequence[Found]:
    """Up to `limit + 1` answers behind the one whose id is `after` (one more tells that there is more)."""
    conditions = [EvaluationAnswer.job_id == job.id]
    if after is not None:
        conditions.append(tuple_(*_KEY) > tuple_(*_position(after)))
    if wanted.stage is not None:
        _check_stage(job, wanted.stage)
        conditions.append(EvaluationAnswer.stage == wanted.stage)
    if wanted.suite is not None:
        conditions.append(EvaluationAnswer.suite == wanted.suite)
    if wanted.verdict in ("right", "wrong"):
        conditions.append(EvaluationAnswer.correct == (wanted.verdict == "right"))
    if wanted.against is None and wanted.verdict not in ("won", "lost"):
        query = select(EvaluationAnswer).where(*conditions).order_by(*_KEY).limit(limit + 1)
        return [(None, answer) for answer in session.scalars(query)]
    return _paired(session, job, wanted, conditions, limit)


def _paired(
    session: Session, job: Job, wanted: Wanted, conditions: list[ColumnElement[bool]], limit: int
) -> Sequence[Found]:
    if wanted.stage is None:
        raise InvalidRequest("won, lost and against are about one stage's answers: give `stage` too", param="stage")
    both = paired_rows(_older(session, job, wanted.stage, wanted.against), of_stage(job.id, wanted.stage))
    query = both.answers().where(*conditions)
    if wanted.verdict in ("won", "lost"):
        query = query.where(both.won if wanted.verdict == "won" else both.lost)
    found = session.execute(query.order_by(*_KEY).limit(limit + 1))
    return [(older, newer) for older, newer in found]


def _older(session: Session, job: Job, stage: str, against: str | None) -> Answers:
    """Of the model to compare with: another one of this job, or one that another job made."""
    ours = measured(session, job)
    if against is not None:
        of_this_job = [each.stage for each in ours if each.model_id == against]
        return of_stage(job.id, of_this_job[0]) if of_this_job else of_model(get_model(session, against).id)
    names = [each.stage for each in ours]
    position = names.index(stage) if stage in names else 0
    if not position:
        problem = f"this job measured nothing before {stage}: name a model to compare with as `against`"
        raise InvalidRequest(problem, param="against")
    return of_stage(job.id, names[position - 1])


def _check_stage(job: Job, stage: str) -> None:
    names = stage_names(job)
    if stage not in names:
        raise InvalidRequest(f"stage is {stage!r}: this job has {', '.join(names)}", param="stage")


def _position(after: str) -> tuple[str, str, int]:
    """Of an answer in the order of the list."""
    match after.split(":"):
        case [stage, suite, row] if row.isascii() and row.isdigit() and len(row) < 10:
            return stage, suite, int(row)
    raise NotFound(f"after is {after!r}: there is no answer of that id, which is `stage:suite:row`", param="after")
