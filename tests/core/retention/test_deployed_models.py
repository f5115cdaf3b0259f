"""A model that is deployed, or that a rollback would bring back, stays, whatever its job asked for."""

import pytest
from sqlalchemy import func, select

from core import model_registry
from core.db import transaction
from core.errors import Conflict
from core.job_files import models_root
from core.models import Deployment
from core.retention import sweep
from core.states import DeploymentStatus, JobStatus
from tests.core.kept_files import CHAT, TOOLS, deploy, ended_job, files, make_live, model_id
from tests.core.retention.sweeping import STRICT, removed
from tests.core.sessions import new_model


@pytest.mark.parametrize(
    "way",
    [
        (),
        (DeploymentStatus.STAGING,),
        (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING),
        (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE),
    ],
    ids=lambda way: f"{way[-1:]}",
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
    deploy(new_model("broken"), DeploymentStatus.STAGING, DeploymentStatus.FAILED)
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
    job_id = ended_job(JobStatus.FAILED, days_ago=2, **STRICT | {"checkpoints": 2})
    before = files(job_id)
    make_live(model_id(job_id, CHAT))
    sweep()
    assert files(job_id) == before
    assert not removed(model_id(job_id, TOOLS))


def test_a_folder_that_is_served_under_the_name_of_a_base_model_stays() -> None:
    job_id = ended_job(merged="last")
    folder, before = models_root() / job_id / CHAT, files(job_id)
    with transaction() as session:
        model_registry.register_base(session, "base:x", base_model="x", location=str(folder.resolve()))
    make_live("base:x")
    sweep()
    assert files(job_id) == before
    for name in ("a", "b"):
        make_live(new_model(name))
    sweep()
    assert files(job_id) == before - {f"{CHAT}/model"}
    assert removed("base:x")


def test_deploying_a_removed_model_says_what_happened_to_it() -> None:
    job_id = ended_job(merged="last")
    sweep()
    with pytest.raises(Conflict, match=rf"{model_id(job_id, CHAT)}.* was removed on \d{{4}}-"):
        deploy(model_id(job_id, CHAT))
    with transaction() as session:
        assert session.scalar(select(func.count()).select_from(Deployment)) == 0
