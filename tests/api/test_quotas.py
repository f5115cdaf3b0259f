"""What a project may have, and how often a key may ask the api."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.api.bodies import RECIPE
from tests.api.two_projects import client_with
from tests.api.uploading import empty_file_store, post, rows_of
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def _files() -> Iterator[None]:
    yield
    empty_file_store()


@pytest.fixture
def own(client: httpx.Client) -> Iterator[httpx.Client]:
    key = client.post("/keys", json={"name": "x", "scopes": ["admin"], "project": "team-a"}).json()
    with client_with(client, key["secret"]) as own:
        yield own


def limit(client: httpx.Client, **quotas: Any) -> None:
    assert client.patch("/projects/team-a", json=quotas).status_code == 200


def refused(answer: httpx.Response, quota: str) -> bool:
    if answer.status_code != 403:
        return False
    error = answer.json()["error"]
    assert (error["code"], quota in error["message"]) == ("quota_exceeded", True)
    return True


def test_no_more_jobs_are_queued_than_may_be(client: httpx.Client, own: httpx.Client) -> None:
    limit(client, max_queued=1)
    first = own.post("/jobs", json=RECIPE)
    assert first.status_code == 201
    wait_until(lambda: refused(own.post("/jobs", json=RECIPE), "max_queued"), 5)
    queued = [job["id"] for job in own.get("/jobs").json()["data"]]
    assert refused(own.post("/v1/fine_tuning/jobs", json={"model": "a/b", "training_file": "c/d"}), "max_queued")
    assert client.post("/jobs", json=RECIPE).status_code == 201, "another project has no such limit"
    for job_id in queued:
        own.post(f"/jobs/{job_id}/cancel").raise_for_status()
    wait_until(lambda: own.post("/jobs", json=RECIPE).status_code == 201, 5)


def test_no_more_files_are_kept_than_may_be(client: httpx.Client, own: httpx.Client) -> None:
    content = rows_of(10)
    limit(client, file_bytes=0)
    wait_until(lambda: refused(post(own, rows_of(5)), "file_bytes"), 5)
    for file in own.get("/files").json()["data"]:  # from before the quota was seen
        own.delete(f"/files/{file['id']}").raise_for_status()
    limit(client, file_bytes=len(content) + 10)
    wait_until(lambda: post(own, content).status_code == 201, 5)
    assert refused(post(own, rows_of(5)), "file_bytes")
    assert post(own, content).status_code == 201, "an equal one takes up nothing"
    assert {file["bytes"] for file in own.get("/files").json()["data"]} == {len(content)}


def test_a_full_storage_takes_neither_files_nor_jobs(client: httpx.Client, own: httpx.Client) -> None:
    limit(client, storage_bytes=0)
    wait_until(lambda: refused(post(own, rows_of(5)), "storage_bytes"), 5)
    assert refused(own.post("/jobs", json=RECIPE), "storage_bytes")
    assert own.get("/files").json()["data"] == []
    limit(client, storage_bytes=None)
    wait_until(lambda: post(own, rows_of(5)).status_code == 201, 5)


def test_only_a_key_of_all_projects_sets_limits(client: httpx.Client, own: httpx.Client) -> None:
    limit(client, max_queued=1)
    assert own.patch("/projects/team-a", json={"max_queued": None}).status_code == 403
    assert own.get("/projects/team-a").json()["max_queued"] == 1


def test_requests_to_the_api_over_a_keys_limit_are_told_when_to_come_back(client: httpx.Client) -> None:
    key = client.post("/keys", json={"name": "x", "requests_per_minute": 2}).json()
    assert key["requests_per_minute"] == 2
    with client_with(client, key["secret"]) as its:
        answers = [its.get("/jobs") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 30
