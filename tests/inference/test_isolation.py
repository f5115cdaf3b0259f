"""A project's keys reach the names that are its own, and learn of no other; a key that is revoked reaches none."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from core import keys
from core.access import Scope
from core.db import transaction
from core.key_ring import REVOKED_WITHIN_S
from inference.routes import Table, Target
from tests.conftest import Services
from tests.inference.front import ALIAS, MODEL, Front, running_front
from tests.inference.vllm import ENGINE_NAME, running_vllm
from tests.waiting import wait_until

OTHERS, OTHERS_MODEL = "others-alias", "ft:base:team-b:x:1"


@pytest.fixture(scope="module")
def front(services: Services) -> Iterator[Front]:
    """Serves one model for `default`, and one for team-b."""
    with running_vllm() as vllm, running_front(vllm, follows_keys=True) as front:
        table = front.routes.table
        ours = table.models[MODEL]
        theirs = Target(OTHERS_MODEL, ours.backend, ENGINE_NAME, since_s=6)
        projects = {**table.projects, OTHERS: {"team-b"}, OTHERS_MODEL: {"team-b"}}
        both = Table({ALIAS: ours, OTHERS: theirs}, {MODEL: ours, OTHERS_MODEL: theirs}, projects)
        front.in_loop(lambda: front.routes.set(both))
        yield front


def new_key(*scopes: Scope, project: str | None = "default") -> tuple[str, str]:
    """The id, and the secret."""
    with transaction() as session:
        key, secret = keys.create(session, "one", scopes or (Scope.INFER,), project)
        return key.id, secret


def ask(client: httpx.Client, model: str, **headers: str) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": model, "do": "answer"}, headers=headers)


def names(client: httpx.Client, **headers: str) -> list[str]:
    return [one["id"] for one in client.get("/v1/models", headers=headers).json()["data"]]


@pytest.mark.parametrize(
    ("project", "own", "others"),
    [("default", (ALIAS, MODEL), (OTHERS, OTHERS_MODEL)), ("team-b", (OTHERS, OTHERS_MODEL), (ALIAS, MODEL))],
)
def test_a_key_reaches_its_own_names_and_the_rest_are_as_if_there_were_none(
    front: Front, project: str, own: tuple[str, ...], others: tuple[str, ...]
) -> None:
    _, secret = new_key(project=project)
    with front.client(secret) as client:
        assert sorted(names(client)) == sorted(own)
        assert [ask(client, name).status_code for name in own] == [200, 200]
        nobodys = _refusal(ask(client, "nobodys"), "nobodys")
        for name in others:
            refused = ask(client, name)
            assert (refused.status_code, _refusal(refused, name)) == (404, nobodys)
            assert not [one for one in others if one != name and one in refused.text]
    assert nobodys["error"]["code"] == "model_not_found"


def test_a_project_without_a_model_learns_of_no_name(front: Front) -> None:
    _, secret = new_key(project="team-c")
    with front.client(secret) as client:
        assert names(client) == []
        refused = ask(client, "nobodys")
    assert refused.status_code == 404
    assert not [name for name in (ALIAS, MODEL, OTHERS, OTHERS_MODEL) if name in refused.text]


def test_a_key_of_all_projects_reaches_every_name_or_those_of_the_project_that_it_names(front: Front) -> None:
    with front.client() as client:
        assert sorted(names(client)) == sorted([ALIAS, MODEL, OTHERS, OTHERS_MODEL])
        assert sorted(names(client, **{"openai-project": "team-b"})) == sorted([OTHERS, OTHERS_MODEL])
        assert ask(client, ALIAS, **{"openai-project": "team-b"}).status_code == 404
        assert ask(client, OTHERS, **{"openai-project": "team-b"}).status_code == 200


def test_a_key_of_one_project_cannot_name_another(front: Front) -> None:
    _, secret = new_key()
    with front.client(secret) as client:
        for answer in (
            ask(client, ALIAS, **{"openai-project": "team-b"}),
            client.get("/v1/models", headers={"openai-project": "team-b"}),
        ):
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "permission_denied")


def test_a_key_for_training_only_infers_nothing(front: Front) -> None:
    _, secret = new_key(Scope.TRAIN)
    with front.client(secret) as client:
        assert ask(client, ALIAS).status_code == 403
        assert client.get("/v1/models").status_code == 403


def test_what_is_served_is_told_to_keys_of_all_projects_only(front: Front) -> None:
    _, own = new_key()
    _, everywhere = new_key(project=None)
    with front.client(own) as client:
        assert client.get("/metrics").status_code == 403
    with front.client(everywhere) as client:
        assert "tunesmith_requests_total" in client.get("/metrics").text


def test_a_key_that_is_revoked_is_refused_within_seconds(front: Front) -> None:
    key_id, secret = new_key()
    with front.client(secret) as client:
        assert ask(client, ALIAS).status_code == 200
        with transaction() as session:
            keys.revoke(session, key_id)
        wait_until(lambda: ask(client, ALIAS).status_code == 401, REVOKED_WITHIN_S)


def _refusal(answer: httpx.Response, name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.text.replace(name, "NAME"))
    return body
