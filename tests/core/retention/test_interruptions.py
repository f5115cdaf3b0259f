"""A sweep that was interrupted is finished by the next, and a retry in between loses nothing."""

from core import jobs, model_registry, retention
from core.db import transaction
from core.retention import sweep
from core.states import JobStatus
from tests.core.kept_files import CHAT, deploy, ended_job, files, model_id, write_model
from tests.core.retention.sweeping import STRICT, trashed
from tests.core.sessions import claim, finish


def test_a_sweep_that_stopped_after_the_marks_is_finished_by_the_next() -> None:
    job_id = ended_job(merged="last")
    before = files(job_id)
    with transaction() as session:
        assert retention.mark(session, job_id) == [model_id(job_id, CHAT)]
    assert files(job_id) == before
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}


def test_a_sweep_that_stopped_before_the_deletion_is_finished_by_the_next() -> None:
    job_id = ended_job(days_ago=2, **STRICT)
    for step in (retention.mark, retention.collect):
        with transaction() as session:
            step(session, job_id)
    assert files(job_id) == set()
    assert len(trashed()) == 3
    sweep()
    assert trashed() == []


def test_a_retry_that_comes_after_the_marks_keeps_the_files_and_gets_its_models_back() -> None:
    job_id = ended_job(JobStatus.FAILED, days=1, days_ago=2)
    before = files(job_id)
    with transaction() as session:
        assert len(retention.mark(session, job_id)) == 2
    with transaction() as session:
        jobs.retry(session, job_id)
    with transaction() as session:
        retention.collect(session, job_id)
    assert files(job_id) == before
    write_model(job_id, CHAT)  # as the retry's run does for a stage that is done
    deploy(model_id(job_id, CHAT))


def test_a_job_that_failed_again_after_the_marks_keeps_the_models_of_its_finished_stages() -> None:
    job_id = ended_job(JobStatus.FAILED, days=1, days_ago=2)
    before = files(job_id)
    with transaction() as session:
        retention.mark(session, job_id)
    with transaction() as session:
        jobs.retry(session, job_id)
    finish(claim(), JobStatus.FAILED)
    with transaction() as session:
        retention.collect(session, job_id)
    assert files(job_id) == before


def test_sweeping_again_changes_nothing() -> None:
    job_id = ended_job(merged="last", adapters=False)
    sweep()
    once = files(job_id)
    with transaction() as session:
        at = model_registry.get_model(session, model_id(job_id, CHAT)).removed_at
    sweep()
    assert files(job_id) == once
    with transaction() as session:
        assert model_registry.get_model(session, model_id(job_id, CHAT)).removed_at == at
