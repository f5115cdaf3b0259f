"""Who is served next: priority, fair share, age, limits, memory; and nobody waits for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import projects, runs, workers
from core.claims import PATIENCE
from core.claims import fits_another as fits_another_worker
from core.db import transaction
from core.memory import GIB
from core.models import Project, Run, Worker
from core.states import JobStatus
from tests.core.sessions import DEVICE, claim, finish, new_job, read, try_claim

pytestmark = pytest.mark.usefixtures("database")


def limit(project: str, **changes: float | None) -> None:
    with transaction() as session:
        projects.change(session, project, dict(changes))


def projects_served(count: int) -> list[str]:
    return [read(claim().job_id).project for _ in range(count)]


def test_projects_take_turns_however_many_jobs_one_of_them_posts() -> None:
    for project in ("big", "big", "big", "small", "other"):
        new_job(project=project)
    assert sorted(projects_served(3)) == ["big", "other", "small"]


def test_the_project_with_fewer_jobs_at_work_goes_first() -> None:
    for project in ("a", "a", "b"):
        new_job(project=project)
    first = claim()
    assert read(first.job_id).project == "a"
    assert projects_served(2) == ["b", "a"]


def test_a_project_of_double_weight_gets_two_workers_for_each_of_the_other() -> None:
    limit("heavy", weight=2)
    for project in ("heavy", "light") * 6:
        new_job(project=project)
    served = projects_served(6)
    assert (served.count("heavy"), served.count("light")) == (4, 2)


def test_priority_comes_before_fair_share() -> None:
    new_job(project="a", priority=5)
    new_job(project="a", priority=5)
    new_job(project="b")
    assert projects_served(3) == ["a", "a", "b"]


def test_a_project_runs_no_more_jobs_at_once_than_it_may() -> None:
    limit("a", max_running=1)
    new_job(project="a")
    new_job(project="a")
    lease = claim()
    assert try_claim() is None
    finish(lease)
    assert try_claim() is not None


def test_a_project_that_used_up_its_hours_waits_and_the_job_at_work_is_paused() -> None:
    limit("a", gpu_hours=1)
    running, waiting = new_job(project="a"), new_job(project="a")
    lease = claim()
    with transaction() as session:
        session.execute(update(Run).values(started_at=Run.started_at - timedelta(hours=2)))
    assert try_claim() is None
    with transaction() as session:
        assert projects.over_budget(session) == [running]
    finish(lease)
    with transaction() as session:
        assert projects.used_s(session, session.get_one(Project, "a")) == pytest.approx(7200, abs=60)
    assert try_claim() is None
    limit("a", gpu_hours=3)
    assert claim().job_id == waiting


def test_a_worker_leaves_jobs_that_are_too_large_for_it() -> None:
    large, small = new_job(memory_bytes=80 * GIB), new_job(memory_bytes=10 * GIB)
    card = replace(DEVICE, memory_bytes=24 * GIB)
    assert claimed(try_claim(worker="small", device=card)) == small
    assert try_claim(worker="small", device=card) is None
    assert claimed(try_claim(worker="large", device=replace(DEVICE, memory_bytes=141 * GIB))) == large


def claimed(lease: object) -> str | None:
    return getattr(lease, "job_id", None)


def test_no_stream_of_urgent_jobs_keeps_a_job_waiting_for_ever() -> None:
    patient = new_job(priority=-100)
    served: list[str] = []
    for _ in range(PATIENCE):
        new_job(priority=100)
        lease = claim()
        served.append(lease.job_id)
        finish(lease)
    assert patient in served


def test_patience_outlives_the_workers_that_came_and_went() -> None:
    patient = new_job(priority=-100)
    served: list[str | None] = []
    for number in range(PATIENCE):
        new_job(priority=100)
        served.append(claimed(try_claim(worker=f"worker-{number}")))
    assert served.index(patient) == PATIENCE - 1


def test_a_large_job_has_its_turn_though_small_workers_claim_in_between() -> None:
    large = new_job(priority=-100, memory_bytes=80 * GIB)
    served: list[str | None] = []
    for _ in range(PATIENCE):
        for name, gib in (("small", 24), ("large", 141)):
            new_job(priority=100, memory_bytes=10 * GIB)
            served.append(claimed(try_claim(worker=name, device=replace(DEVICE, memory_bytes=gib * GIB))))
    assert large in served


def test_a_job_that_had_its_turn_waits_anew_when_it_is_queued_again() -> None:
    patient = new_job(priority=-100)
    for _ in range(PATIENCE - 1):
        new_job(priority=100)
        claim()
    lease = claim()
    assert lease.job_id == patient
    with transaction() as session:
        runs.stopped(session, lease, "drained")
    urgent = new_job(priority=100)
    assert claim().job_id == urgent


def test_a_claim_clears_where_the_last_run_got_to() -> None:
    new_job()
    lease = claim()
    with transaction() as session:
        runs.move(session, lease, JobStatus.TRAINING, stage="chat")
        runs.record_progress(session, lease, {"step": 7, "max_steps": 9})
        runs.stopped(session, lease, "drained")
    job = read(claim().job_id)
    assert (job.status, job.stage, job.progress) == (JobStatus.PREPARING, None, None)


def fits_another(memory_bytes: int) -> bool:
    with transaction() as session:
        return fits_another_worker(session, replace(DEVICE, memory_bytes=memory_bytes))


def show(worker: str, memory_bytes: int) -> None:
    with transaction() as session:
        workers.show(session, worker, replace(DEVICE, memory_bytes=memory_bytes))


def test_a_job_fits_another_worker_only_while_a_larger_one_is_alive_and_free() -> None:
    new_job(memory_bytes=80 * GIB)
    show("small", 24 * GIB)
    assert not fits_another(24 * GIB)
    show("large", 141 * GIB)
    assert fits_another(24 * GIB)
    assert not fits_another(141 * GIB)
    with transaction() as session:
        session.execute(update(Worker).values(seen_at=Worker.seen_at - timedelta(minutes=2)))
    assert not fits_another(24 * GIB)
    show("large", 141 * GIB)
    with transaction() as session:
        session.execute(update(Worker).where(Worker.name == "large").values(job_id="ftjob-other"))
    assert not fits_another(24 * GIB)


def test_a_job_that_no_limit_lets_start_is_for_no_worker() -> None:
    limit("a", max_running=0)
    new_job(project="a", memory_bytes=80 * GIB)
    show("large", 141 * GIB)
    assert not fits_another(24 * GIB)


def test_no_crowd_of_projects_keeps_a_job_waiting_for_ever() -> None:
    patient = new_job(project="patient", priority=-1)
    served: list[str] = []
    for number in range(PATIENCE):
        new_job(project=f"crowd-{number}")
        lease = claim()
        served.append(lease.job_id)
        finish(lease)
    assert patient in served
