"""The measurements of a job's models as rows: the scores of each, and what it answered to every row of a suite.

A Session is a transaction that the caller commits; a run writes under its lease only.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import runs
from core.models import Evaluation, EvaluationAnswer
from core.runs import Lease

_BATCH = 500


def record(
    session: Session,
    lease: Lease,
    stage: str,
    model_id: str,
    scores: dict[str, Any],
    answers: Iterable[dict[str, Any]] = (),
) -> None:
    """Store a model's scores and answers; measuring again replaces them, storing the same ones again changes nothing.

    An answer has the columns of `EvaluationAnswer`, but for the job and the stage.
    """
    runs.hold(session, lease)
    statement = insert(Evaluation).values(job_id=lease.job_id, stage=stage, model_id=model_id, scores=scores)
    changed = session.execute(
        statement.on_conflict_do_update(
            index_elements=["job_id", "stage"],
            set_={"scores": scores, "model_id": model_id, "created_at": func.now()},
            where=Evaluation.scores.is_distinct_from(statement.excluded.scores),
        ).returning(Evaluation.job_id)
    )
    if changed.first() is None:
        return
    old = delete(EvaluationAnswer).where(EvaluationAnswer.job_id == lease.job_id, EvaluationAnswer.stage == stage)
    session.execute(old)
    rows = ({"job_id": lease.job_id, "stage": stage, **answer} for answer in answers)
    while batch := list(islice(rows, _BATCH)):
        session.execute(insert(EvaluationAnswer), batch)
