"""A model that others are trained on, or whose weights an adapter goes on, stays as long as they need it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from core import deployments, jobs, model_registry, retention
from core.db import transaction
from core.errors import Conflict
from core.job_files import models_root
from core.retention import sweep
from core.spec import DeploySpec
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
    queued_job,
    set_age,
    write_model,
)
from tests.core.plans import filled, plan_of
from tests.core.retention.sweeping import mark, removed, waits_for_a_lock
from tests.core.sessions import claim, finish, new_model
from tests.waiting import wait_until


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


@pytest.mark.parametrize("end", [JobStatus.FAILED, JobStatus.CANCELLED])
@pytest.mark.parametrize("days", [None, 3])
def test_a_model_that_a_retry_would_train_on_stays_while_the_job_itself_is_kept(
    end: JobStatus, days: int | None
) -> None:
    job_id = ended_job(merged="last")
    before = files(job_id)
    retryable = queued_job(base_model=str(models_root() / job_id / CHAT), days=days)
    if end == JobStatus.FAILED:
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


def weights_of_another_job() -> tuple[str, str]:
    """A job whose first stage's model is the base of another job's adapter, and that adapter's model."""
    job_id = ended_job(merged="last")
    folder = str((models_root() / job_id / CHAT).resolve())
    with transaction() as session:
        model_registry.register_model(session, "base:x", stage="base", base_model="x", location=folder, manifest={})
    return job_id, write_model(queued_job(), TOOLS, adapter_of="base:x")


@pytest.mark.parametrize(
    "way",
    [(), (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE)],
    ids=lambda way: f"{way[-1:]}",
)
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
