"""Scores and answers are stored together, under the lease, and once."""

from typing import Any

import pytest
from sqlalchemy import select

from core import evaluations, runs
from core.db import transaction
from core.errors import LeaseLost
from core.models import Evaluation, EvaluationAnswer
from tests.core.kept_answers import answer
from tests.core.sessions import claim, new_job

pytestmark = pytest.mark.usefixtures("database")


def stored(stage: str) -> list[tuple[int, bool]]:
    with transaction() as session:
        query = select(EvaluationAnswer).where(EvaluationAnswer.stage == stage).order_by(EvaluationAnswer.row)
        return [(row.row, row.correct) for row in session.scalars(query)]


def record(lease: runs.Lease, stage: str, scores: dict[str, Any], answers: list[dict[str, Any]]) -> None:
    with transaction() as session:
        evaluations.record(session, lease, stage, "m", scores, answers)


def test_every_answer_is_kept_with_its_stage() -> None:
    new_job()
    lease = claim()
    record(lease, "base", {"n": 1}, [answer(n, correct=False) for n in range(1200)])
    record(lease, "chat", {"n": 2}, [answer(0)])
    assert stored("base") == [(n, False) for n in range(1200)]
    assert stored("chat") == [(0, True)]


def test_measuring_again_replaces_the_answers() -> None:
    new_job()
    lease = claim()
    record(lease, "base", {"n": 1}, [answer(0), answer(1)])
    record(lease, "base", {"n": 2}, [answer(0, correct=False)])
    assert stored("base") == [(0, False)]


def test_storing_the_same_scores_again_changes_nothing() -> None:
    new_job()
    lease = claim()
    record(lease, "base", {"n": 1}, [answer(0)])
    with transaction() as session:
        before = session.scalars(select(Evaluation)).one().created_at
    record(lease, "base", {"n": 1}, [answer(0)])
    with transaction() as session:
        assert session.scalars(select(Evaluation)).one().created_at == before
    assert stored("base") == [(0, True)]


def test_a_run_that_lost_its_lease_stores_nothing() -> None:
    new_job()
    lease = claim()
    with transaction() as session:
        runs.stopped(session, lease, "taken away by the test")
    with pytest.raises(LeaseLost):
        record(lease, "base", {"n": 1}, [answer(0)])
    assert stored("base") == []
