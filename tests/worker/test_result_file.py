"""The CSV of a job's steps: what is in it, that it is written once, and that a disk that refuses it fails no job."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from core import evaluations, file_sweep, files, jobs, runs
from core.db import transaction
from core.file_store import files_root, incoming_root, stored_path
from core.models import File
from core.runs import Lease
from core.spec import DatasetSpec, JobSpec, StageSpec
from tests.conftest import Services
from tests.core.sessions import claim
from worker import result_file
from worker.lease import LeaseKeeper

STAGES = tuple(StageSpec(name=name, data=DatasetSpec(source="o/n")) for name in ("chat", "tools"))


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    yield
    for folder in (files_root(), incoming_root()):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def lease() -> Lease:
    """The run of a job of two stages that has trained both; the first was measured on held-out chat rows."""
    plan: dict[str, Any] = {"stages": [{"name": name, "steps": 2} for name in ("chat", "tools")], "total_steps": 4}
    with transaction() as session:
        jobs.create(session, JobSpec(base_model="o/m", stages=STAGES), plan)
    lease = claim()
    with transaction() as session:
        runs.record_progress(session, lease, None, [step("tools", 1, None), step("tools", 2, 0.25)])
        runs.record_progress(session, lease, None, [step("chat", 1, 2.0), step("chat", 2, 1.5)])
        evaluations.record(session, lease, "chat", "ft:c", {"chat": {"loss": {"value": 0.75, "perplexity": 2.1}}})
    return lease


def step(stage: str, number: int, loss: float | None) -> dict[str, Any]:
    rest = {"epoch": 1.0, "grad_norm": 1.0, "learning_rate": 1e-4, "tokens": 9, "tokens_per_s": 9.0, "step_s": 1.0}
    return {"stage": stage, "step": number, "loss": loss, **rest}


def results(job_id: str) -> list[File]:
    with transaction() as session:
        return [files.get(session, file_id) for file_id in files.results_of(session, [job_id]).get(job_id, [])]


def test_it_has_a_row_for_every_step_through_all_stages(lease: Lease) -> None:
    result_file.store(LeaseKeeper(lease))
    [file] = results(lease.job_id)
    text = stored_path(files_root(), file.id).read_text()
    assert text.splitlines() == [
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy",
        "1,2,,,",
        "2,1.5,,0.75,",
        "3,,,,",
        "4,0.25,,,",
    ]
    assert (file.purpose, file.filename, file.rows, file.size_bytes) == (
        "fine-tune-results",
        "step_metrics.csv",
        4,
        len(text),
    )


def test_a_run_that_takes_over_at_the_very_end_writes_no_second_one(lease: Lease) -> None:
    result_file.store(LeaseKeeper(lease))
    result_file.store(LeaseKeeper(lease))
    assert len(results(lease.job_id)) == len(list(files_root().iterdir())) == 1
    file_sweep.sweep()
    assert len(list(files_root().iterdir())) == 1


def test_a_disk_that_refuses_it_fails_no_job(lease: Lease, caplog: pytest.LogCaptureFixture) -> None:
    incoming_root().write_text("a file where the folder should be")
    try:
        result_file.store(LeaseKeeper(lease))
    finally:
        incoming_root().unlink()
    assert "results.not_written" in caplog.text
    assert results(lease.job_id) == []
