"""How long a program that is asked to stop may take: little when the worker shuts down, as its steps need otherwise."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import jobs
from core.db import transaction
from tests.waiting import wait_until
from tests.worker.programs import new_keeper, postgres_away, waiting_program
from worker import program
from worker.drain import DRAIN
from worker.lease import Stopped
from worker.program import DRAIN_GRACE_S, STOP_GRACE_S, Pace


def step(at: float, step_s: float) -> dict[str, object]:
    return {"type": "step", "at": at, "step_s": step_s}


def test_fast_steps_have_the_usual_grace() -> None:
    pace = Pace()
    pace.seen([step(100.0, 0.5), {"type": "checkpoint", "at": 101.0}])
    assert pace.stop_grace_s == STOP_GRACE_S


def test_slow_steps_have_the_time_of_two_and_of_a_save() -> None:
    pace = Pace()
    pace.seen([step(100.0, 30.0)])
    pace.seen([{"type": "checkpoint", "at": 107.0}, step(140.0, 33.0)])
    assert pace.stop_grace_s == 2 * 33 + 7


def test_a_drained_worker_has_time_left_for_the_rest_of_its_end() -> None:
    assert DRAIN_GRACE_S + 2 <= 10


@pytest.fixture
def short_drain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The grace of a drain is shorter than that of a pause by more than a test lasts."""
    monkeypatch.setattr(program, "DRAIN_GRACE_S", 0.5)
    yield
    DRAIN.clear()


@pytest.mark.usefixtures("database", "short_drain")
def test_a_program_that_does_not_stop_is_killed_when_the_worker_shuts_down_though_a_pause_would_wait(
    tmp_path: Path,
) -> None:
    keeper = new_keeper(watch_s=0.1)
    with waiting_program(tmp_path, keeper) as waiting:
        waiting.program.send_signal(signal.SIGSTOP)  # deaf to SIGTERM from now on
        with transaction() as session:
            jobs.pause(session, keeper.lease.job_id)
        wait_until(lambda: keeper.stop_reason == "the job is pausing")
        assert not waiting.result.done()
        DRAIN.set()
        began = time.monotonic()
        with pytest.raises(Stopped):
            waiting.result.result(10)
        assert time.monotonic() - began < 5


@pytest.mark.usefixtures("database", "short_drain")
def test_a_program_has_its_grace_though_what_it_reports_cannot_be_stored(tmp_path: Path) -> None:
    keeper, refused = new_keeper(), list[Stopped]()

    def store(_: object) -> None:
        try:
            keeper.write(lambda session: jobs.get(session, keeper.lease.job_id))
        except Stopped as error:
            refused.append(error)
            raise

    with waiting_program(tmp_path, keeper, store) as waiting:
        waiting.program.send_signal(signal.SIGSTOP)
        with postgres_away():
            DRAIN.set()
            with pytest.raises(Stopped, match="the worker is shutting down"):
                waiting.result.result(10)
    assert len(refused) > 1
