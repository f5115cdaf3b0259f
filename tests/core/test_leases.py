"""A run may write while it holds the lease, and not a byte later; lost runs and cancels end as promised."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import deployments, evaluations, jobs, runs
from core.db import transaction
from core.errors import Conflict, LeaseLost
from core.models import Deployment, Evaluation, Job, Metric, Project, Run, Worker
from core.remedies import REMEDIES
from core.runs import Lease
from core.states import HELD, DeploymentStatus, JobStatus
from tests.core.sessions import DEVICE, claim, finish, new_job, new_model, read, status_of
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("database")
LOST = -1.0
"""A lease of this length has run out when it is given."""


def metric(step: int, loss: float) -> dict[str, Any]:
    names = ("epoch", "grad_norm", "learning_rate", "tokens", "tokens_per_s", "step_s")
    return {"stage": "chat", "step": step, "loss": loss, **dict.fromkeys(names, 1)}


def reap(limit: int = 10) -> int:
    with transaction() as session:
        return runs.reap(session, limit)


def cancel(job_id: str) -> JobStatus:
    with transaction() as session:
        return JobStatus(jobs.cancel(session, job_id).status)


def outcome(lease: Lease) -> str | None:
    with transaction() as session:
        return session.get_one(Run, (lease.job_id, lease.attempt)).outcome


# ------------------------------------------------------------------ the guard

WRITES: dict[str, Callable[[Session, Lease], object]] = {
    "renew": lambda s, lease: runs.renew(s, lease, 60),
    "move": lambda s, lease: runs.move(s, lease, JobStatus.TRAINING, stage="chat"),
    "progress": lambda s, lease: runs.record_progress(s, lease, {"step": 1}, [metric(1, 9.0)]),
    "scores": lambda s, lease: evaluations.record(s, lease, "chat", "m", {}),
    "finish": lambda s, lease: runs.finish(s, lease, JobStatus.SUCCEEDED),
    "fail": lambda s, lease: runs.finish(s, lease, JobStatus.FAILED, {"code": "bad_data", "message": "row 3"}),
    "give_back": lambda s, lease: runs.stopped(s, lease, "drained"),
}


def stored(job_id: str) -> tuple[object, ...]:
    with transaction() as session:
        row = session.execute(select(Job.__table__).where(Job.id == job_id)).one()
        counts = [session.scalar(select(func.count()).select_from(table)) for table in (Metric, Evaluation)]
        return (tuple(row), *counts)


@pytest.mark.parametrize("write", WRITES)
def test_a_run_that_lost_its_lease_can_change_nothing(write: str) -> None:
    new_job()
    old = claim(LOST)
    reap()
    new = claim()
    before = stored(new.job_id)
    with pytest.raises(LeaseLost, match="run 1"), transaction() as session:
        WRITES[write](session, old)
    assert stored(new.job_id) == before
    assert read(new.job_id).status in HELD


@pytest.mark.parametrize("write", WRITES)
def test_a_run_that_gave_its_job_back_can_change_nothing(write: str) -> None:
    new_job()
    lease = claim()
    with transaction() as session:
        runs.stopped(session, lease, "drained")
    before = stored(lease.job_id)
    with pytest.raises(LeaseLost), transaction() as session:
        WRITES[write](session, lease)
    assert stored(lease.job_id) == before


def test_renewing_extends_the_lease_and_tells_of_a_cancel() -> None:
    job_id = new_job()
    lease = claim(LOST)
    with transaction() as session:
        assert runs.renew(session, lease, 60) == JobStatus.PREPARING
    assert reap() == 0
    cancel(job_id)
    with transaction() as session:
        assert runs.renew(session, lease, 60) == JobStatus.CANCELLING


def test_a_wish_to_stop_that_came_after_a_first_read_is_seen() -> None:
    job_id = new_job()
    lease = claim()
    with transaction() as session:
        read_before = jobs.get(session, job_id)
        cancel(job_id)
        held = runs.hold(session, lease)
        assert held is read_before
        assert held.status == JobStatus.CANCELLING


def test_a_job_that_was_asked_to_stop_enters_no_further_state() -> None:
    job_id = new_job()
    lease = claim()
    with transaction() as session:
        assert runs.move(session, lease, JobStatus.TRAINING, stage="chat") == JobStatus.TRAINING
    cancel(job_id)
    with transaction() as session:
        assert runs.move(session, lease, JobStatus.MERGING, stage="chat") == JobStatus.CANCELLING
    assert status_of(job_id) == JobStatus.CANCELLING


# ------------------------------------------------------------------ ends


def test_a_finished_job_has_its_error_and_gives_up_the_lease() -> None:
    job_id = new_job()
    lease = claim()
    error = {"code": "bad_data", "message": "row 3 is broken", "stage": "chat"}
    with transaction() as session:
        runs.finish(session, lease, JobStatus.FAILED, error)
    job = read(job_id)
    assert (job.status, job.lease_token) == (JobStatus.FAILED, None)
    assert job.error == {**error, "remedy": REMEDIES["bad_data"]}
    assert job.finished_at is not None
    assert outcome(lease) == "failed"


def test_a_lost_run_is_requeued_and_goes_on_as_the_next_attempt() -> None:
    job_id = new_job()
    lost = claim(LOST)
    assert reap() == 1
    assert (status_of(job_id), outcome(lost)) == (JobStatus.QUEUED, "lease_expired")
    assert claim().attempt == 2


def test_a_job_that_loses_every_worker_fails_with_the_reason() -> None:
    job_id = new_job()
    claim(LOST)
    reap(limit=1)
    job = read(job_id)
    assert job.status == JobStatus.FAILED
    assert job.error is not None
    assert (job.error["code"], job.error["remedy"]) == ("worker_lost", REMEDIES["worker_lost"])
    assert job.error["message"].startswith("The worker stopped renewing its lease")
    assert job.finished_at is not None


def test_a_living_lease_is_not_reaped() -> None:
    new_job()
    claim()
    assert reap() == 0


def test_two_reapers_at_once_reap_a_run_once() -> None:
    new_job()
    claim(LOST)
    with transaction() as one, transaction() as two:
        assert (runs.reap(one, 10), runs.reap(two, 10)) == (1, 0)


def test_the_end_of_a_run_locks_the_worker_before_its_project_as_a_claim_does() -> None:
    new_job()
    lease = claim()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            session.execute(select(Worker).with_for_update())
            ended = pool.submit(finish, lease)
            wait_until(lambda: waiting_for_a_lock() or ended.done())
            session.execute(select(Project).with_for_update(nowait=True))
        ended.result(10)


def waiting_for_a_lock() -> bool:
    with transaction() as session:
        return bool(session.scalar(text("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")))


@pytest.mark.parametrize("end", ["give_back", "reap", "fail", "finish"])
def test_what_a_run_asked_to_be_live_is_withdrawn_unless_it_succeeds(end: str) -> None:
    new_job()
    lease = claim(LOST if end == "reap" else 60)
    with transaction() as session:
        deployments.request(session, "tunesmith", new_model("own"), lease.job_id)
        deployments.request(session, "another", new_model("other"))
    if end == "reap":
        reap()
    else:
        with transaction() as session:
            WRITES[end](session, lease)
    with transaction() as session:
        pending = set(session.scalars(select(Deployment.model_id).where(Deployment.status == DeploymentStatus.PENDING)))
    assert pending == ({"own", "other"} if end == "finish" else {"other"})


# ------------------------------------------------------------------ cancelling


@pytest.mark.parametrize("end", ["finish", "fail", "give_back", "reap"])
def test_a_running_job_asked_to_cancel_ends_cancelled_however_its_run_ends(end: str) -> None:
    job_id = new_job()
    lease = claim(LOST if end == "reap" else 60)
    assert cancel(job_id) == JobStatus.CANCELLING
    assert cancel(job_id) == JobStatus.CANCELLING
    if end == "reap":
        reap()
    else:
        with transaction() as session:
            runs.move(session, lease, JobStatus.TRAINING, stage="chat")
            WRITES[end](session, lease)
    job = read(job_id)
    assert (job.status, job.error, job.lease_token) == (JobStatus.CANCELLED, None, None)
    assert job.finished_at is not None


def test_a_job_being_cancelled_in_the_queue_is_not_claimed() -> None:
    job_id = new_job()
    with transaction() as one, transaction() as two:
        jobs.cancel(one, job_id)
        assert runs.claim(two, "worker", DEVICE, 60) is None
    assert status_of(job_id) == JobStatus.CANCELLED


def test_a_cancel_that_meets_a_claim_waits_for_it_and_stops_the_run() -> None:
    job_id = new_job()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            lease = runs.claim(session, "worker", DEVICE, 60)
            cancelled = pool.submit(cancel, job_id)
        assert cancelled.result(10) == JobStatus.CANCELLING
    assert lease is not None
    with transaction() as session:
        assert runs.renew(session, lease, 60) == JobStatus.CANCELLING


def test_a_cancel_that_meets_the_end_of_the_job_is_a_conflict() -> None:
    job_id = new_job()
    lease = claim()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            runs.finish(session, lease, JobStatus.SUCCEEDED)
            session.flush()
            cancelled = pool.submit(cancel, job_id)
        with pytest.raises(Conflict, match="already succeeded"):
            cancelled.result(10)
    assert status_of(job_id) == JobStatus.SUCCEEDED
