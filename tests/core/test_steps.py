"""Steps and scores are stored once, however often and however many at a time a run reports them."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from core import evaluations, runs
from core.db import transaction
from core.models import Evaluation, Metric
from tests.core.sessions import claim, new_job
from tests.core.test_leases import LOST, metric, reap

pytestmark = pytest.mark.usefixtures("database")


def steps() -> Sequence[Any]:
    with transaction() as session:
        return session.execute(select(Metric.__table__).order_by(Metric.step)).all()


def test_a_step_seen_again_replaces_the_first_and_is_not_doubled() -> None:
    new_job()
    first = claim(LOST)
    with transaction() as session:
        runs.record_progress(session, first, {"step": 2}, [metric(1, 9.0), metric(2, 8.0)])
    reap()
    second = claim()
    with transaction() as session:
        runs.record_progress(session, second, {"step": 2}, [metric(2, 7.0)])
        rows = session.execute(select(Metric.step, Metric.attempt, Metric.loss).order_by(Metric.step)).all()
    assert [tuple(row) for row in rows] == [(1, 1, 9.0), (2, 2, 7.0)]


def test_a_step_that_is_as_it_was_stays_that_of_its_run() -> None:
    new_job()
    first = claim(LOST)
    with transaction() as session:
        runs.record_progress(session, first, None, [metric(1, 9.0), metric(2, 8.0)])
    before = steps()
    reap()
    with transaction() as session:
        runs.record_progress(session, claim(), None, [metric(1, 9.0), metric(2, 7.0)])
    after = steps()
    assert after[0] == before[0]
    assert (after[1].attempt, after[1].loss) == (2, 7.0)
    assert after[1].at > before[1].at


def test_more_steps_are_stored_at_once_than_one_statement_holds() -> None:
    new_job()
    with transaction() as session:
        runs.record_progress(session, claim(), None, [metric(step, 1.0) for step in range(7000)])
    assert [row.step for row in steps()] == list(range(7000))


def test_the_same_scores_stored_again_change_nothing() -> None:
    new_job()
    lease = claim()
    stored_at = []
    for scores in ({"n": 1}, {"n": 1}, {"n": 2}):
        with transaction() as session:
            evaluations.record(session, lease, "chat", "m", scores)
            stored_at.append(session.scalar(select(Evaluation.created_at)))
    assert stored_at[0] == stored_at[1] != stored_at[2]
