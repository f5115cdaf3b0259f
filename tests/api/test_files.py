"""Uploaded files: the OpenAI SDK's calls, equal content kept once, and nothing deleted that a job still reads."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from openai import OpenAI
from sqlalchemy import func, select, update

from api import storage_meter
from core.db import transaction
from core.file_store import files_root, stored_path
from core.models import File, Job
from core.states import JobStatus
from tests.api.bodies import RECIPE, job_on
from tests.api.uploading import empty_file_store, post, rows_of, stored, uploaded
from tests.conftest import Services


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    empty_file_store()
    yield
    empty_file_store()


def error_of(answer: httpx.Response, status: int) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def test_the_openai_sdk_uploads_lists_reads_and_deletes(client: httpx.Client, services: Services) -> None:
    content = rows_of(7)
    with OpenAI(api_key=services.admin_key, base_url=str(client.base_url) + "/v1", max_retries=0) as openai:
        made = openai.files.create(file=("train.jsonl", content), purpose="fine-tune")
        assert (made.object, made.filename, made.purpose, made.status) == (
            "file",
            "train.jsonl",
            "fine-tune",
            "processed",
        )
        assert (made.bytes, made.id[:5]) == (len(content), "file-")
        assert openai.files.retrieve(made.id) == made
        assert [file.id for file in openai.files.list(purpose="fine-tune")] == [made.id]
        assert openai.files.content(made.id).read() == content
        assert openai.files.delete(made.id).deleted
        assert list(openai.files.list()) == []
    assert stored() == []


def test_a_file_object_says_what_was_found_in_it(client: httpx.Client) -> None:
    content = rows_of(3) + rows_of(2, weight=0)
    file = uploaded(client, content, "d.jsonl", purpose="evals")
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert (file["rows"], file["trainable_rows"], file["format"], file["purpose"]) == (5, 3, "openai", "evals")
    assert file["project"] == "default"
    assert client.get(f"/files/{file['id']}").json() == file
    assert stored_path(files_root(), file["id"]).read_bytes() == content


@pytest.mark.parametrize(
    ("filename", "shown", "on_disk"),
    [
        ("../../etc/rows.jsonl", "rows.jsonl", "rows.jsonl"),
        ("..", "..", "rows.jsonl"),
        ("Zürich 2026.jsonl", "Zürich 2026.jsonl", "Zürich_2026.jsonl"),
        ("a" * 240 + ".jsonl", "a" * 240 + ".jsonl", "a" * 194 + ".jsonl"),
        ("-rf;$(x)\n.jsonl", None, None),
    ],
)
def test_a_filename_is_kept_but_never_a_path(
    client: httpx.Client, filename: str, shown: str | None, on_disk: str | None
) -> None:
    file = uploaded(client, rows_of(), filename)
    path = stored_path(files_root(), file["id"])
    assert path.parent == files_root() / file["id"]
    assert shown is None or file["filename"] == shown
    assert on_disk is None or path.name == on_disk
    assert not set(path.name) & set("/\n;$ ()")
    assert client.get(f"/files/{file['id']}/content").content == rows_of()


def test_a_part_of_the_content_can_be_asked_for(client: httpx.Client) -> None:
    file = uploaded(client, rows_of())
    answer = client.get(f"/files/{file['id']}/content", headers={"range": "bytes=2-9"})
    assert (answer.status_code, answer.content) == (206, rows_of()[2:10])
    whole = client.get(f"/files/{file['id']}/content")
    assert whole.headers["content-disposition"] == 'attachment; filename="train.jsonl"'
    assert whole.headers["x-content-type-options"] == "nosniff"


def test_equal_content_is_a_new_file_on_the_same_bytes(client: httpx.Client) -> None:
    content = rows_of(50)
    first, second = uploaded(client, content), uploaded(client, content, "copy.jsonl", purpose="evals")
    other = uploaded(client, content, **{"OpenAI-Project": "research"})
    assert len({first["id"], second["id"], other["id"]}) == 3
    inodes = [stored_path(files_root(), file["id"]).stat().st_ino for file in (first, second, other)]
    assert inodes[0] == inodes[1] != inodes[2], "projects share nothing"
    assert storage_meter.measure().files_bytes == 2 * len(content)
    assert client.delete(f"/files/{first['id']}").status_code == 200
    assert client.get(f"/files/{second['id']}/content").content == content
    assert client.delete(f"/files/{second['id']}").status_code == 200
    assert storage_meter.measure().files_bytes == len(content)


def test_equal_uploads_at_the_same_moment_share_their_bytes(client: httpx.Client) -> None:
    content = rows_of(2000)
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: uploaded(client, content), range(8)))
    paths = [stored_path(files_root(), file["id"]) for file in made]
    assert len({path.stat().st_ino for path in paths}) == 1
    assert paths[0].stat().st_nlink == len({file["id"] for file in made}) == 8


def test_an_idempotency_key_repeats_the_answer_and_keeps_nothing_more(client: httpx.Client) -> None:
    headers = {"Idempotency-Key": "k"}
    first = uploaded(client, rows_of(), **headers)
    assert uploaded(client, rows_of(), **headers) == first
    assert len(list(files_root().iterdir())) == 1
    assert "another body" in error_of(post(client, rows_of(21), **headers), 422)["message"]
    assert "another body" in error_of(post(client, rows_of(), "other.jsonl", **headers), 422)["message"]
    client.delete(f"/files/{first['id']}")
    assert first["id"] in error_of(post(client, rows_of(), **headers), 409)["message"]
    assert stored() == []


def test_one_key_sent_at_the_same_moment_makes_one_file(client: httpx.Client) -> None:
    with ThreadPoolExecutor(6) as pool:
        ids = pool.map(lambda _: uploaded(client, rows_of(2000), **{"Idempotency-Key": "k"})["id"], range(6))
        assert len(set(ids)) == 1
    assert len([path for path in stored() if path.is_file()]) == 1


def test_lists_are_paged_by_id_and_filtered_by_purpose(client: httpx.Client) -> None:
    purposes = ["fine-tune", "evals", "fine-tune", "evals", "fine-tune"]
    ids = [uploaded(client, rows_of(n + 1), purpose=each)["id"] for n, each in enumerate(purposes)][::-1]
    page = client.get("/files", params={"limit": 2}).json()
    assert ([file["id"] for file in page["data"]], page["has_more"], page["last_id"]) == (ids[:2], True, ids[1])
    rest = client.get("/files", params={"after": page["last_id"], "limit": 100}).json()
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == (ids[2:], False)
    client.delete(f"/files/{ids[1]}")
    assert client.get("/files", params={"after": ids[1]}).json()["data"] == rest["data"], "a deleted one marks a place"
    evals = client.get("/files", params={"purpose": "evals"}).json()["data"]
    assert [file["id"] for file in evals] == [ids[3]]
    assert error_of(client.get("/files", params={"after": "file-x"}), 404)["param"] == "after"
    assert error_of(client.get("/files", params={"purpose": "vision"}), 422)["param"] == "purpose"


@pytest.mark.parametrize("path", ["/files/file-none", "/files/file-none/content"])
def test_an_unknown_file_is_named(client: httpx.Client, path: str) -> None:
    error = error_of(client.get(path), 404)
    assert (error["code"], "file-none" in error["message"]) == ("file_not_found", True)


def test_a_deleted_file_is_gone_for_reading_and_for_deleting_again(client: httpx.Client) -> None:
    file_id = uploaded(client, rows_of())["id"]
    assert client.delete(f"/files/{file_id}").json() == {"id": file_id, "object": "file", "deleted": True}
    for answer in (
        client.get(f"/files/{file_id}"),
        client.get(f"/files/{file_id}/content"),
        client.delete(f"/files/{file_id}"),
    ):
        assert "was deleted" in error_of(answer, 404)["message"]


def test_every_route_wants_the_key(client: httpx.Client, api_url: str) -> None:
    with httpx.Client(base_url=api_url) as stranger:
        assert post(stranger, rows_of()).status_code == 401
        for path in ("/files", "/files/file-x", "/files/file-x/content"):
            assert stranger.get(path).status_code == 401
        assert stranger.delete("/files/file-x").status_code == 401
    assert stored() == []


# ------------------------------------------------------------------ jobs on files


def test_a_job_is_planned_by_the_rows_of_its_file(client: httpx.Client, base_model: Path) -> None:
    file = uploaded(client, rows_of(40) + rows_of(8, weight=0))
    job = client.post("/jobs", json=job_on(base_model, file["id"])).json()
    assert job["plan"]["stages"][0]["rows"] == 40
    fewer = job_on(base_model, file["id"])
    fewer["stages"][0]["data"]["rows"] = 10
    assert client.post("/jobs", json=fewer).json()["plan"]["stages"][0]["rows"] == 10


def test_held_out_rows_are_no_rows_of_the_plan(client: httpx.Client, base_model: Path) -> None:
    body = job_on(base_model, uploaded(client, rows_of(40))["id"])
    body["evaluation"] = {"hold_out_rows": 15}
    assert client.post("/jobs", json=body).json()["plan"]["stages"][0]["rows"] == 25


def test_every_unknown_file_of_a_job_is_named(client: httpx.Client, base_model: Path) -> None:
    body = job_on(base_model, "file-absent1")
    body["evaluation"] = {"chat": {"source": "file-absent2"}, "suites": {"x": {"source": "file-absent3"}}}
    error = error_of(client.post("/jobs", json=body), 404)
    assert (error["code"], error["param"]) == ("file_not_found", "stages[0].data.source")
    for number in (1, 2, 3):
        assert f"'file-absent{number}'" in error["message"]
    assert client.get("/jobs").json()["data"] == []


def test_a_deleted_file_is_unknown_to_a_job(client: httpx.Client, base_model: Path) -> None:
    file_id = uploaded(client, rows_of())["id"]
    client.delete(f"/files/{file_id}")
    assert error_of(client.post("/jobs", json=job_on(base_model, file_id)), 404)["code"] == "file_not_found"


def test_a_file_in_another_form_than_the_job_says_is_refused(client: httpx.Client, base_model: Path) -> None:
    body = job_on(base_model, uploaded(client, rows_of(), "chat.jsonl")["id"])
    body["stages"][0]["data"]["format"] = "xlam"
    message = error_of(client.post("/jobs", json=body), 422)["message"]
    assert "chat.jsonl: 20 of the 20 rows read are bad" in message
    assert "row 1: is not in xlam form" in message


@pytest.mark.parametrize("place", ["stage", "tools", "chat", "suites"])
def test_a_file_that_a_job_reads_is_not_deleted_before_the_job_has_ended(
    client: httpx.Client, base_model: Path, place: str
) -> None:
    file_id, training = uploaded(client, rows_of())["id"], uploaded(client, rows_of(3))["id"]
    body = job_on(base_model, file_id if place == "stage" else training)
    if place != "stage":
        data = {"source": file_id}
        body["evaluation"] = {place: {"set": data} if place == "suites" else data}
    job = client.post("/jobs", json=body).json()
    answer = client.delete(f"/files/{file_id}")
    assert f"{job['id']} (queued)" in error_of(answer, 409)["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert client.get(f"/files/{file_id}/content").content == rows_of()
    client.post(f"/jobs/{job['id']}/cancel")
    assert client.delete(f"/files/{file_id}").status_code == 200
    assert file_id in error_of(client.post(f"/jobs/{job['id']}/retry"), 409)["message"]


@pytest.mark.parametrize(
    "status", [status for status in JobStatus if status not in ("succeeded", "failed", "cancelled")]
)
def test_every_state_of_a_job_but_its_end_keeps_its_files(
    client: httpx.Client, base_model: Path, status: JobStatus
) -> None:
    file_id = uploaded(client, rows_of())["id"]
    job = client.post("/jobs", json=job_on(base_model, file_id)).json()
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job["id"]).values(status=status))
    assert f"({status})" in error_of(client.delete(f"/files/{file_id}"), 409)["message"]


def test_a_retry_keeps_its_files_again(client: httpx.Client, base_model: Path) -> None:
    file_id = uploaded(client, rows_of())["id"]
    job = client.post("/jobs", json=job_on(base_model, file_id)).json()
    client.post(f"/jobs/{job['id']}/cancel")
    assert client.post(f"/jobs/{job['id']}/retry").json()["status"] == "queued"
    assert client.delete(f"/files/{file_id}").status_code == 409


def test_creating_a_job_and_deleting_its_file_at_once_has_one_winner(client: httpx.Client, base_model: Path) -> None:
    for _ in range(20):
        file_id = uploaded(client, rows_of(2))["id"]
        with ThreadPoolExecutor(2) as pool:
            posting = pool.submit(client.post, "/jobs", json=job_on(base_model, file_id))
            deleting = pool.submit(client.delete, f"/files/{file_id}")
        outcome = (posting.result().status_code, deleting.result().status_code)
        assert outcome in {(201, 409), (404, 200)}, (posting.result().text, deleting.result().text)
        assert client.get(f"/files/{file_id}").status_code == (200 if outcome == (201, 409) else 404)


def test_an_idempotent_job_on_a_file_is_made_once(client: httpx.Client, base_model: Path) -> None:
    body, headers = job_on(base_model, uploaded(client, rows_of())["id"]), {"Idempotency-Key": "k"}
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post("/jobs", json=body, headers=headers), range(4)))
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_a_hub_name_and_a_folder_are_no_files(client: httpx.Client) -> None:
    assert client.post("/jobs", json=RECIPE).status_code == 201
    error = error_of(
        client.post("/jobs", json={**RECIPE, "stages": [{"name": "a", "data": {"source": "file-a/../b"}}]}), 422
    )
    assert "the id of an uploaded file" in error["message"]


def test_rows_of_deleted_files_stay_for_the_record(client: httpx.Client) -> None:
    file = uploaded(client, rows_of())
    client.delete(f"/files/{file['id']}")
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(File).where(File.sha256 == file["sha256"])) == 1
