"""Projects and workers, and what a job tells of its place in the queue and of its end."""

import time
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, update

from core import forecast, runs, workers
from core.db import transaction
from core.memory import GIB
from core.models import Job, Phase, Run
from core.runs import Lease
from core.states import JobStatus
from tests.api.bodies import RECIPE
from tests.core.sessions import DEVICE, claim, finish, new_job


def view(client: httpx.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def places(client: httpx.Client, job_id: str) -> tuple[Any, ...]:
    job = view(client, job_id)
    return job["queue_position"], job["expected_start"], job["expected_end"], job["waiting_for"]


def write_forecasts() -> None:
    with transaction() as session:
        forecast.write(session)


def store(job_id: str, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def training(client: httpx.Client) -> tuple[str, Lease]:
    """A job of the whole recipe that trains, with 30 s left of its stage."""
    job_id = client.post("/jobs", json={**RECIPE, "deploy": {"when": "never"}}).json()["id"]
    lease = claim()
    with transaction() as session:
        runs.move(session, lease, JobStatus.TRAINING, stage="tools")
        runs.record_progress(session, lease, {"step": 4, "max_steps": 10, "eta_s": 30.0})
    return job_id, lease


# ------------------------------------------------------------------ jobs


def test_a_running_job_shows_a_range_for_its_end(client: httpx.Client) -> None:
    job_id, _ = training(client)
    write_forecasts()
    position, start, (low, high), reason = places(client, job_id)
    assert (position, start, reason) == (None, None, None)
    assert low < time.time() + 30 < high


def test_a_queued_job_shows_its_position_and_when_it_starts_and_ends(client: httpx.Client) -> None:
    _, lease = training(client)
    finish(lease)
    with transaction() as session:
        session.execute(update(Phase).values(started_at=Phase.ended_at - timedelta(seconds=10)))
    training(client)
    body = {**RECIPE, "deploy": {"when": "never"}, "stages": [{"name": "tools", "data": {"source": "owner/rows"}}]}
    first, second = (client.post("/jobs", json=body).json()["id"] for _ in range(2))
    plan = {"stages": [{"name": "tools", "rows": 16, "steps": 1, "effective_batch": 16}], "total_steps": 1}
    for job_id in (first, second):
        store(job_id, plan=plan)
    write_forecasts()
    (one, start, end, _), (two, *_) = (places(client, job_id) for job_id in (first, second))
    assert (one, two) == (1, 2)
    assert time.time() < start[0] <= start[1]
    assert start[0] < end[0] <= end[1]


def test_a_job_that_no_worker_can_take_says_so(client: httpx.Client) -> None:
    job_id = new_job(memory_bytes=80 * GIB)
    with transaction() as session:
        workers.show(session, "worker", DEVICE)
    write_forecasts()
    assert places(client, job_id) == (None, None, None, "no worker has 80 GB: the largest has 64 GB")
    assert client.get("/jobs").json()["data"][0]["waiting_for"] == "no worker has 80 GB: the largest has 64 GB"


def test_an_old_forecast_is_not_shown(client: httpx.Client) -> None:
    job_id = new_job()
    made = {"made_at": time.time() - 60, "position": 1, "start": [1, 2], "end": [3, 4], "waiting_for": "x"}
    store(job_id, forecast=made)
    assert places(client, job_id) == (None, None, None, None)


@pytest.mark.parametrize("wish", ["pause", "cancel"])
def test_a_job_that_was_asked_to_stop_shows_no_end(client: httpx.Client, wish: str) -> None:
    job_id, _ = training(client)
    write_forecasts()
    client.post(f"/jobs/{job_id}/{wish}")
    assert places(client, job_id) == (None, None, None, None)


def test_a_job_that_is_queued_again_shows_no_progress(client: httpx.Client) -> None:
    job_id, lease = training(client)
    assert view(client, job_id)["progress"]["step"] == 4
    with transaction() as session:
        runs.stopped(session, lease, "drained")
    job = view(client, job_id)
    assert (job["status"], job["stage"], job["progress"]) == ("queued", None, None)


def test_a_running_job_without_progress_is_called_stalled(client: httpx.Client) -> None:
    job_id, _ = training(client)
    assert view(client, job_id)["stalled"] is None
    store(job_id, progress_at=func.now() - timedelta(hours=1))
    assert "while training tools at step 4" in view(client, job_id)["stalled"]
    assert "no progress for" in client.get("/jobs").json()["data"][0]["stalled"]


# ------------------------------------------------------------------ projects and workers


def test_workers_are_listed_with_what_they_have_and_do(client: httpx.Client) -> None:
    assert client.get("/workers").json() == {"object": "list", "data": []}
    with transaction() as session:
        workers.show(session, "b", DEVICE)
    job_id = new_job()
    with transaction() as session:
        assert runs.claim(session, "a", DEVICE, 60)
    listed = client.get("/workers").json()["data"]
    assert [(one["name"], one["job_id"], one["memory_gb"]) for one in listed] == [("a", job_id, 64), ("b", None, 64)]
    assert all(abs(one["seen_at"] - time.time()) < 60 for one in listed)


def test_a_project_is_made_by_its_limits_which_are_lifted_one_by_one(client: httpx.Client) -> None:
    limits = {"weight": 2.0, "max_running": 3, "gpu_hours": 10.0}
    quotas = ("max_queued", "file_bytes", "storage_bytes", "requests_per_minute", "tokens_per_minute")
    expected = {"name": "a", "object": "project", **limits, "used_gpu_hours": 0, **dict.fromkeys(quotas)}
    assert client.patch("/projects/a", json=limits).json() == expected
    assert client.patch("/projects/a", json={"max_running": None}).json() == {**expected, "max_running": None}
    assert client.get("/projects/a").json() == {**expected, "max_running": None}


def test_a_project_is_made_once(client: httpx.Client) -> None:
    made = client.post("/projects", json={"name": "a", "max_running": 1})
    assert (made.status_code, made.json()["max_running"], made.json()["weight"]) == (201, 1, 1.0)
    again = client.post("/projects", json={"name": "a"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert client.get("/projects/a").json() == made.json()


def test_a_project_shows_what_it_used_the_job_at_work_included(client: httpx.Client) -> None:
    new_job(project="a")
    lease = claim()
    with transaction() as session:
        run = session.get_one(Run, (lease.job_id, 1))
        run.started_at -= timedelta(hours=2)
    [project] = client.get("/projects").json()["data"]
    assert (project["name"], round(project["used_gpu_hours"], 1)) == ("a", 2.0)
    finish(lease)
    assert round(client.get("/projects/a").json()["used_gpu_hours"], 1) == 2.0


def test_wrong_questions_about_projects_are_refused(client: httpx.Client) -> None:
    unknown = client.get("/projects/unknown")
    assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "project")
    for body in ({"weight": 0}, {"max_running": -1}, {"gpu_hours": -1}, {"colour": "red"}):
        assert client.patch("/projects/a", json=body).status_code == 422
    assert client.patch("/projects/a%20b", json={}).status_code == 422
