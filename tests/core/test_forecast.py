"""Starts and ends are forecast as ranges from what the same work took before, and the forecast is judged."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import forecast, jobs, runs
from core.db import transaction
from core.durations import History, phases_of, remaining
from core.forecast import Seat, Waiting, starts
from core.models import Event, Job, Phase
from core.runs import Lease
from core.spec import DatasetSpec, DeploySpec, JobSpec, StageSpec
from core.stalls import stalled
from core.states import JobStatus
from tests.core.sessions import claim, finish, read

SPEC = JobSpec(
    base_model="./tiny",
    stages=(StageSpec(name="chat", data=DatasetSpec(source="rows.jsonl")),),
    deploy=DeploySpec(when="never"),
)
PLAN = {"stages": [{"name": "chat", "rows": 160, "steps": 10, "effective_batch": 16}], "total_steps": 10}
PHASES = ((JobStatus.PREPARING, "", 4), (JobStatus.TRAINING, "chat", 50), (JobStatus.MERGING, "chat", 2))


def new_job(**changes: Any) -> str:
    with transaction() as session:
        return jobs.create(session, SPEC.model_copy(update=changes), PLAN).id


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


def length(job_id: str) -> list[float]:
    """Seconds from the making of the job's forecast to both ends of its range."""
    made = read(job_id).forecast
    assert made is not None
    return [end - made["made_at"] for end in made["end"]]


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
    made = read(job_id).forecast
    assert made is not None
    assert made["end"] is None
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
    made = {job_id: read(job_id).forecast or {} for job_id in (urgent, first, second)}
    assert [one["position"] for one in made.values()] == [1, 2, 3]
    begins = [one["start"] for one in made.values()]
    assert begins[0][0] < begins[1][0] < begins[2][0]
    assert begins[1][0] - begins[0][0] == pytest.approx(56 * 0.9, abs=2)


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


def test_the_queue_is_played_through_as_claims_take_it() -> None:
    def waiting(name: str, project: str, work_s: float | None = 100, memory: int = 1) -> Waiting:
        return Waiting(name, project, 0, memory, work_s)

    queue = [waiting("a1", "a"), waiting("a2", "a"), waiting("b1", "b"), waiting("huge", "b", memory=9)]
    assert starts(queue, [Seat(4, 10, "a"), Seat(4, 0, None)], {}) == {"b1": 0, "a1": 10, "a2": 100}
    assert starts([waiting("x", "a", None), waiting("y", "a")], [Seat(4, 0, None)], {}) == {"x": 0}


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
