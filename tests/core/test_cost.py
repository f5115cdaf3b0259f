"""What a job cost is its workers' time at the price that is set; answers cost what the measured speed makes them."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from core import cost, jobs, runs
from core.cost import JobCost, answer_cost
from core.db import transaction
from core.models import Evaluation, Phase, Run
from core.runs import Lease
from core.settings import get_settings
from core.states import JobStatus
from tests.core.sessions import claim, finish, new_job

SPEED = {"prompt_tokens": 128, "answer_tokens": 64, "8": {"tokens_per_s": 400.0}}


@pytest.fixture
def price(monkeypatch: pytest.MonkeyPatch) -> Iterator[float]:
    """Two and a half euros an hour."""
    monkeypatch.setenv("TUNESMITH_GPU_HOUR_PRICE", "2.5")
    monkeypatch.setenv("TUNESMITH_CURRENCY", "EUR")
    get_settings.cache_clear()
    yield 2.5
    get_settings.cache_clear()


def train(lease: Lease, **stages_s: float) -> None:
    """Train the stages, each for so many seconds."""
    for stage, seconds in stages_s.items():
        with transaction() as session:
            runs.move(session, lease, JobStatus.TRAINING, stage=stage)
            runs.move(session, lease, JobStatus.MERGING, stage=stage)
        with transaction() as session:
            where = (Phase.job_id == lease.job_id, Phase.attempt == lease.attempt, Phase.stage == stage)
            took = {"started_at": Phase.ended_at - timedelta(seconds=seconds)}
            session.execute(update(Phase).where(*where, Phase.status == JobStatus.TRAINING).values(took))


def last(lease: Lease, run_s: float) -> None:
    """Make the run, which has ended, one of so many seconds."""
    with transaction() as session:
        where = (Run.job_id == lease.job_id, Run.attempt == lease.attempt)
        session.execute(update(Run).where(*where).values(started_at=Run.ended_at - timedelta(seconds=run_s)))


def of(job_id: str) -> JobCost:
    with transaction() as session:
        return cost.of_job(session, jobs.get(session, job_id))


def two_runs() -> str:
    """A job of two stages whose second was broken off once."""
    job_id = new_job()
    first = claim()
    train(first, chat=1800, tools=600)
    with transaction() as session:
        runs.stopped(session, first, "the worker shuts down")
    last(first, 3000)
    second = claim()
    train(second, tools=1200)
    finish(second)
    last(second, 1500)
    return job_id


@pytest.mark.usefixtures("database", "price")
def test_training_is_counted_by_the_stage_over_all_runs() -> None:
    found = of(two_runs())
    assert {stage: spent.seconds for stage, spent in found.training.items()} == {"chat": 1800, "tools": 1800}
    assert list(found.training) == ["chat", "tools"]
    assert found.training["chat"].gpu_hours == 0.5
    assert found.training["chat"].cost == 1.25
    assert (found.total.seconds, found.total.gpu_hours, found.total.cost) == (4500, 1.25, 3.125)
    assert (found.currency, found.price_per_gpu_hour, found.device) == ("EUR", 2.5, "cpu")


@pytest.mark.usefixtures("database")
def test_without_a_price_there_are_hours_and_no_costs() -> None:
    found = of(two_runs())
    assert found.total.gpu_hours == 1.25
    assert found.total.cost is None
    assert found.price_per_gpu_hour is None


@pytest.mark.usefixtures("database", "price")
def test_every_model_that_was_measured_has_a_cost_of_its_answers() -> None:
    job_id = new_job()
    with transaction() as session:
        for stage, speed in (("base", SPEED), ("chat", None)):
            scores: dict[str, Any] = {"version": 2, "speed": speed, "chat": None}
            session.add(Evaluation(job_id=job_id, stage=stage, model_id=f"m-{stage}", scores=scores))
    assert list(of(job_id).answers) == ["base"]


def test_1000_answers_cost_their_tokens_at_the_speed_of_eight_clients() -> None:
    found = answer_cost({"speed": SPEED, "chat": {"answer_tokens": {"mean": 90.0}}}, price=3.6)
    assert found is not None
    assert (found.answer_tokens, found.tokens_per_s) == (90, 400)
    assert found.per_1000.seconds == 225  # 1000 * 90 / 400
    assert found.per_1000.cost == 0.225  # at a tenth of a cent a second


def test_without_chat_rows_an_answer_has_the_measured_size() -> None:
    for chat in (None, {"answer_tokens": {"mean": 0.0}}):
        found = answer_cost({"speed": SPEED, "chat": chat}, price=None)
        assert found is not None
        assert found.answer_tokens == 64
        assert found.per_1000.cost is None


def test_without_a_speed_nothing_is_said() -> None:
    assert answer_cost({"speed": None, "chat": None}, price=1) is None
