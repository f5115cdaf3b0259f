"""Creating jobs and handing them to workers: order, and one worker a job."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select, update

from core import jobs, runs
from core.db import transaction
from core.errors import InvalidRequest, NotFound
from core.models import Event, Job, Run
from core.states import JobStatus
from tests.conftest import Services
from tests.core.sessions import DEVICE, SPEC, claim, new_job, read, status_of

pytestmark = pytest.mark.usefixtures("database")
PLAN: dict[str, Any] = {"stages": [], "total_steps": None}


def test_a_new_job_is_queued_with_its_spec_and_an_event() -> None:
    job = read(new_job(priority=5))
    assert job.id.startswith("ftjob-")
    assert (job.status, job.attempt, job.priority) == (JobStatus.QUEUED, 0, 5)
    assert job.spec == SPEC.model_copy(update={"priority": 5}).model_dump(mode="json")
    with transaction() as session:
        assert session.scalars(select(Event.type).where(Event.job_id == job.id)).all() == ["job.created"]


def test_a_job_that_is_rolled_back_leaves_nothing() -> None:
    with transaction() as session:
        jobs.create(session, SPEC, PLAN)
        session.rollback()
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 0


def test_an_idempotency_key_makes_one_job_and_refuses_another_body() -> None:
    with transaction() as session:
        first = jobs.create(session, SPEC, PLAN, idempotency_key="k", body_sha256="a").id
    with transaction() as session:
        assert jobs.create(session, SPEC, PLAN, idempotency_key="k", body_sha256="a").id == first
    with transaction() as session, pytest.raises(InvalidRequest, match=first):
        jobs.create(session, SPEC, PLAN, idempotency_key="k", body_sha256="b")
    with transaction() as session:
        other = jobs.create(session, SPEC, PLAN, project="other", idempotency_key="k", body_sha256="b")
        assert other.id != first


def test_a_request_that_has_yet_to_commit_makes_its_repetition_wait() -> None:
    def create() -> str:
        with transaction() as session:
            return jobs.create(session, SPEC, PLAN, idempotency_key="k", body_sha256="a").id

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            first = jobs.create(session, SPEC, PLAN, idempotency_key="k", body_sha256="a").id
            repetition = pool.submit(create)
            assert not repetition.done()
        assert repetition.result(10) == first


def test_jobs_are_claimed_by_priority_then_age() -> None:
    old, urgent, young = new_job(), new_job(priority=1), new_job()
    assert [claim().job_id for _ in range(3)] == [urgent, old, young]
    with transaction() as session:
        assert runs.claim(session, "worker", DEVICE, 60) is None


def test_a_claim_opens_a_run() -> None:
    new_job()
    lease = claim()
    job = read(lease.job_id)
    assert (job.status, job.attempt, job.lease_token) == (JobStatus.PREPARING, 1, lease.token)
    assert job.started_at is not None
    with transaction() as session:
        run = session.get_one(Run, (lease.job_id, 1))
        assert (run.worker, run.ended_at) == ("worker", None)


def test_many_workers_claim_each_job_once() -> None:
    waiting = {new_job() for _ in range(20)}

    def work(_: int) -> list[str]:
        taken: list[str] = []
        while True:
            with transaction() as session:
                lease = runs.claim(session, "worker", DEVICE, 60)
            if lease is None:
                return taken
            taken.append(lease.job_id)

    with ThreadPoolExecutor(4) as pool:
        taken = [job_id for each in pool.map(work, range(4)) for job_id in each]
    assert sorted(taken) == sorted(waiting)


def test_pages_start_behind_a_job_and_tell_of_one_more() -> None:
    ids = [new_job() for _ in range(4)][::-1]
    with transaction() as session:
        page = jobs.page(session, after=ids[0], limit=2, status=None, metadata={})
        assert [job.id for job in page] == ids[1:]
        with pytest.raises(NotFound, match="ftjob-unknown"):
            jobs.page(session, after="ftjob-unknown", limit=2, status=None, metadata={})


def test_a_queued_job_is_rung_for_when_due_and_then_left_alone(services: Services) -> None:
    job_id = new_job()
    with transaction() as session:
        assert runs.due_doorbells(session, 60) == 0
        session.execute(update(Job).values(next_doorbell_at=func.now()))
    with transaction() as session:
        assert runs.due_doorbells(session, 60) == 1
    with transaction() as session:
        assert runs.due_doorbells(session, 60) == 0
    assert status_of(job_id) == JobStatus.QUEUED
