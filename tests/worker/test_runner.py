"""A run goes on where the last one was stopped, writes under its lease only, and always ends in order."""

import json
import signal
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import deployments, jobs, model_registry, preflights, runs
from core.db import transaction
from core.errors import LeaseLost
from core.models import Deployment, Evaluation, EvaluationAnswer, Event, Job, Model
from core.parity import ParityRecord
from core.preflight_report import Report
from core.runs import Lease
from core.spec import JobSpec
from core.states import DeploymentStatus, JobStatus
from core.storage import model_location, resolve, stage_dir, write_json
from core.verdict import Condition, Verdict
from tests.conftest import Services
from tests.core.kept_answers import answer
from tests.core.manifests import manifest
from tests.core.sessions import claim, new_model, read, status_of
from tests.waiting import wait_until
from tests.worker.conftest import TINY_BASE
from tests.worker.programs import postgres_away, program_of
from worker.artefacts import Artefacts
from worker.drain import DRAIN
from worker.lease import LeaseKeeper
from worker.runner import JobRun, run_job

pytestmark = pytest.mark.usefixtures("database")
STAGES = ("chat", "tools")
ALIAS = "tunesmith"
VERIFIED = {"fidelity": {"passed": True, "conditions": []}, "canary": None}


def spec_of(base_model: str = str(TINY_BASE)) -> JobSpec:
    stages = [{"name": name, "data": {"source": "rows.jsonl"}, "max_seq_length": 128} for name in STAGES]
    return JobSpec.model_validate({"base_model": base_model, "stages": stages})


def claimed(spec: JobSpec) -> Lease:
    plan = {"stages": [{"name": name, "rows": None, "steps": None} for name in STAGES], "total_steps": None}
    with transaction() as session:
        jobs.create(session, spec, plan)
    return claim()


def leave(job_id: str, stage: str, *programs: str) -> Path:
    """The stage's folder as a run leaves it that got through these programs."""
    folder = stage_dir(job_id, stage) / "run-1"
    for program in programs:
        write_json(folder / f"{program}.json", {"rows": 8, "steps": 1, **(VERIFIED if program == "verify" else {})})
    if "merge" in programs:
        write_json(resolve(model_location(job_id, stage)) / "manifest.json", manifest().model_dump(mode="json"))
    return folder


def leave_all(job_id: str, *, measured: Iterable[str]) -> None:
    """Everything trained and merged, and these measured."""
    leave(job_id, "base", *(["evaluate"] if "base" in measured else []))
    for stage in STAGES:
        leave(job_id, stage, "prepare", "sft", "merge", "verify", *(["evaluate"] if stage in measured else []))


def make_live(model_id: str, job_id: str | None = None) -> None:
    with transaction() as session:
        deployment_id = deployments.request(session, ALIAS, model_id, job_id).id
    for target in (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE):
        with transaction() as session:
            deployments.advance(session, deployment_id, target)


def deployed() -> list[str]:
    """The models that were asked for, in order."""
    with transaction() as session:
        return list(session.scalars(select(Deployment.model_id).order_by(Deployment.seq)))


def events(type_: str) -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(Event.message).where(Event.type == type_).order_by(Event.id)))


# ------------------------------------------------------------------ going on


def test_what_was_measured_is_neither_deployed_again_nor_said_to_be_left_out() -> None:
    lease = claimed(spec_of())
    leave_all(lease.job_id, measured=["base", *STAGES])
    make_live(new_model("newer"))
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.SUCCEEDED
    assert deployed() == ["newer"]
    assert events("evaluation.skipped") == events("evaluation.done") == []
    with transaction() as session:
        stored = {row.stage: row.scores for row in session.scalars(select(Evaluation))}
    assert stored == {stage: {"rows": 8, "steps": 1} for stage in ("base", *STAGES)}


def test_the_answers_of_a_model_that_was_measured_are_stored_with_its_scores() -> None:
    lease = claimed(spec_of())
    leave_all(lease.job_id, measured=["base", *STAGES])
    kept = [answer(0), answer(1, correct=False, fault="city is missing"), answer(0, suite="bfcl")]
    lines = "".join(json.dumps(row) + "\n" for row in kept)
    (stage_dir(lease.job_id, "chat") / "run-1" / "answers.jsonl").write_text(lines)
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.SUCCEEDED
    with transaction() as session:
        stored = session.scalars(select(EvaluationAnswer).order_by(EvaluationAnswer.suite, EvaluationAnswer.row))
        found = [(row.stage, row.suite, row.row, row.fault) for row in stored]
    assert found == [("chat", "bfcl", 0, None), ("chat", "tools", 0, None), ("chat", "tools", 1, "city is missing")]


def test_a_model_that_was_live_and_is_replaced_does_not_come_back_to_be_measured() -> None:
    spec = spec_of()
    lease = claimed(spec)
    leave_all(lease.job_id, measured=["base", "chat"])
    artefacts = Artefacts(lease.job_id, spec)
    last = artefacts.model_name(spec.stages[-1])
    with transaction() as session:
        artefacts.register(session, lease, spec.stages[-1])
    make_live(last, lease.job_id)
    make_live(new_model("newer"))
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.SUCCEEDED
    assert deployed() == [last, "newer"]
    assert events("evaluation.skipped") == [f"{last} is not measured: it was live, and newer has taken its place"]


def test_a_model_gets_the_record_of_what_was_compared_before_it_was_trained() -> None:
    lease = claimed(spec_of())
    leave_all(lease.job_id, measured=["base", *STAGES])
    found = ParityRecord(checked=True, served="base:b", rows=3, equal=3)
    write_json(stage_dir(lease.job_id, "chat") / "run-1" / "parity.json", found.model_dump(mode="json"))
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.SUCCEEDED
    with transaction() as session:
        made = session.scalars(select(Model).where(Model.job_id == lease.job_id))
        parity = {model.stage: model.parity for model in made}
    assert ParityRecord.model_validate(parity["chat"]) == found
    assert parity["tools"] is None
    assert events("parity.checked") == events("parity.later") == []


def test_another_machine_fetches_a_hub_model_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = tmp_path / "hub" / "models--owner--base"
    snapshot = repository / "snapshots" / "0123456789abcdef0123456789abcdef01234567"
    write_json(snapshot / "config.json", {})
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(snapshot.name)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    spec = spec_of("owner/base")
    lease = claimed(spec)
    fetched = leave(lease.job_id, "base") / "fetch.json"
    write_json(fetched, {"path": "/the/cache/of/another/machine"})
    run = JobRun(spec, LeaseKeeper(lease))
    run._fetch_base()
    assert run.artefacts.base_path == snapshot


def test_a_stages_model_is_registered_with_the_base_that_its_adapter_is_for() -> None:
    spec = spec_of()
    lease = claimed(spec)
    leave_all(lease.job_id, measured=[])
    write_json(resolve(model_location(lease.job_id, "tools")) / "manifest.json", {"adapter": {"rank": 32}})
    artefacts = Artefacts(lease.job_id, spec)
    with transaction() as session:
        for stage in spec.stages:
            artefacts.register(session, lease, stage, {"calls": [stage.name]})
    with transaction() as session:
        base, chat, tools = session.scalars(select(Model).order_by(Model.seq))
        assert (base.id, base.location) == (artefacts.base_id, str(TINY_BASE))
        assert (chat.base_id, chat.adapter_rank) == (base.id, None), "merged by a version that wrote no adapter"
        assert (tools.base_id, tools.adapter_rank) == (base.id, 32)
        assert (base.canary, chat.canary, tools.canary) == (None, {"calls": ["chat"]}, {"calls": ["tools"]})


def test_a_model_that_is_not_what_was_trained_is_kept_and_not_deployed_and_a_retry_fails_at_once() -> None:
    lease = claimed(spec_of())
    leave_all(lease.job_id, measured=["base"])
    broken = Verdict.of([Condition(name="merge.kl", passed=False, text="they differ by 2 nats, and may by 0.1")])
    verified = {"fidelity": broken.model_dump(mode="json"), "canary": None}
    write_json(stage_dir(lease.job_id, "chat") / "run-1" / "verify.json", verified)
    run_job(lease)
    with transaction() as session:
        jobs.retry(session, lease.job_id)
    again = claim()
    run_job(again)
    with transaction() as session:
        job = jobs.get(session, lease.job_id)
        [model] = session.scalars(select(Model).where(Model.job_id == lease.job_id))
        kept = model_registry.gate_of(session, model.id)
    assert (job.status, job.attempt) == (JobStatus.FAILED, 2)
    assert job.error is not None
    said = f"{model.id} is not what was trained: they differ by 2 nats, and may by 0.1"
    assert (job.error["code"], job.error["message"], job.error["stage"]) == ("gate_failed", said, "chat")
    assert events("gate.failed") == [said, said]
    assert (kept, deployed()) == (broken, [])


def test_the_base_is_deployed_merged_and_without_a_trial_whatever_the_job_asks_for_its_models() -> None:
    deploy = {"serve_as": "adapter", "split": {"percent": 20}, "drain": {"timeout_s": 7}}
    spec = JobSpec.model_validate({**spec_of().model_dump(), "deploy": deploy})
    lease = claimed(spec)
    leave_all(lease.job_id, measured=[])
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_job, lease)
        wait_until(deployed)
        with transaction() as session:
            [asked] = session.scalars(select(Deployment))
            jobs.cancel(session, lease.job_id)
        ended.result(20)
    assert asked.model_id.startswith("base:tiny-base:")
    assert (asked.serve_as, asked.split, asked.drain["timeout_s"]) == ("merged", None, 7)


def test_the_first_phase_keeps_the_report_and_the_samples_and_tells_its_warnings_once(database: Services) -> None:
    write_rows(database, count=30)
    lease = claimed(spec_of())
    leave(lease.job_id, "base", "evaluate")
    for stage in STAGES:
        leave(lease.job_id, stage, "sft", "merge", "verify", "evaluate")
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.SUCCEEDED
    with transaction() as session:
        found = preflights.of_job(session, lease.job_id, with_preview=True)
        report, samples = Report.model_validate(found.report), preflights.preview_of(found)
    prepared = [stage.preparation and stage.preparation.rows for stage in report.stages]
    assert (prepared, report.total_steps) == ([30, 30], 4)
    assert [stage["stage"] for stage in samples] == list(STAGES)
    assert all(len(stage["rows"]) == 12 for stage in samples)
    told = events("preflight.warning")
    assert told == [warning.message for warning in report.warnings]
    assert any("stages[1].warmup_steps is 100 and the stage has 2 steps" in message for message in told)


def test_the_bad_data_of_every_stage_is_told_at_once(database: Services) -> None:
    (database.data_root / "rows.jsonl").write_text(json.dumps(chat("Say.", "blue " * 200)) + "\n")
    lease = claimed(spec_of())
    run_job(lease)
    job = read(lease.job_id)
    assert job.error is not None
    assert (job.status, job.error["code"]) == (JobStatus.FAILED, "bad_data")
    assert "stage chat: none of the 1 rows" in job.error["message"]
    assert "stage tools: none of the 1 rows" in job.error["message"]


def write_rows(database: Services, count: int) -> None:
    rows = [json.dumps(chat(f"Say {number}.", "blue " * (1 + number % 5))) for number in range(count)]
    (database.data_root / "rows.jsonl").write_text("\n".join(rows))


def chat(question: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


# ------------------------------------------------------------------ the guard

REGISTRATIONS: dict[str, Callable[[Session, Lease, Artefacts], None]] = {
    "stage": lambda session, lease, artefacts: artefacts.register(session, lease, artefacts.spec.stages[0]),
    "base": lambda session, lease, artefacts: artefacts.register_base(session, lease),
}


@pytest.mark.parametrize("registration", REGISTRATIONS)
def test_a_run_that_lost_its_lease_registers_no_model(registration: str) -> None:
    spec = spec_of()
    lease = claimed(spec)
    leave_all(lease.job_id, measured=[])
    with transaction() as session:
        runs.stopped(session, lease, "taken away by the test")
    with pytest.raises(LeaseLost), transaction() as session:
        REGISTRATIONS[registration](session, lease, Artefacts(lease.job_id, spec))
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Model)) == 0


# ------------------------------------------------------------------ ends


@pytest.mark.parametrize("end", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
@pytest.mark.usefixtures("endless_data")
def test_a_program_that_a_signal_ends_is_tried_again(end: signal.Signals) -> None:
    lease = claimed(spec_of())
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_job, lease)
        program_of(stage_dir(lease.job_id, "chat")).send_signal(end)
        ended.result(20)
    job = read(lease.job_id)
    assert (job.status, job.failures) == (JobStatus.QUEUED, 1)


def test_a_job_cancelled_between_two_states_is_cancelled_before_the_next(database: Services) -> None:
    lease = claimed(spec_of())
    leave_all(lease.job_id, measured=["base", *STAGES])
    with transaction() as session:
        jobs.cancel(session, lease.job_id)
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.CANCELLED
    assert deployed() == []
    assert events("job.training") == []


@pytest.mark.usefixtures("draining", "endless_data")
def test_a_run_that_ends_after_its_job_was_taken_away_leaves_quietly() -> None:
    lease = claimed(spec_of())
    with transaction() as session:
        runs.stopped(session, lease, "taken away by the test")
    run_job(lease)
    assert status_of(lease.job_id) == JobStatus.QUEUED
    assert events("job.failed") == []


@pytest.mark.usefixtures("endless_data")
def test_a_run_that_cannot_say_how_it_ended_leaves_that_to_the_end_of_its_lease() -> None:
    lease = claimed(spec_of())
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_job, lease)
        program_of(stage_dir(lease.job_id, "chat"))
        with postgres_away():
            DRAIN.set()
            try:
                ended.result(20)
            finally:
                DRAIN.clear()
    assert status_of(lease.job_id) == JobStatus.PREPARING


def test_a_job_that_cannot_be_read_back_fails_with_what_went_wrong() -> None:
    lease = claimed(spec_of())
    with transaction() as session:
        session.get_one(Job, lease.job_id).spec = {"base_model": 7}
    run_job(lease)
    job = read(lease.job_id)
    assert job.error is not None
    assert (job.status, job.error["code"]) == (JobStatus.FAILED, "internal_error")
