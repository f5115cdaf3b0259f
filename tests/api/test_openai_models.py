"""`client.models` of OpenAI's SDK: what is listed, found and deleted, and what must stay."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from core import deployments, model_registry
from core.db import transaction
from core.job_files import jobs_root, models_root
from core.states import DeploymentStatus
from tests.conftest import Services
from tests.core.sessions import claim, finish, new_job, new_model
from tests.sdk import Sdk

BASE, ALIAS = "base:m:1", "own/alias"


@pytest.fixture(autouse=True)
def _empty_storage(database: Services) -> Iterator[None]:
    yield
    for folder in (jobs_root(), models_root()):
        shutil.rmtree(folder, ignore_errors=True)


def tuned(*, ended: bool = True) -> tuple[str, Path]:
    """A tuned model of a job, and its folder."""
    job_id = new_job()
    lease = claim()
    folder = models_root() / job_id / "tools"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    model_id = f"ft:m:default:tuned:{job_id[-8:]}-tools"
    with transaction() as session:
        location = f"models/{job_id}/tools"
        model_registry.register_model(
            session, model_id, stage="tools", base_model="m", location=location, manifest={}, job_id=job_id
        )
    if ended:
        finish(lease)
    return model_id, folder


def make_live(model_id: str) -> None:
    with transaction() as session:
        made = deployments.request(session, ALIAS, model_id)
        for status in (DeploymentStatus.STAGING, DeploymentStatus.SWAPPING, DeploymentStatus.LIVE):
            deployments.advance(session, made.id, status)


def test_public_names_and_models_are_listed_with_what_is_live(sdk: Sdk) -> None:
    new_model(BASE)
    live, _ = tuned()
    other, _ = tuned()
    make_live(live)
    listed = sdk.all(sdk.client.models.list())
    assert [(model.id, model.live, model.serves) for model in listed] == [
        (ALIAS, True, live),
        (other, False, None),
        (live, True, None),
        (BASE, False, None),
    ]
    assert {model.object for model in listed} == {"model"}
    assert [model.owned_by for model in listed] == ["tunesmith", "default", "default", "tunesmith"]
    for model in listed:
        assert sdk(sdk.client.models.retrieve(model.id)) == model


def test_an_unknown_model_is_not_found(sdk: Sdk) -> None:
    with pytest.raises(openai.NotFoundError, match="no model 'gpt-4o'"):
        sdk(sdk.client.models.retrieve("gpt-4o"))


def test_a_deleted_model_is_gone_with_its_files(sdk: Sdk) -> None:
    model_id, folder = tuned()
    deleted = sdk(sdk.client.models.delete(model_id))
    assert (deleted.id, deleted.object, deleted.deleted) == (model_id, "model", True)
    assert not folder.exists()
    assert sdk.all(sdk.client.models.list()) == []
    for call in (sdk.client.models.retrieve, sdk.client.models.delete):
        with pytest.raises(openai.NotFoundError):
            sdk(call(model_id))


def test_a_model_that_is_live_or_next_for_a_rollback_stays(sdk: Sdk) -> None:
    first, folder = tuned()
    second, _ = tuned()
    make_live(first)
    make_live(second)
    for model_id in (first, second):
        with pytest.raises(openai.ConflictError, match="is live, about to be, or what a rollback") as error:
            sdk(sdk.client.models.delete(model_id))
        assert error.value.response.headers["x-should-retry"] == "false"
    assert folder.exists()


def test_a_model_of_a_job_that_may_go_on_stays(sdk: Sdk) -> None:
    model_id, folder = tuned(ended=False)
    with pytest.raises(openai.ConflictError, match="which has not ended"):
        sdk(sdk.client.models.delete(model_id))
    assert folder.exists()


def test_a_base_model_is_not_ours_to_remove(sdk: Sdk) -> None:
    new_model(BASE)
    with pytest.raises(openai.ConflictError, match="is a base model"):
        sdk(sdk.client.models.delete(BASE))
