"""Models and the deployments that make them live."""

import httpx
import pytest

from core import deployments
from core.db import transaction
from core.states import DeploymentStatus

FIRST, SECOND = "base:tiny-base", "ft:tiny-base:default:tuned:abc-chat"


@pytest.fixture(autouse=True)
def _models(client: httpx.Client) -> None:
    with transaction() as session:
        for model_id in (FIRST, SECOND):
            deployments.register_model(
                session, model_id, stage="base", base_model="./tiny-base", location="/m", manifest={"files": []}
            )


def test_models_are_listed_and_read_by_id(client: httpx.Client) -> None:
    assert [model["id"] for model in client.get("/models").json()["data"]] == [SECOND, FIRST]
    model = client.get(f"/models/{SECOND}").json()
    assert (model["object"], model["base_model"], model["manifest"]) == ("model", "./tiny-base", {"files": []})
    page = client.get("/models", params={"after": SECOND, "limit": 1}).json()
    assert [model["id"] for model in page["data"]] == [FIRST]


def test_asking_for_a_deployment_twice_makes_one(client: httpx.Client) -> None:
    first = client.post("/deployments", json={"model": FIRST})
    again = client.post("/deployments", json={"model": FIRST})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    deployment = first.json()
    assert (deployment["alias"], deployment["model"], deployment["status"]) == ("tunesmith", FIRST, "pending")
    assert client.get(f"/deployments/{deployment['id']}").json() == deployment


def test_a_new_live_model_supersedes_the_old_one(client: httpx.Client) -> None:
    for model_id in (FIRST, SECOND):
        deployment_id = client.post("/deployments", json={"model": model_id}).json()["id"]
        with transaction() as session:
            deployments.advance(session, deployment_id, DeploymentStatus.STAGING)
            deployments.advance(session, deployment_id, DeploymentStatus.SWAPPING)
            deployments.advance(session, deployment_id, DeploymentStatus.LIVE, timings={"swap_s": 0.7})
    listed = client.get("/deployments").json()["data"]
    assert [(d["model"], d["status"]) for d in listed] == [(SECOND, "live"), (FIRST, "superseded")]
    assert listed[0]["timings"] == {"swap_s": 0.7}
    assert listed[0]["live_at"] >= listed[0]["created_at"]


def test_what_is_not_there_is_named(client: httpx.Client) -> None:
    for answer in (
        client.post("/deployments", json={"model": "ft:unknown"}),
        client.get("/models/ft:unknown"),
        client.get("/deployments/dep-unknown"),
        client.get("/models", params={"after": "ft:unknown"}),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")
        assert "unknown" in answer.json()["error"]["message"]
