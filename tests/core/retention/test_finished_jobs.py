"""What a finished job keeps, by the rules that it asked for."""

import pytest
from sqlalchemy import select

from core import jobs
from core.db import transaction
from core.job_files import jobs_root, models_root
from core.models import Event
from core.retention import sweep
from core.states import JobStatus
from tests.core.kept_files import (
    CHAT,
    TOOLS,
    deploy,
    ended_job,
    files,
    model_id,
    queued_job,
    set_age,
    write,
    write_model,
    write_stage,
)
from tests.core.retention.sweeping import STRICT, removed, steps, trashed
from tests.core.sessions import claim, read


def test_without_rules_a_finished_job_keeps_all_but_surplus_checkpoints() -> None:
    job_id = ended_job(days_ago=1000)
    before = files(job_id)
    write_stage(job_id, CHAT, steps=(30,))
    sweep()
    assert files(job_id) == before - {f"{CHAT}/checkpoint-10"} | {f"{CHAT}/checkpoint-30"}


def test_of_the_merged_models_only_the_last_stays_when_asked_for() -> None:
    job_id = ended_job(merged="last")
    before = files(job_id)
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}
    assert (removed(model_id(job_id, CHAT)), removed(model_id(job_id, TOOLS))) == (True, False)
    with transaction() as session:
        [event] = session.scalars(select(Event).where(Event.type == "model.removed"))
    assert model_id(job_id, CHAT) in event.message
    assert trashed() == []


def test_adapters_go_when_they_are_not_asked_for() -> None:
    job_id = ended_job(adapters=False)
    before = files(job_id)
    sweep()
    assert files(job_id) == before - {f"{CHAT}/adapter", f"{TOOLS}/adapter"}


def test_all_that_a_job_has_goes_when_its_days_are_over() -> None:
    job_id = ended_job(days=7, days_ago=6.9)
    before = files(job_id)
    sweep()
    assert files(job_id) == before
    set_age(job_id, 7.1)
    sweep()
    assert not (jobs_root() / job_id).exists()
    assert not (models_root() / job_id).exists()
    assert removed(model_id(job_id, CHAT))
    assert removed(model_id(job_id, TOOLS))


@pytest.mark.parametrize("status", [JobStatus.FAILED, JobStatus.CANCELLED])
def test_a_job_that_can_be_retried_keeps_everything_until_its_days_are_over(status: JobStatus) -> None:
    job_id = ended_job(status, days_ago=0.9, **STRICT | {"checkpoints": 2})
    write_stage(job_id, TOOLS, steps=(30,), ended=False)
    before = files(job_id)
    sweep()
    assert files(job_id) == before
    set_age(job_id, 1.1)
    sweep()
    assert files(job_id) == set()


def test_a_job_that_is_not_final_keeps_everything() -> None:
    job_ids = {state: queued_job(**STRICT) for state in ("running", "paused", "queued")}
    claim()
    with transaction() as session:
        jobs.pause(session, job_ids["paused"])
    assert read(job_ids["running"]).status == JobStatus.PREPARING
    before = {}
    for job_id in job_ids.values():
        write_stage(job_id, CHAT)
        write_model(job_id, CHAT)
        set_age(job_id, 1000)
        before[job_id] = files(job_id)
    sweep()
    assert {job_id: files(job_id) for job_id in before} == before


def test_folders_of_no_known_job_are_left_alone() -> None:
    stage_dir = write_stage("ftjob-unknown", CHAT, steps=(1, 2, 3))
    write(models_root() / "ftjob-unknown" / CHAT / "model.safetensors", 1)
    sweep()
    assert len(steps(stage_dir)) == 3
    assert files("ftjob-unknown") >= {f"{CHAT}/model", f"{CHAT}/adapter"}


def test_a_retry_after_the_days_are_over_makes_its_models_anew() -> None:
    job_id = ended_job(JobStatus.FAILED, days=1, days_ago=2)
    sweep()
    with transaction() as session:
        jobs.retry(session, job_id)
    claim()
    write_model(job_id, CHAT)
    assert not removed(model_id(job_id, CHAT))
    deploy(model_id(job_id, CHAT))


def test_a_run_that_lost_its_job_cannot_call_a_removed_model_back() -> None:
    job_id = ended_job(merged="last")
    sweep()
    write_model(job_id, CHAT)
    assert removed(model_id(job_id, CHAT))
    sweep()
    assert f"{CHAT}/model" not in files(job_id)
