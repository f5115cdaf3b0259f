"""GET /storage and a job's artefacts: what takes up the disk, measured on real files."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from api import storage_meter
from core import retention
from core.job_files import jobs_root, models_root
from core.retention import sweep
from tests.conftest import Services
from tests.core.kept_files import CHAT, TOOLS, ended_job, make_live, model_id, queued_job, write, write_stage


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    folders = [jobs_root(), models_root(), retention.trash(), database.storage_path / "cache"]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    yield
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


STAGE_BYTES = 2 * 1010 + 500 + 300 + 40 + 2
"""What `write_stage` writes: two checkpoints, an adapter, rows, a log, a result."""


def test_every_part_of_the_storage_is_measured(database: Services) -> None:
    first, second = ended_job(), ended_job()
    write(jobs_root() / second / CHAT / "run-1" / "rows.arrow", 300 + 7)
    write(database.storage_path / "cache" / "unsloth" / "kernel.py", 11)
    write(retention.trash() / "gone" / "model.safetensors", 13)
    before = storage_meter.measure().data_bytes
    write(database.data_root / "counted.jsonl", 17)
    try:
        view = storage_meter.measure()
    finally:
        (database.data_root / "counted.jsonl").unlink()
    assert view.jobs_bytes == 4 * STAGE_BYTES + 7
    assert view.models_bytes == 4 * 2000
    assert before is not None
    assert (view.cache_bytes, view.trash_bytes, view.data_bytes) == (11, 13, before + 17)
    assert [(one.job_id, one.size_bytes) for one in view.largest_jobs] == [
        (second, 2 * STAGE_BYTES + 7 + 4000),
        (first, 2 * STAGE_BYTES + 4000),
    ]
    usage = shutil.disk_usage(database.storage_path)
    assert view.total_bytes == usage.total
    assert 0 < view.free_bytes <= usage.total


def test_the_ten_largest_jobs_are_named_and_the_others_counted() -> None:
    for number in range(12):
        write(jobs_root() / f"job-{number}" / CHAT / "sft.log", 100 + number)
    write(models_root() / "job-0" / CHAT / "model.safetensors", 1000)
    write(models_root() / "job-99" / CHAT / "model.safetensors", 500)  # its folder is gone
    view = storage_meter.measure()
    assert [one.job_id for one in view.largest_jobs] == ["job-0", "job-99", *(f"job-{n}" for n in range(11, 3, -1))]
    assert view.jobs_bytes == sum(100 + number for number in range(12))


def test_links_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "large", 100_000)
    folder = jobs_root() / "job" / CHAT
    folder.mkdir(parents=True)
    (folder / "link").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder)
    assert storage_meter.measure().jobs_bytes < 1000


def test_the_storage_is_answered_and_not_measured_for_every_request(client: httpx.Client) -> None:
    answer = client.get("/storage")
    assert answer.status_code == 200, answer.text
    first = answer.json()
    assert first["object"] == "storage"
    assert first["total_bytes"] >= first["free_bytes"] > 0
    write(jobs_root() / "job" / CHAT / "sft.log", 12_345)
    assert client.get("/storage").json() == first


def test_a_jobs_artefacts_are_all_that_it_takes_up(client: httpx.Client) -> None:
    job_id = ended_job()
    listed = client.get(f"/jobs/{job_id}/artefacts").json()["data"]
    of_chat = [(one["kind"], one["location"], one["size_bytes"]) for one in listed if one["stage"] == CHAT]
    folder = f"jobs/{job_id}/{CHAT}"
    assert of_chat == [
        ("checkpoint", f"{folder}/run-1/checkpoints/checkpoint-10", 1010),
        ("checkpoint", f"{folder}/run-1/checkpoints/checkpoint-20", 1010),
        ("adapter", f"{folder}/run-1/adapter", 500),
        ("rows", f"{folder}/run-1/rows.arrow", 300),
        ("log", f"{folder}/run-1/sft.log", 40),
        ("other", folder, 2),
        ("merged_model", f"models/{job_id}/{CHAT}", 2000),
    ]
    assert {one["stage"] for one in listed} == {CHAT, TOOLS}
    assert sum(one["size_bytes"] for one in listed) == 2 * (STAGE_BYTES + 2000)


def test_only_the_newest_run_has_artefacts_but_all_is_counted(client: httpx.Client) -> None:
    job_id = queued_job()
    write_stage(job_id, CHAT, steps=(10,), run="run-9")
    write_stage(job_id, CHAT, steps=(20,), run="run-10")
    listed = client.get(f"/jobs/{job_id}/artefacts").json()["data"]
    assert [one["location"].split("/")[-1] for one in listed if one["kind"] == "checkpoint"] == ["checkpoint-20"]
    assert sum(one["size_bytes"] for one in listed) == 2 * (STAGE_BYTES - 1010)


def test_a_job_without_files_has_no_artefacts_and_an_unknown_one_is_named(client: httpx.Client) -> None:
    assert client.get(f"/jobs/{queued_job()}/artefacts").json() == {"object": "list", "data": []}
    answer = client.get("/jobs/ftjob-unknown/artefacts")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_removed_model_is_told_by_its_id_but_not_listed_and_not_deployed(client: httpx.Client) -> None:
    job_id = ended_job(merged="last")
    gone, kept = model_id(job_id, CHAT), model_id(job_id, TOOLS)
    sweep()
    assert [model["id"] for model in client.get("/models").json()["data"]] == [kept]
    assert client.get(f"/models/{kept}").json()["removed_at"] is None
    assert client.get(f"/models/{gone}").json()["removed_at"] > 0
    assert client.get("/models", params={"after": kept}).json()["data"] == []
    answer = client.post("/deployments", json={"model": gone})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
    assert gone in answer.json()["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


def test_a_live_model_is_listed_whatever_the_rules_say(client: httpx.Client) -> None:
    job_id = ended_job(days_ago=2, days=1)
    make_live(model_id(job_id, CHAT))
    sweep()
    assert [model["id"] for model in client.get("/models").json()["data"]] == [model_id(job_id, CHAT)]
    assert [one["kind"] for one in client.get(f"/jobs/{job_id}/artefacts").json()["data"]] == ["merged_model"]
