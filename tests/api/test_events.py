"""A job's events, as a list and as a stream."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import runs
from core.db import transaction
from core.runs import Lease
from core.states import JobStatus
from tests.api.bodies import RECIPE
from tests.api.conftest import client_of, running_api
from tests.conftest import Services
from tests.core.sessions import DEVICE

STREAM = {"accept": "text/event-stream"}


@pytest.fixture
def running(client: httpx.Client) -> tuple[str, Lease]:
    """A job with two events, held by a run."""
    job_id = client.post("/jobs", json=RECIPE).json()["id"]
    with transaction() as session:
        lease = runs.claim(session, "worker", DEVICE, lease_s=60)
    assert lease is not None
    return job_id, lease


def entries(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """Each server-sent event as its fields, the data parsed."""
    fields: dict[str, Any] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            fields[name] = json.loads(value) if name == "data" else value
        elif fields:
            yield fields
            fields = {}


def finish(lease: Lease) -> None:
    with transaction() as session:
        runs.finish(session, lease, JobStatus.SUCCEEDED)


def test_events_are_listed_in_order_and_paged(client: httpx.Client, running: tuple[str, Lease]) -> None:
    job_id, lease = running
    finish(lease)
    first = client.get(f"/jobs/{job_id}/events", params={"limit": 2}).json()
    second = client.get(f"/jobs/{job_id}/events", params={"after": first["last_id"]}).json()
    types = [event["type"] for event in first["data"] + second["data"]]
    assert types == ["job.created", "run.started", "job.succeeded"]
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_a_stream_follows_the_job_to_its_end(client: httpx.Client, running: tuple[str, Lease]) -> None:
    job_id, lease = running
    with client.stream("GET", f"/jobs/{job_id}/events", headers=STREAM) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        stream = entries(answer.iter_lines())
        assert [next(stream)["data"]["type"] for _ in range(2)] == ["job.created", "run.started"]
        with transaction() as session:
            runs.move(session, lease, JobStatus.TRAINING, stage="chat")
            runs.record_progress(session, lease, {"step": 1, "total_steps": 10})
        moved, progress = next(stream), next(stream)
        assert (moved["event"], moved["data"]["type"]) == ("event", "job.training")
        assert int(moved["id"]) == moved["data"]["id"]
        assert (progress["event"], progress["data"]) == ("progress", {"stage": "chat", "step": 1, "total_steps": 10})
        assert "id" not in progress
        finish(lease)
        rest = list(stream)
        assert rest[0]["data"]["type"] == "job.succeeded"
        assert (rest[-1]["event"], rest[-1]["data"]) == ("done", {"status": "succeeded"})


def test_a_stream_resumes_behind_the_last_event_seen(client: httpx.Client, running: tuple[str, Lease]) -> None:
    job_id, lease = running
    finish(lease)
    seen = client.get(f"/jobs/{job_id}/events", params={"limit": 1}).json()["last_id"]
    answer = client.get(f"/jobs/{job_id}/events", headers={**STREAM, "last-event-id": str(seen)})
    assert [entry["data"].get("type") for entry in entries(answer.iter_lines())] == [
        "run.started",
        "job.succeeded",
        None,
    ]


def test_a_stream_of_an_ended_job_tells_browsers_to_stop(client: httpx.Client, running: tuple[str, Lease]) -> None:
    job_id, lease = running
    finish(lease)
    last = client.get(f"/jobs/{job_id}/events").json()["last_id"]
    assert client.get(f"/jobs/{job_id}/events", headers={**STREAM, "last-event-id": str(last)}).status_code == 204


def test_a_stream_of_an_unknown_job_is_refused(client: httpx.Client) -> None:
    answer = client.get("/jobs/ftjob-unknown/events", headers=STREAM)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_server_that_stops_ends_its_streams(database: Services, tmp_path: Path) -> None:
    with ExitStack() as stack:
        server = ExitStack()
        client = stack.enter_context(client_of(database, server.enter_context(running_api(database, tmp_path / "log"))))
        job_id = client.post("/jobs", json=RECIPE).json()["id"]
        answer = stack.enter_context(client.stream("GET", f"/jobs/{job_id}/events", headers=STREAM))
        stream = entries(answer.iter_lines())
        assert next(stream)["data"]["type"] == "job.created"
        started = time.monotonic()
        server.close()
        assert list(stream) == []
        assert time.monotonic() - started < 5
