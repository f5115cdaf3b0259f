"""Pause, resume, cancel and retry: at any state, twice, and against a run that ends at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, update

from core import jobs, runs
from core.db import transaction
from core.errors import Conflict, StillStopping
from core.models import Job, Run
from core.runs import Lease, backoff_s
from core.states import JobStatus
from tests.core.sessions import claim, finish, new_job, read, status_of, try_claim

pytestmark = pytest.mark.usefixtures("database")
WISHES = {"pause": jobs.pause, "resume": jobs.resume, "cancel": jobs.cancel, "retry": jobs.retry}
ERROR = {"code": "stage_crashed", "message": "it broke", "stage": "chat"}


def wish(name: str, job_id: str) -> JobStatus:
    with transaction() as session:
        return JobStatus(WISHES[name](session, job_id).status)


def stop(lease: Lease) -> None:
    with transaction() as session:
        runs.stopped(session, lease, "asked to")


def break_off(lease: Lease, limit: int = 3) -> None:
    with transaction() as session:
        runs.retry_later(session, lease, ERROR, limit)


def test_a_queued_job_is_paused_at_once_and_not_claimed_until_resumed() -> None:
    job_id = new_job()
    assert [wish("pause", job_id), wish("pause", job_id)] == [JobStatus.PAUSED] * 2
    assert try_claim() is None
    assert [wish("resume", job_id), wish("resume", job_id)] == [JobStatus.QUEUED] * 2
    assert claim().job_id == job_id


def test_a_running_job_is_paused_by_its_worker_and_goes_on_as_the_next_run() -> None:
    job_id = new_job()
    lease = claim()
    assert wish("pause", job_id) == JobStatus.PAUSING
    with transaction() as session:
        assert runs.look(session, lease) == JobStatus.PAUSING
    with pytest.raises(StillStopping, match="in a moment"):
        wish("resume", job_id)
    stop(lease)
    job = read(job_id)
    assert (job.status, job.lease_token, job.finished_at) == (JobStatus.PAUSED, None, None)
    wish("resume", job_id)
    assert claim().attempt == 2


def test_a_paused_or_pausing_job_can_be_cancelled() -> None:
    paused, pausing = new_job(), new_job()
    wish("pause", paused)
    lease = claim()
    wish("pause", pausing)
    assert wish("cancel", paused) == JobStatus.CANCELLED
    assert wish("cancel", pausing) == JobStatus.CANCELLING
    stop(lease)
    assert status_of(pausing) == JobStatus.CANCELLED


def test_a_job_that_ends_while_it_is_being_paused_has_succeeded() -> None:
    job_id = new_job()
    lease = claim()
    wish("pause", job_id)
    finish(lease)
    assert status_of(job_id) == JobStatus.SUCCEEDED


def test_a_pause_that_meets_the_end_of_the_job_is_a_conflict() -> None:
    job_id = new_job()
    lease = claim()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            runs.finish(session, lease, JobStatus.SUCCEEDED)
            session.flush()
            paused = pool.submit(wish, "pause", job_id)
        with pytest.raises(Conflict, match="is succeeded"):
            paused.result(10)


@pytest.mark.parametrize("end", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_failed_or_cancelled_job_is_retried_with_a_clean_slate(end: JobStatus) -> None:
    job_id = new_job()
    if end == JobStatus.FAILED:
        finish(claim(), end)
    else:
        wish("cancel", job_id)
    assert [wish("retry", job_id), wish("retry", job_id)] == [JobStatus.QUEUED] * 2
    job = read(job_id)
    assert (job.error, job.finished_at, job.failures) == (None, None, 0)
    assert claim().job_id == job_id


@pytest.mark.parametrize("name", ["retry", "resume", "pause", "cancel"])
def test_a_job_that_succeeded_stays_so(name: str) -> None:
    job_id = new_job()
    finish(claim())
    with pytest.raises(Conflict, match="succeeded"):
        wish(name, job_id)


def test_a_drained_worker_gives_its_job_back_without_blame() -> None:
    job_id = new_job()
    lease = claim()
    stop(lease)
    job = read(job_id)
    assert (job.status, job.failures, job.not_before) == (JobStatus.QUEUED, 0, None)
    with transaction() as session:
        assert session.get_one(Run, (job_id, 1)).outcome == "drained"


def test_a_passing_fault_is_tried_again_at_once_then_later_then_given_up() -> None:
    job_id = new_job()
    break_off(claim())
    assert status_of(job_id) == JobStatus.QUEUED
    break_off(claim())
    assert try_claim() is None
    with transaction() as session:
        session.execute(update(Job).values(not_before=func.now() - timedelta(seconds=1)))
    break_off(claim())
    job = read(job_id)
    assert (job.status, job.error and job.error["code"]) == (JobStatus.FAILED, "stage_crashed")
    assert job.error is not None
    assert "3 runs in a row" in job.error["message"]


def test_a_resumed_job_does_not_wait_for_an_earlier_failure() -> None:
    job_id = new_job()
    break_off(claim())
    break_off(claim())
    assert read(job_id).not_before is not None
    wish("pause", job_id)
    wish("resume", job_id)
    assert read(job_id).not_before is None
    assert claim().job_id == job_id


def test_a_new_checkpoint_forgives_earlier_failures() -> None:
    job_id = new_job()
    break_off(claim())
    lease = claim()
    with transaction() as session:
        runs.record_checkpoint(session, lease, "chat", 100)
    break_off(lease)
    job = read(job_id)
    assert (job.failures, job.checkpoint) == (1, {"stage": "chat", "step": 100})


def test_the_waits_grow_to_five_minutes() -> None:
    assert [backoff_s(n) for n in (1, 2, 3, 4, 20)] == [0, 5, 10, 20, 300]
