"""Loss curves are short however many steps there were, and lose no extreme."""

import pytest

from core.curves import Bucket, loss_curve
from core.db import transaction
from core.models import Metric
from tests.conftest import Services
from tests.core.sessions import new_job


@pytest.fixture
def job_id(database: Services) -> str:
    return new_job()


def store(job_id: str, losses: list[float | None]) -> None:
    same = {"attempt": 1, "epoch": 0.5, "grad_norm": 1.0, "learning_rate": 1e-4, "tokens_per_s": 1.0, "step_s": 1.0}
    with transaction() as session:
        for step, loss in enumerate(losses, start=1):
            session.add(Metric(job_id=job_id, stage="chat", step=step, loss=loss, tokens=step, **same))


def curve(job_id: str, points: int) -> list[Bucket]:
    with transaction() as session:
        return loss_curve(session, job_id, "chat", points)


def test_few_steps_are_a_point_each(job_id: str) -> None:
    store(job_id, [3.0, None, 1.0])
    assert curve(job_id, 300) == [Bucket(1, 1, 3.0, 3.0, 3.0), Bucket(3, 3, 1.0, 1.0, 1.0)]


def test_many_steps_share_points_that_keep_the_extremes(job_id: str) -> None:
    store(job_id, [9.0 if step == 555 else 1.0 + step % 2 for step in range(1, 1001)])
    found = curve(job_id, 100)
    assert len(found) == 100
    assert (found[0].first, found[0].last, found[-1].last) == (1, 10, 1000)
    assert found[0] == Bucket(1, 10, 1.0, 1.5, 2.0)
    assert [bucket.high for bucket in found if bucket.high > 2] == [9.0]


def test_without_steps_there_is_no_curve(job_id: str) -> None:
    assert curve(job_id, 100) == []
