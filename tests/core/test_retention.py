"""What is no longer kept goes, whole; what is deployed or can be resumed stays, whoever asks when."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select, text

from core import deployments, disk, jobs, retention
from core.db import transaction
from core.errors import Conflict
from core.job_files import checkpoints, jobs_root, models_root
from core.models import Deployment, Event, Model
from core.retention import prune_checkpoints, sweep
from core.spec import DeploySpec, KeepSpec
from core.states import DeploymentStatus, JobStatus
from tests.conftest import Services
from tests.core.kept_files import (
    ALIAS,
    CHAT,
    TOOLS,
    deploy,
    ended_job,
    files,
    make_live,
    model_id,
    queued_job,
    set_age,
    write,
    write_model,
    write_stage,
)
from tests.core.plans import filled, plan_of
from tests.core.sessions import claim, finish, new_model, read
from tests.waiting import wait_until

SUCCEEDED, FAILED, CANCELLED = JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED
STRICT: dict[str, Any] = {"checkpoints": 0, "adapters": False, "merged": "last", "days": 1}
"""Rules that let go whatever may go."""


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    yield
    for folder in (jobs_root(), models_root(), retention.trash()):
        shutil.rmtree(folder, ignore_errors=True)


def removed(model: str) -> bool:
    with transaction() as session:
        return deployments.get_model(session, model).removed_at is not None


def trashed() -> list[Path]:
    return list(disk.entries(retention.trash()))


# ------------------------------------------------------------------ checkpoints


def steps(stage_dir: Path) -> set[str]:
    return {path.name for path in stage_dir.rglob("checkpoint-*")}


@pytest.mark.parametrize("run", ["run-3", "."])
def test_an_ended_stage_keeps_its_newest_checkpoints(run: str) -> None:
    stage_dir = write_stage("job", CHAT, steps=(5, 10, 100), run=run)
    prune_checkpoints(stage_dir, 2)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-100"}
    prune_checkpoints(stage_dir, 0)
    assert steps(stage_dir) == set()


def test_a_checkpoint_that_was_never_whole_goes_before_any_that_is() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20, 30))
    (checkpoints(stage_dir)[0] / "COMPLETE").unlink()
    prune_checkpoints(stage_dir, 2)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20"}


def test_a_stage_that_has_not_ended_keeps_every_checkpoint() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20, 30), ended=False)
    prune_checkpoints(stage_dir, 0)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20", "checkpoint-30"}


def test_a_worker_removes_the_checkpoints_at_the_end_of_a_stage_for_good() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20))
    retention.stage_ended(stage_dir, KeepSpec(checkpoints=1))
    assert (steps(stage_dir), trashed()) == ({"checkpoint-20"}, [])


def test_a_disk_that_refuses_does_not_fail_the_job(caplog: pytest.LogCaptureFixture) -> None:
    stage_dir = write_stage("job", CHAT)
    write(retention.trash(), 1)  # a file where the trash should be
    try:
        retention.stage_ended(stage_dir, KeepSpec(checkpoints=0))
    finally:
        retention.trash().unlink()
    assert "checkpoints.not_removed" in caplog.text
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20"}


# ------------------------------------------------------------------ the rules of finished jobs


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


@pytest.mark.parametrize("status", [FAILED, CANCELLED])
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
    job_id = ended_job(FAILED, days=1, days_ago=2)
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


# ------------------------------------------------------------------ what is deployed

STAGING, SWAPPING, LIVE = DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE


@pytest.mark.parametrize(
    "way", [(), (STAGING,), (STAGING, SWAPPING), (STAGING, SWAPPING, LIVE)], ids=lambda way: f"{way[-1:]}"
)
def test_a_model_that_is_deployed_or_on_its_way_stays(way: tuple[DeploymentStatus, ...]) -> None:
    job_id = ended_job(days_ago=2, **STRICT)
    deploy(model_id(job_id, CHAT), *way)
    sweep()
    assert files(job_id) == {f"{CHAT}/model"}
    assert not removed(model_id(job_id, CHAT))


def test_the_model_that_was_live_before_stays_for_a_rollback_and_the_one_before_that_goes() -> None:
    job_id = ended_job(merged="last")
    before = files(job_id)
    make_live(model_id(job_id, CHAT))
    make_live(model_id(job_id, TOOLS))
    sweep()
    assert files(job_id) == before
    make_live(new_model("other"))
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}


def test_a_failed_deployment_takes_no_model_from_a_rollback() -> None:
    job_id = ended_job(days_ago=2, **STRICT)
    make_live(model_id(job_id, CHAT))
    make_live(new_model("other"))
    deploy(new_model("broken"), STAGING, DeploymentStatus.FAILED)
    sweep()
    assert files(job_id) == {f"{CHAT}/model"}


def test_every_alias_keeps_its_own_rollback() -> None:
    job_id = ended_job(days_ago=2, **STRICT)
    make_live(model_id(job_id, CHAT), alias="second")
    for name in ("a", "b", "c"):
        make_live(new_model(name))
    sweep()
    assert files(job_id) == {f"{CHAT}/model"}


def test_a_retryable_job_with_a_deployed_model_keeps_everything_or_a_retry_would_write_over_it() -> None:
    job_id = ended_job(FAILED, days_ago=2, **STRICT | {"checkpoints": 2})
    before = files(job_id)
    make_live(model_id(job_id, CHAT))
    sweep()
    assert files(job_id) == before
    assert not removed(model_id(job_id, TOOLS))


def test_a_model_that_an_unfinished_job_trains_on_stays() -> None:
    job_id = ended_job(merged="last")
    folder = models_root() / job_id / CHAT
    before = files(job_id)
    queued_job(base_model=f"{folder.parent}/../{job_id}/{CHAT}")
    sweep()
    assert files(job_id) == before
    finish(claim())
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}


@pytest.mark.parametrize("end", [FAILED, CANCELLED])
@pytest.mark.parametrize("days", [None, 3])
def test_a_model_that_a_retry_would_train_on_stays_while_the_job_itself_is_kept(
    end: JobStatus, days: int | None
) -> None:
    job_id = ended_job(merged="last")
    before = files(job_id)
    retryable = queued_job(base_model=str(models_root() / job_id / CHAT), days=days)
    if end == FAILED:
        finish(claim(), end)
    else:
        with transaction() as session:
            jobs.cancel(session, retryable)
    set_age(retryable, 2)
    sweep()
    assert files(job_id) == before
    set_age(retryable, 4)
    sweep()
    assert files(job_id) == (before if days is None else before - {f"{CHAT}/model"})


def test_the_jobs_that_need_a_local_base_are_found_by_their_index(database: Services) -> None:
    with filled(database):
        plan = plan_of(lambda session: retention._is_base(session, models_root() / "x"))
    assert "ix_jobs_local_base" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_a_folder_that_is_served_under_the_name_of_a_base_model_stays() -> None:
    job_id = ended_job(merged="last")
    folder, before = models_root() / job_id / CHAT, files(job_id)
    with transaction() as session:
        deployments.register_base(session, "base:x", base_model="x", location=str(folder.resolve()))
    make_live("base:x")
    sweep()
    assert files(job_id) == before
    for name in ("a", "b"):
        make_live(new_model(name))
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}
    assert removed("base:x")


def weights_of_another_job() -> tuple[str, str]:
    """A job whose first stage's model is the base of another job's adapter, and that adapter's model."""
    job_id = ended_job(merged="last")
    folder = str((models_root() / job_id / CHAT).resolve())
    with transaction() as session:
        deployments.register_model(session, "base:x", stage="base", base_model="x", location=folder, manifest={})
    return job_id, write_model(queued_job(), TOOLS, adapter_of="base:x")


@pytest.mark.parametrize("way", [(), (STAGING, SWAPPING, LIVE)], ids=lambda way: f"{way[-1:]}")
def test_the_weights_that_a_deployed_adapter_goes_on_stay(way: tuple[DeploymentStatus, ...]) -> None:
    job_id, adapter = weights_of_another_job()
    before = files(job_id)
    deploy(adapter, *way, serve_as="adapter")
    sweep()
    assert files(job_id) == before
    assert not removed("base:x")


def test_the_weights_of_the_adapter_that_was_live_before_stay_for_a_rollback() -> None:
    job_id, adapter = weights_of_another_job()
    before = files(job_id)
    make_live(adapter, serve_as="adapter")
    make_live(adapter, serve_as="merged")
    sweep()
    assert files(job_id) == before
    make_live(new_model("other"))
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}


def test_an_adapter_whose_weights_were_removed_is_refused_by_their_name() -> None:
    _, adapter = weights_of_another_job()
    sweep()
    with pytest.raises(Conflict, match="'base:x' was removed"):
        deploy(adapter, serve_as="adapter")
    deploy(adapter)


def test_a_sweep_and_a_request_for_an_adapter_on_the_model_take_turns() -> None:
    job_id, adapter = weights_of_another_job()
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            deployments.request(session, ALIAS, adapter, how=DeploySpec(serve_as="adapter"))
            marked = pool.submit(mark, job_id)
            wait_until(waits_for_a_lock)
        assert marked.result(10) == []
    assert not removed("base:x")


def test_deploying_a_removed_model_says_what_happened_to_it() -> None:
    job_id = ended_job(merged="last")
    sweep()
    with pytest.raises(Conflict, match=rf"{model_id(job_id, CHAT)}.* was removed on \d{{4}}-"):
        deploy(model_id(job_id, CHAT))
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Deployment)) == 0


# ------------------------------------------------------------------ interruptions


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
    job_id = ended_job(FAILED, days=1, days_ago=2)
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
    job_id = ended_job(FAILED, days=1, days_ago=2)
    before = files(job_id)
    with transaction() as session:
        retention.mark(session, job_id)
    with transaction() as session:
        jobs.retry(session, job_id)
    finish(claim(), FAILED)
    with transaction() as session:
        retention.collect(session, job_id)
    assert files(job_id) == before


def test_sweeping_again_changes_nothing() -> None:
    job_id = ended_job(merged="last", adapters=False)
    sweep()
    once = files(job_id)
    with transaction() as session:
        at = deployments.get_model(session, model_id(job_id, CHAT)).removed_at
    sweep()
    assert files(job_id) == once
    with transaction() as session:
        assert deployments.get_model(session, model_id(job_id, CHAT)).removed_at == at


# ------------------------------------------------------------------ races


def waits_for_a_lock() -> bool:
    with transaction() as session:
        query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
        return bool(session.scalar(text(query)))


def mark(job_id: str) -> list[str]:
    with transaction() as session:
        return retention.mark(session, job_id)


def test_a_sweep_waits_for_a_deployment_under_way_and_then_leaves_the_model() -> None:
    job_id = ended_job(merged="last")
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            deployments.request(session, ALIAS, model_id(job_id, CHAT))
            marked = pool.submit(mark, job_id)
            wait_until(waits_for_a_lock)
        assert marked.result(10) == []
    assert not removed(model_id(job_id, CHAT))


def test_a_deployment_waits_for_a_sweep_under_way_and_is_then_refused() -> None:
    job_id = ended_job(merged="last")
    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            assert retention.mark(session, job_id) == [model_id(job_id, CHAT)]
            deployed = pool.submit(deploy, model_id(job_id, CHAT))
            wait_until(waits_for_a_lock)
        with pytest.raises(Conflict, match="was removed"):
            deployed.result(10)


def test_a_retry_waits_for_the_files_to_be_out_of_its_way() -> None:
    job_id = ended_job(FAILED, days=1, days_ago=2)
    mark(job_id)

    def retry() -> None:
        with transaction() as session:
            jobs.retry(session, job_id)
        assert not (jobs_root() / job_id).exists()

    with ThreadPoolExecutor(1) as pool:
        with transaction() as session:
            retention.collect(session, job_id)
            retried = pool.submit(retry)
            wait_until(waits_for_a_lock)
        retried.result(10)


def test_of_a_sweep_and_a_deployment_at_the_same_moment_exactly_one_wins() -> None:
    barrier = Barrier(2)

    def at_once(work: Callable[[], None]) -> None:
        barrier.wait(10)
        with suppress(Conflict):
            work()

    for _ in range(20):
        model = model_id(ended_job(merged="last"), CHAT)
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(at_once, (sweep, partial(deploy, model, alias=model))))
        with transaction() as session:
            row = session.get_one(Model, model)
            is_deployed = session.scalar(select(Deployment.id).where(Deployment.model_id == model)) is not None
        assert is_deployed == (row.removed_at is None)
        assert is_deployed == (models_root() / row.location.removeprefix("models/")).exists()
