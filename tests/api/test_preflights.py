"""Preflights through the api: waited for or not, refused with every problem, and shown without running anything."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from core import preflights
from core.db import transaction
from core.estimate import Found, make
from core.preflight_report import Report
from core.queue import OPS
from core.spec import JobSpec
from core.states import PreflightStatus
from tests.api.bodies import RECIPE, job_on, write_rows
from tests.conftest import Services
from tests.core.sessions import new_job
from tests.waiting import wait_until

HOSTILE = '<script>alert("x")</script>&amp;\'"><img src=x onerror=alert(1)>'


@pytest.fixture
def broker(database: Services) -> Iterator[redis.Redis]:
    """The broker, with no doorbell for the ops workers in it."""
    with redis.Redis.from_url(database.redis_url) as broker:
        broker.delete(OPS)
        yield broker
        broker.delete(OPS)


def report() -> Report:
    spec = JobSpec.model_validate(RECIPE)
    return make(Found(spec, None, {}, ()), [], None, "USD")


def samples(text: str) -> list[dict[str, Any]]:
    row = {"number": 1, "shown_as": [text], "tokens": 2, "trained_tokens": 1, "hidden_tokens": 0}
    return [
        {
            "stage": "chat",
            "rows": [{**row, "ids": [7, 8], "texts": [f"{text} \n", "end"], "trained": "01", "special": "01"}],
        }
    ]


def end_next(status: PreflightStatus = PreflightStatus.SUCCEEDED, **found: Any) -> Callable[[], bool]:
    """What a worker does: claim the next preflight and end it so."""

    def attempt() -> bool:
        with transaction() as session:
            claimed = preflights.claim(session)
            if claimed is None:
                return False
            stored = {"report": report().model_dump(mode="json"), "preview": samples("hello"), **found}
            return preflights.finish(session, claimed, status, **stored)

    return attempt


def test_a_request_waits_for_its_report(client: httpx.Client, broker: redis.Redis) -> None:
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/jobs/preflight", json=RECIPE)
        wait_until(end_next())
        found = answer.result(20)
    assert found.status_code == 200, found.text
    body = found.json()
    assert (body["status"], body["object"], body["job_id"]) == ("succeeded", "preflight", None)
    assert [stage["name"] for stage in body["report"]["stages"]] == ["chat", "tools"]
    assert broker.llen(OPS) == 1


def test_a_report_that_takes_longer_is_fetched_by_its_id(client: httpx.Client, broker: redis.Redis) -> None:
    asked = client.post("/jobs/preflight", params={"wait_s": 0}, json=RECIPE)
    assert (asked.status_code, asked.json()["status"], asked.json()["report"]) == (202, "queued", None)
    end_next()()
    where = asked.headers["location"]
    assert where == f"/jobs/preflight/{asked.json()['id']}"
    assert client.get(where).json()["status"] == "succeeded"


def test_a_job_with_unusable_data_is_refused_with_every_problem(client: httpx.Client, broker: redis.Redis) -> None:
    problems = [
        {"message": f"stage {number} is broken", "param": f"stages[{number}].data", "code": "bad_data"}
        for number in (0, 1)
    ]
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/jobs/preflight", json=RECIPE)
        wait_until(end_next(PreflightStatus.REFUSED, problems=problems))
        refused = answer.result(20)
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["problems"]) == (422, "job_refused", problems)
    found = client.get(refused.headers["location"]).json()
    assert (found["status"], found["problems"], found["report"] is None) == ("refused", problems, False)


def test_what_can_be_told_at_once_is_refused_at_once(
    client: httpx.Client, broker: redis.Redis, base_model: Path, services: Services
) -> None:
    rows = write_rows(services.data_root / "rows.jsonl")
    body = job_on(base_model, rows, max_seq_length=4096)
    body["stages"].append({"name": "more", "data": {"source": "absent.jsonl"}})
    refused = client.post("/jobs/preflight", json=body)
    assert refused.status_code == 422
    params = [one["param"] for one in refused.json()["error"]["problems"]]
    assert params == ["stages[0].max_seq_length", "stages[1].data.source"]
    assert broker.llen(OPS) == 0
    with transaction() as session:
        assert preflights.open_ids(session) == []


def test_a_newer_one_cancels_the_one_that_it_supersedes(client: httpx.Client, broker: redis.Redis) -> None:
    first = client.post("/jobs/preflight", params={"wait_s": 0}, json=RECIPE).json()["id"]
    newer = {"wait_s": 0, "supersedes": first}
    second = client.post("/jobs/preflight", params=newer, json={**RECIPE, "seed": 1}).json()
    assert client.get(f"/jobs/preflight/{first}").json()["status"] == "cancelled"
    assert second["status"] == "queued"


def test_unknown_ones_and_jobs_without_one_are_not_found(client: httpx.Client) -> None:
    job_id = new_job()
    for path in ("/jobs/preflight/x", "/jobs/preflight/x/preview", f"/jobs/{job_id}/preflight", "/jobs/x/preview"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found"), path


def test_a_preview_is_asked_for_too_early(client: httpx.Client) -> None:
    asked = client.post("/jobs/preflight", params={"wait_s": 0}, json=RECIPE).json()["id"]
    answer = client.get(f"/jobs/preflight/{asked}/preview")
    assert answer.status_code == 409
    assert "is queued and has no sample rows" in answer.json()["error"]["message"]


def test_a_job_shows_its_preflight_and_its_rows(client: httpx.Client) -> None:
    job_id = stored_job("hello")
    assert client.get(f"/jobs/{job_id}/preflight").json()["job_id"] == job_id
    shown = client.get(f"/jobs/{job_id}/preview", headers={"accept": "application/json"}).json()
    assert [row["texts"] for row in shown["stages"][0]["rows"]] == [["hello \n", "end"]]


def test_the_page_marks_learned_and_special_tokens_and_makes_white_space_visible(client: httpx.Client) -> None:
    page = client.get(f"/jobs/{stored_job('hello')}/preview").text
    assert '<span title="7">hello·↵\n</span>' in page
    assert '<mark class="special" title="8">end</mark>' in page


def test_the_page_escapes_what_the_rows_hold(client: httpx.Client) -> None:
    page = client.get(f"/jobs/{stored_job(HOSTILE)}/preview").text
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert" in page
    assert "&amp;amp;" in page


def test_the_page_may_load_and_run_nothing(client: httpx.Client) -> None:
    answer = client.get(f"/jobs/{stored_job('hello')}/preview")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "style=" not in answer.text


def stored_job(text: str) -> str:
    """A job whose run has kept samples of this text."""
    job_id = new_job()
    with transaction() as session:
        stored = json.loads(report().model_dump_json())
        preflights.store_of_job(session, job_id, JobSpec.model_validate(RECIPE), stored, samples(text))
    return job_id
