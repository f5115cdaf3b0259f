"""Doorbells are passed on, lost and over-budget jobs reaped, and housekeeping that piled up is done once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import redis
from sqlalchemy import text

from core import projects, runs, workers
from core.db import transaction
from core.queue import JOBS
from core.states import JobStatus
from tests.conftest import Services
from tests.core.sessions import new_job, status_of, try_claim
from tests.waiting import wait_until
from worker import presence, tasks
from worker.tasks import spaced


@pytest.fixture
def broker(database: Services) -> Iterator[redis.Redis]:
    """The broker, with no doorbell in it."""
    with redis.Redis.from_url(database.redis_url) as broker:
        broker.delete(JOBS)
        yield broker
        broker.delete(JOBS)


def running_job(project: str, lease_s: float = 60) -> runs.Lease:
    new_job(project=project)
    lease = try_claim(lease_s, worker=f"worker-{project}")
    assert lease is not None
    return lease


def spend(project: str) -> None:
    with transaction() as session:
        projects.change(session, project, {"gpu_hours": 0})


def test_the_reaper_pauses_the_jobs_of_a_project_that_used_up_its_hours_and_no_others(broker: redis.Redis) -> None:
    spent, other = running_job("spent"), running_job("other")
    spend("spent")
    tasks.reap()
    assert (status_of(spent.job_id), status_of(other.job_id)) == (JobStatus.PAUSING, JobStatus.PREPARING)
    with transaction() as session:
        runs.stopped(session, spent, "asked to")
    tasks.reap()
    assert status_of(spent.job_id) == JobStatus.PAUSED


def test_a_job_that_ends_while_it_is_being_paused_undoes_nothing_else(broker: redis.Redis) -> None:
    lost = running_job("other", lease_s=-1)
    ending = running_job("ending")
    spent = running_job("spent")
    spend("ending")
    spend("spent")
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            runs.finish(session, ending, JobStatus.SUCCEEDED)
            session.flush()
            reaping = pool.submit(tasks.reap)
            wait_until(lambda: reaping.done() or someone_waits_for_a_lock())
        reaping.result(10)
    assert [status_of(lease.job_id) for lease in (lost, ending, spent)] == [
        JobStatus.QUEUED,
        JobStatus.SUCCEEDED,
        JobStatus.PAUSING,
    ]
    assert broker.llen(JOBS) >= 1


def someone_waits_for_a_lock() -> bool:
    with transaction() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))


@pytest.mark.parametrize("is_free", [True, False])
def test_a_worker_too_small_for_the_job_passes_the_doorbell_on_to_a_free_larger_one(
    broker: redis.Redis, monkeypatch: pytest.MonkeyPatch, is_free: bool
) -> None:
    monkeypatch.setattr(tasks, "KEEPS_AWAY_S", 0)
    own = presence.own_device()
    larger = replace(own, memory_bytes=2 * own.memory_bytes)
    new_job(memory_bytes=larger.memory_bytes)
    with transaction() as session:
        workers.show(session, "larger", larger)
    if not is_free:
        assert try_claim(worker="larger", device=larger)
        new_job(memory_bytes=larger.memory_bytes)
    tasks.claim()
    assert broker.llen(JOBS) == int(is_free)


def test_messages_that_follow_one_another_too_soon_are_skipped() -> None:
    runs: list[int] = []
    task = spaced(lambda: runs.append(1), apart_s=3600)
    for _ in range(50):
        task()
    assert len(runs) == 1


def test_a_message_that_comes_in_time_is_answered() -> None:
    runs: list[int] = []
    task = spaced(lambda: runs.append(1), apart_s=0.02)
    task()
    wait_until(lambda: (task(), len(runs) > 1)[1], 5)
    assert len(runs) == 2
