"""A job is made again only from what it was made of: what was read is pinned, and refused when it changed."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

from core import model_registry
from core.base_model import base_id
from core.db import transaction
from core.manifest import SourceRecord
from core.spec import JobSpec
from tests.conftest import Services
from tests.core.manifests import manifest

ROOT = Path(__file__).parents[2]
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
ROWS = (json.dumps(ROW) + "\n") * 3


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A base model of the test's own."""
    return shutil.copytree(ROOT / "examples" / "tiny-base", tmp_path / "base")


@pytest.fixture
def job_id(client: httpx.Client, services: Services, base: Path) -> str:
    """A job with two files, whose one stage has made a model; memory was short, so its micro-batches were smaller."""
    for name in ("train.jsonl", "held.jsonl"):
        (services.data_root / name).write_text(ROWS)
    stage = {"name": "chat", "data": {"source": "train.jsonl"}, "max_seq_length": 128}
    body = {"base_model": str(base), "stages": [stage], "evaluation": {"chat": {"source": "held.jsonl"}}}
    job = client.post("/jobs", json=body).json()
    make(job, base, "train.jsonl", "held.jsonl")
    return str(job["id"])


def make(job: dict[str, Any], base: Path, *sources: str) -> None:
    """Register the model of the job's stage, made of these files."""
    digest = hashlib.sha256(ROWS.encode()).hexdigest()
    spec = JobSpec.model_validate(job["spec"])
    run = spec.stages[0].model_copy(update={"batch_size": 2, "gradient_accumulation_steps": 8})
    made = manifest(
        job_id=job["id"],
        base=manifest().base.model_copy(update={"id": base_id(str(base), base), "name": str(base)}),
        data=tuple(SourceRecord(source=source, sha256=digest, size_bytes=len(ROWS)) for source in sources),
        spec=spec.model_dump(mode="json"),
        stage_spec=run.model_dump(mode="json"),
    )
    with transaction() as session:
        model_registry.register_model(
            session,
            f"model of {job['id']}",
            stage="chat",
            base_model=str(base),
            location="/m",
            manifest=made.model_dump(mode="json"),
            job_id=job["id"],
        )


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def test_a_rerun_is_the_job_as_it_was_run_with_everything_pinned(client: httpx.Client, job_id: str, base: Path) -> None:
    first = client.get(f"/jobs/{job_id}").json()
    answer = client.post(f"/jobs/{job_id}/rerun")
    again = answer.json()
    assert answer.status_code == 201
    assert (again["rerun_of"], again["status"], first["rerun_of"]) == (job_id, "queued", None)
    [stage] = again["spec"]["stages"]
    assert (stage["batch_size"], stage["gradient_accumulation_steps"]) == (2, 8)
    digest = hashlib.sha256(ROWS.encode()).hexdigest()
    assert stage["data"]["sha256"] == again["spec"]["evaluation"]["chat"]["sha256"] == digest
    assert again["spec"]["base_id"] == base_id(str(base), base)
    assert again["spec"]["seed"] == first["spec"]["seed"]
    message = client.get(f"/jobs/{again['id']}/events").json()["data"][0]["message"]
    assert message == f"Job created, a rerun of {job_id}: chat"


def test_the_same_key_gets_the_same_rerun(client: httpx.Client, job_id: str) -> None:
    key = {"Idempotency-Key": "again"}
    first, second = (client.post(f"/jobs/{job_id}/rerun", headers=key).json() for _ in range(2))
    assert first["id"] == second["id"]
    other = client.post(f"/jobs/{job_id}/rerun", headers=key, json={"deploy": {"when": "never"}})
    assert error_of(other, 422)["param"] == "Idempotency-Key"


def test_a_rerun_can_leave_the_models_undeployed(client: httpx.Client, job_id: str) -> None:
    again = client.post(f"/jobs/{job_id}/rerun", json={"deploy": {"when": "never"}}).json()
    assert again["spec"]["deploy"]["when"] == "never"
    assert error_of(client.post(f"/jobs/{job_id}/rerun", json={"seed": 1}), 422)["param"] == "seed"


def test_every_file_that_has_changed_or_gone_is_named(client: httpx.Client, services: Services, job_id: str) -> None:
    (services.data_root / "train.jsonl").write_text(ROWS + ROWS)
    (services.data_root / "held.jsonl").unlink()
    before = len(client.get("/jobs").json()["data"])
    error = error_of(client.post(f"/jobs/{job_id}/rerun"), 422)
    assert error["code"] == "data_changed"
    assert "'train.jsonl' has the sha256" in error["message"]
    assert "'held.jsonl' does not exist" in error["message"]
    assert [problem["code"] for problem in error["problems"]] == ["data_changed", "bad_data"]
    assert len(client.get("/jobs").json()["data"]) == before


def test_a_base_that_has_changed_is_named(client: httpx.Client, job_id: str, base: Path) -> None:
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps({**config, "rope_theta": 20_000.0}))
    error = error_of(client.post(f"/jobs/{job_id}/rerun"), 422)
    assert (error["code"], error["param"]) == ("data_changed", "base_id")


def test_a_job_that_made_nothing_or_read_what_is_not_known_cannot_be_made_again(
    client: httpx.Client, job_id: str, base: Path
) -> None:
    body = client.get(f"/jobs/{job_id}").json()["spec"]
    other = client.post("/jobs", json=body).json()
    assert "has made no model of chat" in error_of(client.post(f"/jobs/{other['id']}/rerun"), 409)["message"]
    make(other, base, "train.jsonl")
    assert (
        "what it read of 'held.jsonl' is not known"
        in error_of(client.post(f"/jobs/{other['id']}/rerun"), 409)["message"]
    )
    assert error_of(client.post("/jobs/none/rerun"), 404)["code"] == "not_found"
