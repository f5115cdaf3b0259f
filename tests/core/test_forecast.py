"""Starts and ends are forecast as ranges from what the same work took before, and the forecast is judged."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text, update

from core import forecast, jobs, projects, runs
from core.db import transaction
from core.durations import History, phases_of, remaining
from core.memory import GIB
from core.models import Event, Job, Phase
from core.runs import Lease
from core.spec import DatasetSpec, DeploySpec, JobSpec, StageSpec
from core.stalls import stalled
from core.states import JobStatus
from tests.core.sessions import claim, finish, read
from tests.waiting import wait_until

SPEC = JobSpec(
    base_model="./tiny",
    stages=(StageSpec(name="chat", data=DatasetSpec(source="rows.jsonl")),),
    deploy=DeploySpec(when="never"),
)
PLAN = {"stages": [{"name": "chat", "rows": 160, "steps": 10, "effective_batch": 16}], "total_steps": 10}
PHASES = ((JobStatus.PREPARING, "", 4), (JobStatus.TRAINING, "chat", 50), (JobStatus.MERGING, "chat", 2))


def new_job(project: str = "default", memory_bytes: int = 0, **changes: Any) -> str:
    with transaction() as session:
        spec = SPEC.model_copy(update=changes)
        return jobs.create(session, spec, PLAN, project=project, memory_bytes=memory_bytes).id


def finished_job() -> None:
    """A job whose phases took as long as PHASES says."""
    new_job()
    lease = claim()
    enter(lease, JobStatus.TRAINING)
    enter(lease, JobStatus.MERGING)
    finish(lease)
    with transaction() as session:
        for status, stage, seconds in PHASES:
            took = {"started_at": Phase.ended_at - timedelta(seconds=seconds)}
            where = (Phase.job_id == lease.job_id, Phase.status == status, Phase.stage == stage)
            assert session.execute(update(Phase).where(*where).values(took)).rowcount == 1  # type: ignore[attr-defined]


def enter(lease: Lease, status: JobStatus) -> None:
    with transaction() as session:
        runs.move(session, lease, status, stage="chat")


def write() -> None:
    with transaction() as session:
        forecast.write(session)


def made(job_id: str) -> dict[str, Any]:
    """The job's forecast as it is stored."""
    return read(job_id).forecast or {}


def limit(project: str, **changes: float | None) -> None:
    with transaction() as session:
        projects.change(session, project, dict(changes))


def length(job_id: str) -> list[float]:
    """Seconds from the making of the job's forecast to both ends of its range."""
    stored = made(job_id)
    return [end - stored["made_at"] for end in stored["end"]]


@pytest.mark.usefixtures("database")
def test_a_job_like_an_earlier_one_is_forecast_to_take_as_long() -> None:
    finished_job()
    job_id = new_job()
    claim()
    write()
    low, high = length(job_id)
    assert low < 56 < high
    assert high - low < 20


@pytest.mark.usefixtures("database")
def test_a_job_on_an_unknown_base_gets_no_end_before_it_trains_and_one_from_its_own_steps() -> None:
    job_id = new_job()
    lease = claim()
    write()
    assert made(job_id)["end"] is None
    enter(lease, JobStatus.TRAINING)
    with transaction() as session:
        runs.record_progress(session, lease, {"step": 4, "max_steps": 10, "eta_s": 30.0})
    write()
    low, high = length(job_id)
    assert low < 30 < high


@pytest.mark.usefixtures("database")
def test_queued_jobs_have_positions_in_the_order_of_the_claims_and_start_after_those_before_them() -> None:
    finished_job()
    first, second, urgent = new_job(), new_job(), new_job(priority=3)
    write()
    stored = [made(job_id) for job_id in (urgent, first, second)]
    assert [one["position"] for one in stored] == [1, 2, 3]
    begins = [one["start"] for one in stored]
    assert begins[0][0] < begins[1][0] < begins[2][0]
    assert begins[1][0] - begins[0][0] == pytest.approx(56 * 0.9, abs=2)


@pytest.mark.usefixtures("database")
def test_positions_are_the_order_in_which_claims_then_take_the_jobs() -> None:
    finished_job()
    queued = [new_job(project="big") for _ in range(5)] + [new_job(project="small"), new_job(project="small")]
    write()
    expected = sorted(queued, key=lambda job_id: int(made(job_id)["position"]))
    assert expected.index(queued[-2]) == 1
    taken: list[str] = []
    for _ in queued:
        lease = claim()
        taken.append(lease.job_id)
        finish(lease)
    assert taken == expected


@pytest.mark.usefixtures("database")
def test_a_crowd_of_more_than_are_shown_leaves_room_for_the_other_projects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecast, "QUEUE_SHOWN", 4)
    finished_job()
    crowd = [new_job(project="big") for _ in range(6)]
    one = new_job(project="small")
    write()
    assert made(one)["position"] == 2
    assert [made(job_id) == {} for job_id in crowd] == [False] * 3 + [True] * 3


@pytest.mark.usefixtures("database")
def test_a_job_that_may_not_start_has_no_position_and_no_start_but_the_reason() -> None:
    finished_job()
    limit("none", max_running=0)
    limit("spent", gpu_hours=0)
    limit("poor", gpu_hours=0.01)
    reasons = {
        new_job("none"): "project none may run 0 jobs at once",
        new_job("spent"): "budget of project spent is used up: 0 GPU hours",
        new_job(memory_bytes=80 * GIB): "no worker has 80 GB: the largest has 64 GB",
    }
    first, second = new_job("poor"), new_job("poor")
    write()
    for job_id, reason in reasons.items():
        assert (made(job_id)["position"], made(job_id)["start"]) == (None, None)
        assert made(job_id)["waiting_for"] == reason
    assert (made(first)["position"], made(first)["waiting_for"]) == (1, None)
    # 36 s of budget, and the first one takes 56.
    assert (made(second)["position"], made(second)["start"]) == (None, None)
    assert made(second)["waiting_for"] == "the budget of project poor will be used up before its turn"


@pytest.mark.usefixtures("database")
def test_a_job_that_backs_off_starts_no_earlier_than_it_may_and_says_so() -> None:
    finished_job()
    job_id = new_job()
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(not_before=func.now() + timedelta(seconds=100)))
    write()
    stored = made(job_id)
    assert stored["start"][0] - stored["made_at"] == pytest.approx(100, abs=1)
    assert "backing off after a failure" in stored["waiting_for"]
    assert stored["waiting_for"].startswith("not before ")


@pytest.mark.usefixtures("database")
def test_without_a_worker_the_queue_has_an_order_and_no_times() -> None:
    first, second = new_job(), new_job()
    write()
    assert [(made(j)["position"], made(j)["start"]) for j in (first, second)] == [(1, None), (2, None)]
    assert made(first)["waiting_for"] == "no worker is there"


@pytest.mark.usefixtures("database")
def test_behind_work_of_unknown_length_a_job_has_a_position_and_no_start() -> None:
    new_job()
    claim()
    job_id = new_job()
    write()
    assert (made(job_id)["position"], made(job_id)["start"]) == (1, None)
    assert "length is not known" in made(job_id)["waiting_for"]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("wish", [jobs.cancel, jobs.pause])
def test_a_job_that_was_asked_to_stop_frees_its_worker_soon_and_is_shown_no_end(wish: Callable[..., Job]) -> None:
    finished_job()
    stopping = new_job()
    claim()
    write()
    with transaction() as session:
        wish(session, stopping)
    waiting = new_job()
    write()
    assert forecast.shown(read(stopping), 10) == {}
    assert made(waiting)["start"][1] - made(waiting)["made_at"] <= 31


@pytest.mark.usefixtures("database")
def test_a_forecast_is_shown_for_three_rounds_and_no_longer() -> None:
    finished_job()
    job_id = new_job()
    write()
    job, at = read(job_id), datetime.fromtimestamp(made(job_id)["made_at"], UTC)
    assert forecast.shown(job, 10, at + timedelta(seconds=29))["position"] == 1
    assert forecast.shown(job, 10, at + timedelta(seconds=31)) == {}


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize(("stop", "again"), [(jobs.pause, jobs.resume), (jobs.cancel, jobs.retry)])
def test_a_pause_is_no_error_of_the_forecast(stop: Callable[..., Job], again: Callable[..., Job]) -> None:
    finished_job()
    job_id = new_job()
    write()
    with transaction() as session:
        # As if all of it had been two days ago.
        early = text("UPDATE jobs SET forecast = jsonb_set(forecast, '{first,end}', '[1000, 2000]') WHERE id = :id")
        session.execute(early, {"id": job_id})
    with transaction() as session:
        stop(session, job_id)
    with transaction() as session:
        assert not again(session, job_id).forecast
    write()
    assert made(job_id)["first"]["end"] == made(job_id)["end"]


@pytest.mark.usefixtures("database")
def test_a_claim_during_the_writing_waits_and_gets_the_job_that_is_next() -> None:
    job_id, other = new_job(), new_job()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            forecast.write(session)
            session.flush()
            claimed = pool.submit(claim)
            wait_until(lambda: claimed.done() or someone_waits_for_a_lock())
        assert claimed.result(10).job_id == job_id
    assert made(other)["position"] == 2


def someone_waits_for_a_lock() -> bool:
    with transaction() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


@pytest.mark.usefixtures("database")
def test_a_row_that_somebody_holds_is_left_for_the_next_round_and_nobody_waits() -> None:
    held, other = new_job(), new_job()
    with ThreadPoolExecutor(1) as pool, transaction() as session:
        jobs.pause(session, held)
        pool.submit(write).result(10)
        assert (made(held), made(other)["position"]) == ({}, 2)


@pytest.mark.usefixtures("database")
def test_the_first_forecast_is_judged_when_the_job_succeeds() -> None:
    finished_job()
    job_id = new_job()
    lease = claim()
    write()
    finish(lease)
    with transaction() as session:
        [event] = session.scalars(select(Event).where(Event.job_id == job_id, Event.type == "forecast.judged"))
    assert event.data is not None
    assert event.data["off_s"] < -30
    assert "before the range" in event.message


def test_training_at_an_unknown_speed_has_no_span_and_other_phases_a_wide_one() -> None:
    known = History({})
    assert known.span((JobStatus.TRAINING, "chat"), 10) is None
    wide = known.span((JobStatus.MERGING, "chat"), None)
    assert wide is not None
    assert wide.high > 10 * wide.low


def test_a_resumed_job_counts_from_the_stage_of_its_checkpoint() -> None:
    job = Job(status=JobStatus.QUEUED, spec=SPEC.model_dump(mode="json"), plan=PLAN, checkpoint={"stage": "chat"})
    known = History({(status, stage): [1.0] for status, stage, _ in PHASES})
    assert phases_of(job)[0] == (JobStatus.PREPARING, "")
    left = remaining(job, known, 0)
    assert left is not None
    # Ten steps of a second each, and the merge's second.
    assert left.low == pytest.approx(9.9)
    assert left.high == pytest.approx(12.1)


def test_a_job_is_stalled_when_no_progress_came_for_the_limit_and_the_reason_says_what_to_do() -> None:
    now = datetime.now(UTC)
    job = Job(status=JobStatus.TRAINING, stage="chat", progress={"step": 7})
    job.lease_expires_at, job.progress_at = now + timedelta(seconds=30), now - timedelta(seconds=100)
    assert stalled(job, 300, now) is None
    reason = stalled(job, 60, now)
    assert reason is not None
    assert "no progress for 100 s (limit 60 s) while training chat at step 7" in reason
    job.lease_expires_at = now - timedelta(seconds=5)
    assert "lease ran out 5 s ago" in (stalled(job, 300, now) or "")
    job.status = JobStatus.QUEUED
    assert stalled(job, 1, now) is None
