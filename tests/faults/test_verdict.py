"""The verdict itself: rows and files that break a promise must be found, and unbroken ones must not be."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from core.db import transaction
from core.jobs import create
from core.models import Event, Job, Metric, Model, Run
from core.spec import JobSpec
from core.states import JobStatus
from tests.conftest import Services
from tests.faults.evidence import JobResult, read_result
from tests.faults.verdict import Hit, Promise, Verdict, judge, recoveries, summary_s
from tests.faults.workload import VARIANTS

STEPS = 3
LOSSES = (2.5, 2.25, 2.125)
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def storage(database: Services) -> Path:
    return database.storage_path


@pytest.fixture
def reference(storage: Path) -> JobResult:
    return result(storage, finished_job(storage))


def finished_job(storage: Path) -> str:
    """A job that went as it should, in rows and files; returns its id."""
    spec = JobSpec.model_validate(VARIANTS["short-one"])
    with transaction() as session:
        job = create(session, spec, {"stages": [{"name": "chat", "rows": 64, "steps": STEPS}], "total_steps": STEPS})
        session.execute(update(Job).where(Job.id == job.id).values(status=JobStatus.SUCCEEDED, attempt=1))
        session.add(Run(job_id=job.id, attempt=1, worker="w", ended_at=START, outcome="succeeded"))
        session.add(Event(job_id=job.id, attempt=1, type="job.succeeded", message="Job succeeded"))
        add_model(session, job.id, storage, "m")
        session.add_all(metric(job.id, step, loss) for step, loss in enumerate(LOSSES, start=1))
        job_id = job.id
    folder = storage / "jobs" / job_id / "chat" / "run-1"
    write(folder / "adapter" / "adapter_model.safetensors", b"adapter")
    write(folder / "events.jsonl", step_lines(1, 2, 3))
    return job_id


def add_model(session: Session, job_id: str, storage: Path, name: str) -> None:
    location = f"models/{job_id}/{name}"
    write(storage / location / "model.safetensors", b"merged")
    values = {"stage": "chat", "base_model": "tiny", "location": location, "manifest": {}}
    session.add(Model(id=f"{name}:{job_id}", job_id=job_id, **values))


def metric(job_id: str, step: int, loss: float) -> Metric:
    rest = {"epoch": 0.1, "learning_rate": 1e-4, "tokens": 10, "tokens_per_s": 1.0, "step_s": 1.0}
    return Metric(job_id=job_id, stage="chat", step=step, attempt=1, loss=loss, **rest)


def step_lines(*steps: int) -> bytes:
    return b"".join(json.dumps({"type": "step", "at": 1.0, "step": step}).encode() + b"\n" for step in steps)


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def result(storage: Path, job_id: str) -> JobResult:
    with transaction() as session:
        found = read_result(session, storage, job_id)
    assert found is not None
    return found


def verdict_on(storage: Path, reference: JobResult, *job_ids: str, **overlaps: str) -> Verdict:
    with transaction() as session:
        promises = [Promise(job_id, "short-one") for job_id in job_ids]
        return judge(session, storage, promises, {"short-one": reference}, overlaps)


def test_a_job_like_the_undisturbed_one_breaks_nothing(storage: Path, reference: JobResult) -> None:
    verdict = verdict_on(storage, reference, finished_job(storage), finished_job(storage))
    assert verdict.is_clean, verdict.reasons()
    assert (verdict.steps, verdict.redone_steps_pct) == (6, 0.0)


def test_a_job_without_a_row_is_lost(storage: Path, reference: JobResult) -> None:
    assert verdict_on(storage, reference, "ftjob-gone").lost == ["ftjob-gone: there is no such row"]


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.QUEUED, JobStatus.TRAINING, JobStatus.CANCELLED])
def test_a_job_that_did_not_succeed_is_lost(storage: Path, reference: JobResult, status: JobStatus) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(status=status))
    verdict = verdict_on(storage, reference, job_id)
    assert [line.split(": ")[1] for line in verdict.lost] == [str(status)]


def test_two_runs_that_succeeded_are_a_duplicate(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.add(Run(job_id=job_id, attempt=2, worker="w", ended_at=START, outcome="succeeded"))
    assert len(verdict_on(storage, reference, job_id).duplicate_success) == 1


def test_two_success_events_are_a_duplicate(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.add(Event(job_id=job_id, attempt=2, type="job.succeeded", message="Job succeeded"))
    assert len(verdict_on(storage, reference, job_id).duplicate_success) == 1


def test_two_merged_models_of_a_stage_are_a_duplicate(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        add_model(session, job_id, storage, "again")
    assert len(verdict_on(storage, reference, job_id).duplicate_success) == 1


def test_one_other_bit_in_the_merged_model_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    write(storage / "models" / job_id / "m" / "model.safetensors", b"merge\x65")
    assert "tensors differ" in verdict_on(storage, reference, job_id).wrong_result[0]


def test_one_other_bit_in_the_adapter_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    write(storage / "jobs" / job_id / "chat" / "run-1" / "adapter" / "adapter_model.safetensors", b"adapteR")
    assert "adapter differs" in verdict_on(storage, reference, job_id).wrong_result[0]


def test_a_succeeded_job_without_its_model_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.execute(delete(Model).where(Model.job_id == job_id))
    assert "no merged model" in verdict_on(storage, reference, job_id).wrong_result[0]


def test_a_gap_in_the_metrics_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.execute(delete(Metric).where(Metric.job_id == job_id, Metric.step == 2))
    assert "[1, 3]" in verdict_on(storage, reference, job_id).wrong_result[0]


def test_another_loss_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    with transaction() as session:
        session.execute(update(Metric).where(Metric.job_id == job_id, Metric.step == 2).values(loss=2.26))
    assert "losses" in verdict_on(storage, reference, job_id).wrong_result[0]


def test_a_job_that_was_trained_twice_at_once_is_a_wrong_result(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    verdict = verdict_on(storage, reference, job_id, **{job_id: "two live programs at once for 4.0 s"})
    assert verdict.wrong_result == [f"{job_id}: two live programs at once for 4.0 s"]


def test_a_repeated_step_counts_as_redone(storage: Path, reference: JobResult) -> None:
    job_id = finished_job(storage)
    write(storage / "jobs" / job_id / "chat" / "run-1" / "events-0.jsonl", step_lines(1, 2))
    write(storage / "jobs" / job_id / "chat" / "run-1" / "events.jsonl", step_lines(2, 3))
    verdict = verdict_on(storage, reference, job_id)
    assert verdict.is_clean
    assert verdict.redone_steps_pct == pytest.approx(33.33)


def test_recovery_is_the_time_from_the_fault_to_the_next_run(storage: Path) -> None:
    job_id = finished_job(storage)
    second, minute = timedelta(seconds=1), timedelta(minutes=1)
    with transaction() as session:
        session.execute(delete(Run).where(Run.job_id == job_id))
        lost = {"worker": "w", "outcome": "lease_expired", "ended_at": START + minute}
        session.add(Run(job_id=job_id, attempt=1, started_at=START, **lost))
        session.add(Run(job_id=job_id, attempt=2, worker="w", started_at=START + minute + second, outcome="succeeded"))
    before, during, after = (START.timestamp() + offset_s for offset_s in (-5, 50, 70))
    hits = [Hit(job_id, at_s, "worker_kill") for at_s in (before, during, after)]
    with transaction() as session:
        recovered = recoveries(session, hits)
    assert recovered == [pytest.approx(11)]
    assert summary_s(recovered) == {"median": 11, "max": 11, "count": 1}
