"""Who is served next: priority, fair share, age, limits, memory; and nobody waits for ever."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from core import projects
from core.claims import PATIENCE
from core.db import transaction
from core.memory import GIB
from core.models import Project, Run
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


def test_no_crowd_of_projects_keeps_a_job_waiting_for_ever() -> None:
    patient = new_job(project="patient", priority=-1)
    served: list[str] = []
    for number in range(PATIENCE):
        new_job(project=f"crowd-{number}")
        lease = claim()
        served.append(lease.job_id)
        finish(lease)
    assert patient in served
