"""What a run tells of a training's health: once, while it runs and at its end; and what an evaluation does without."""

from typing import Any

import pytest
from sqlalchemy import select

from core import runs
from core.db import transaction
from core.models import Event
from core.runs import Lease
from core.spec import StageSpec
from tests.core.health.traces import CHAT, TIMES_100, trace
from tests.core.sessions import claim, new_job
from worker.lease import LeaseKeeper
from worker.report import Reporter

pytestmark = pytest.mark.usefixtures("database")


def steps_of(name: str) -> list[dict[str, Any]]:
    """The trainer's events."""
    steps = trace(name)
    rest = {"type": "step", "max_steps": len(steps), "tokens": 100, "tokens_per_s": 100.0, "step_s": 1.0, "eta_s": 1.0}
    return [{**step.model_dump(), **rest} for step in steps]


def report(lease: Lease, stage: StageSpec, steps: list[dict[str, Any]], *, ended: bool) -> None:
    reporter = Reporter(LeaseKeeper(lease), [stage])
    reporter.for_program(stage.name, "sft")(steps)
    reporter.flush()
    if ended:
        reporter.training_ended(stage.name)


def told() -> list[Event]:
    with transaction() as session:
        query = select(Event).where(Event.type.like("training.%")).order_by(Event.id)
        events = list(session.scalars(query))
        session.expunge_all()
    return events


def test_a_sick_training_is_told_once_however_often_it_is_resumed() -> None:
    new_job()
    first, steps = claim(), steps_of("rate_times_100")
    report(first, TIMES_100, steps[:30], ended=False)
    [event] = told()
    assert (event.type, event.level, event.attempt) == ("training.unhealthy", "warning", 1)
    assert event.data is not None
    assert (event.data["stage"], event.data["kind"], event.data["step"]) == ("chat", "loss_rising", 20)
    assert event.data["figure"] > event.data["bound"]
    assert event.data["advice"] in event.message

    with transaction() as session:
        runs.stopped(session, first, "drained")
    second = claim()
    report(second, TIMES_100, [*steps[:30], *steps[25:]], ended=True)  # the earlier run's steps are reported again
    assert [event.type for event in told()] == ["training.unhealthy", "training.judged"]

    with transaction() as session:
        runs.stopped(session, second, "drained")
    report(claim(), TIMES_100, steps, ended=True)  # a run that finds the stage trained
    assert len(told()) == 2


def test_a_healthy_training_is_told_at_its_end_only() -> None:
    new_job()
    report(claim(), CHAT, steps_of("demo_chat"), ended=True)
    [event] = told()
    assert (event.type, event.level) == ("training.judged", "info")
    assert event.data == {"stage": "chat", "status": "healthy", "warnings": []}
    assert event.message == (
        "The training of chat was healthy: the probability of the correct token went from 9% to 80%"
    )


@pytest.mark.parametrize(
    ("type_", "message"),
    [
        ("judge.failed", "tools is not judged: it is gone"),
        ("speed.skipped", "tools has no speed: it is gone"),
    ],
)
def test_what_an_evaluation_does_without_is_told(type_: str, message: str) -> None:
    job_id = new_job()
    Reporter(LeaseKeeper(claim()), []).for_program("tools", "evaluate")([{"type": type_, "why": "it is gone"}])
    with transaction() as session:
        query = select(Event.type, Event.message).where(Event.job_id == job_id, Event.type.like("evaluation.%"))
        assert session.execute(query).all() == [(f"evaluation.{type_.replace('.', '_')}", message)]
