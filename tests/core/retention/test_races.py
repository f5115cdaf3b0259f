"""A sweep, a deployment and a retry at the same moment take turns."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from threading import Barrier

import pytest
from sqlalchemy import select

from core import deployments, jobs, retention
from core.db import transaction
from core.errors import Conflict
from core.job_files import jobs_root, models_root
from core.models import Deployment, Model
from core.retention import sweep
from core.states import JobStatus
from tests.core.kept_files import ALIAS, CHAT, deploy, ended_job, model_id
from tests.core.retention.sweeping import mark, removed, waits_for_a_lock
from tests.waiting import wait_until


def test_a_sweep_waits_for_a_deployment_under_way_and_then_leaves_the_model() -> None:
    job_id = ended_job(merged="last")
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            deployments.request(session, ALIAS, model_id(job_id, CHAT))
            marked = pool.submit(mark, job_id)
            wait_until(waits_for_a_lock)
        assert marked.result(10) == []
    assert not removed(model_id(job_id, CHAT))


def test_a_deployment_waits_for_a_sweep_under_way_and_is_then_refused() -> None:
    job_id = ended_job(merged="last")
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            assert retention.mark(session, job_id) == [model_id(job_id, CHAT)]
            deployed = pool.submit(deploy, model_id(job_id, CHAT))
            wait_until(waits_for_a_lock)
        with pytest.raises(Conflict, match="was removed"):
            deployed.result(10)


def test_a_retry_waits_for_the_files_to_be_out_of_its_way() -> None:
    job_id = ended_job(JobStatus.FAILED, days=1, days_ago=2)
    mark(job_id)

    def retry() -> None:
        with transaction() as session:
            jobs.retry(session, job_id)
        assert not (jobs_root() / job_id).exists()

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            retention.collect(session, job_id)
            retried = pool.submit(retry)
            wait_until(waits_for_a_lock)
        retried.result(10)


def test_of_a_sweep_and_a_deployment_at_the_same_moment_exactly_one_wins() -> None:
    barrier = Barrier(2)

    def at_once(work: Callable[[], None]) -> None:
        barrier.wait(10)
        with suppress(Conflict):
            work()

    for _ in range(20):
        model = model_id(ended_job(merged="last"), CHAT)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(at_once, (sweep, partial(deploy, model, alias=model))))
        with transaction() as session:
            row = session.get_one(Model, model)
            is_deployed = session.scalar(select(Deployment.id).where(Deployment.model_id == model)) is not None
        assert is_deployed == (row.removed_at is None)
        assert is_deployed == (models_root() / row.location.removeprefix("models/")).exists()
