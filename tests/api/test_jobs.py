"""POST, GET and cancel of jobs."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import redis
from sqlalchemy import func, select, text

from core import model_registry, runs
from core.db import transaction
from core.models import Job
from core.queue import JOBS
from core.states import JobStatus
from tests.api.bodies import RECIPE, job_on, write_rows
from tests.api.conftest import client_of, running_api
from tests.conftest import Services
from tests.core.sessions import DEVICE
from tests.waiting import wait_until


def post(client: httpx.Client, body: dict[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = client.post("/jobs", json=body or RECIPE, headers=headers)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def count_jobs() -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


# ------------------------------------------------------------------ creating


def test_a_job_of_nothing_but_a_base_model_is_the_whole_recipe(client: httpx.Client) -> None:
    job = post(client)
    chat, tools = job["spec"]["stages"]
    assert [(s["name"], s["steps"], s["effective_batch"]) for s in job["plan"]["stages"]] == [
        ("chat", 3125, 16),
        ("tools", 3750, 16),
    ]
    assert job["plan"]["total_steps"] == 6875
    assert chat["data"]["source"] == "HuggingFaceH4/ultrachat_200k"
    assert tools["data"]["source"] == "Salesforce/xlam-function-calling-60k"
    assert (chat["lora"]["r"], chat["learning_rate"], chat["optimizer"]) == (16, 2e-4, "adamw_8bit")
    assert (job["object"], job["status"], job["attempt"], job["result_models"]) == ("job", "queued", 0, [])
    assert abs(job["created_at"] - time.time()) < 60


def test_the_stored_job_is_the_answered_one(client: httpx.Client) -> None:
    job = post(client, {**RECIPE, "metadata": {"team": "a"}})
    assert client.get(f"/jobs/{job['id']}").json() == job
    assert job["metadata"] == {"team": "a"}


def test_a_file_is_planned_by_the_rows_it_holds(client: httpx.Client, services: Services, base_model: Path) -> None:
    source = write_rows(services.data_root / "rows.jsonl", count=33)
    plan = post(client, job_on(base_model, source))["plan"]
    assert plan["stages"] == [{"name": "chat", "rows": 33, "steps": 3, "effective_batch": 16}]


def test_rows_of_a_hub_data_set_are_unknown_until_it_is_read(client: httpx.Client) -> None:
    stage = {"name": "chat", "data": {"source": "owner/rows"}}
    plan = post(client, {**RECIPE, "stages": [stage]})["plan"]
    assert plan["stages"][0]["steps"] is None
    assert plan["total_steps"] is None


def test_a_new_job_rings_the_doorbell(client: httpx.Client, services: Services) -> None:
    broker = redis.Redis.from_url(services.redis_url)
    broker.delete(JOBS)
    post(client)
    wait_until(lambda: broker.llen(JOBS) >= 1)  # a ring that an earlier test owed may come as well
    broker.delete(JOBS)


def test_a_broker_that_is_away_neither_fails_nor_delays_a_job(database: Services, tmp_path: Path) -> None:
    queue_job_without(database, tmp_path, f"unix://{tmp_path}/nowhere.sock")


def test_a_broker_that_hangs_neither_fails_nor_delays_a_job(database: Services, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        queue_job_without(database, tmp_path, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")


def queue_job_without(services: Services, folder: Path, broker_url: str) -> None:
    log = folder / "api.log"
    with running_api(services, log, REDIS_URL=broker_url) as url, client_of(services, url) as client:
        started = time.monotonic()
        post(client)
        assert time.monotonic() - started < 2.5  # a ring within the request would take 3 s or more
        wait_until(lambda: "doorbell.failed" in log.read_text(), deadline_s=20)
    assert count_jobs() == 1


def test_a_commit_that_fails_is_not_answered_with_a_job(client: httpx.Client) -> None:
    forbid = """
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'refused at commit'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE ON jobs DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse();
    """
    job_id = post(client)["id"]
    with transaction() as session:
        session.execute(text(forbid))
    try:
        created, cancelled = client.post("/jobs", json=RECIPE), client.post(f"/jobs/{job_id}/cancel")
    finally:
        with transaction() as session:
            session.execute(text("DROP FUNCTION refuse CASCADE"))
    assert (created.status_code, cancelled.status_code) == (500, 500)
    assert count_jobs() == 1
    assert client.get(f"/jobs/{job_id}").json()["status"] == "queued"


# ------------------------------------------------------------------ idempotency


def test_the_same_key_and_body_return_the_first_job(client: httpx.Client) -> None:
    first = post(client, key="k1")
    again = post(client, dict(reversed({**RECIPE, "seed": 3407}.items())), key="k1")
    assert again["id"] == first["id"]
    assert count_jobs() == 1


def test_the_same_key_with_another_body_is_refused(client: httpx.Client) -> None:
    first = post(client, key="k1")
    answer = client.post("/jobs", json={**RECIPE, "seed": 1}, headers={"Idempotency-Key": "k1"})
    assert answer.status_code == 422
    assert answer.json()["error"]["param"] == "Idempotency-Key"
    assert first["id"] in answer.json()["error"]["message"]
    assert count_jobs() == 1


def test_a_repeated_request_is_answered_though_its_data_is_gone(
    client: httpx.Client, services: Services, base_model: Path
) -> None:
    source = write_rows(services.data_root / "passing.jsonl")
    first = post(client, job_on(base_model, source), key="k1")
    (services.data_root / source).unlink()
    assert post(client, job_on(base_model, source), key="k1")["id"] == first["id"]


def test_concurrent_requests_of_one_key_make_one_job(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        ids = set(pool.map(lambda _: post(client, key="k1")["id"], range(16)))
    assert len(ids) == 1
    assert count_jobs() == 1


# ------------------------------------------------------------------ listing


def test_lists_are_paged_newest_first(client: httpx.Client) -> None:
    ids = [post(client)["id"] for _ in range(5)][::-1]
    first = client.get("/jobs", params={"limit": 2}).json()
    second = client.get("/jobs", params={"limit": 3, "after": first["last_id"]}).json()
    assert [job["id"] for job in first["data"] + second["data"]] == ids
    assert (first["object"], first["first_id"], first["last_id"]) == ("list", ids[0], ids[1])
    assert (first["has_more"], second["has_more"]) == (True, False)


def test_an_empty_list(client: httpx.Client) -> None:
    empty: dict[str, Any] = {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    assert client.get("/jobs").json() == empty


def test_lists_are_filtered_by_status_and_metadata(client: httpx.Client) -> None:
    kept = post(client, {**RECIPE, "metadata": {"team": "a", "run": "1"}})["id"]
    post(client, {**RECIPE, "metadata": {"team": "b"}})
    cancelled = post(client, {**RECIPE, "metadata": {"team": "a"}})["id"]
    client.post(f"/jobs/{cancelled}/cancel")
    found = client.get("/jobs", params={"status": "queued", "metadata[team]": "a"}).json()["data"]
    assert [job["id"] for job in found] == [kept]


def test_a_list_names_what_is_wrong_with_its_query(client: httpx.Client) -> None:
    for query, status, param in (
        ("limit=0", 422, "limit"),
        ("limit=101", 422, "limit"),
        ("status=done", 422, "status"),
        ("metadata=a", 422, "metadata"),
        ("after=ftjob-unknown", 404, "job_id"),
    ):
        answer = client.get(f"/jobs?{query}")
        assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_a_job_lists_the_models_it_made(client: httpx.Client) -> None:
    job_id = post(client)["id"]
    with transaction() as session:
        for stage in ("chat", "tools"):
            name = f"ft:m:default:tuned:x-{stage}"
            model_registry.register_model(
                session, name, stage=stage, base_model="m", location="models/x", manifest={}, job_id=job_id
            )
    expected = ["ft:m:default:tuned:x-chat", "ft:m:default:tuned:x-tools"]
    assert client.get(f"/jobs/{job_id}").json()["result_models"] == expected
    assert client.get("/jobs").json()["data"][0]["result_models"] == expected


# ------------------------------------------------------------------ cancelling


def test_a_queued_job_is_cancelled_at_once(client: httpx.Client) -> None:
    job_id = post(client)["id"]
    job = client.post(f"/jobs/{job_id}/cancel").json()
    assert (job["status"], job["finished_at"] is None) == ("cancelled", False)
    assert client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelled"


def test_a_running_job_is_asked_to_stop(client: httpx.Client) -> None:
    job_id = post(client)["id"]
    with transaction() as session:
        assert runs.claim(session, "worker", DEVICE, lease_s=60)
    assert client.post(f"/jobs/{job_id}/cancel").json()["status"] == "cancelling"


def test_a_finished_job_cannot_be_cancelled_and_the_sdk_is_told_not_to_retry(client: httpx.Client) -> None:
    job_id = post(client)["id"]
    with transaction() as session:
        lease = runs.claim(session, "worker", DEVICE, lease_s=60)
        assert lease
        runs.finish(session, lease, JobStatus.SUCCEEDED)
    answer = client.post(f"/jobs/{job_id}/cancel")
    assert (answer.status_code, answer.headers["x-should-retry"]) == (409, "false")
    assert "already succeeded" in answer.json()["error"]["message"]
