"""Keys: made and shown once, scoped, of one project, revocable."""

import time
from typing import Any

import httpx
import pytest

from core.key_ring import REVOKED_WITHIN_S
from tests.api.bodies import RECIPE
from tests.waiting import wait_until


def made(client: httpx.Client, name: str = "ci", **body: Any) -> dict[str, Any]:
    answer = client.post("/keys", json={"name": name, **body})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def with_key(client: httpx.Client, secret: str) -> httpx.Client:
    return httpx.Client(base_url=client.base_url, headers={"authorization": f"Bearer {secret}"}, timeout=30)


def test_a_secret_is_shown_once(client: httpx.Client) -> None:
    key = made(client, project="team-a")
    assert key["secret"].startswith(key["prefix"])
    assert len(key["secret"]) == 46  # ts- and 256 bits in base64
    assert (key["project"], key["scopes"]) == ("team-a", ["infer", "train"])
    for shown in (client.get("/keys"), client.get(f"/keys/{key['id']}")):
        assert key["secret"] not in shown.text
        assert key["prefix"] in shown.text
    assert client.get("/keys").json()["data"] == [{k: v for k, v in key.items() if k != "secret"}]


@pytest.mark.parametrize(
    ("scope", "opens"),
    [
        ("infer", {"/v1/models"}),
        ("train", {"/jobs", "/files", "/models", "/deployments", "/aliases"}),
        ("admin", {"/v1/models", "/jobs", "/files", "/models", "/deployments", "/aliases", "/keys", "/projects"}),
    ],
)
def test_a_scope_opens_what_it_says_and_nothing_else(client: httpx.Client, scope: str, opens: set[str]) -> None:
    key = made(client, scopes=[scope])
    with with_key(client, key["secret"]) as its:
        paths = {"/v1/models", "/jobs", "/files", "/models", "/deployments", "/aliases", "/keys", "/projects"}
        answers = {path: its.get(path) for path in paths}
    assert {path for path, answer in answers.items() if answer.status_code == 200} == opens
    refused = [answer for answer in answers.values() if answer.status_code != 200]
    assert {answer.status_code for answer in refused} <= {403}
    assert all(answer.json()["error"]["code"] == "permission_denied" for answer in refused)
    assert all(answer.json()["error"]["type"] == "permission_error" for answer in refused)


def test_a_revoked_key_is_refused_within_seconds(client: httpx.Client) -> None:
    key = made(client)
    with with_key(client, key["secret"]) as its:
        assert its.get("/jobs").status_code == 200
        revoked = client.delete(f"/keys/{key['id']}").json()
        assert revoked["revoked_at"] >= key["created_at"]
        assert client.delete(f"/keys/{key['id']}").json() == revoked
        wait_until(lambda: its.get("/jobs").status_code == 401, REVOKED_WITHIN_S)
    assert client.get(f"/keys/{key['id']}").json()["last_used_at"] is not None


def test_what_a_key_makes_is_its_projects(client: httpx.Client) -> None:
    with with_key(client, made(client, project="team-a")["secret"]) as its:
        job = its.post("/jobs", json=RECIPE).json()
        assert job["project"] == "team-a"
        same = its.post("/jobs", json=RECIPE, headers={"OpenAI-Project": "team-a"})
        assert same.json()["project"] == "team-a"
        other = its.post("/jobs", json=RECIPE, headers={"OpenAI-Project": "team-b"})
    assert (other.status_code, other.json()["error"]["param"]) == (403, "OpenAI-Project")


def test_only_a_key_of_all_projects_makes_one_of_another(client: httpx.Client) -> None:
    whole = made(client, scopes=["admin"], all_projects=True)
    assert whole["project"] is None
    with with_key(client, whole["secret"]) as its:
        own = made(its, scopes=["admin"], project="team-a")
    with with_key(client, own["secret"]) as its:
        assert made(its)["project"] == "team-a"
        refused = [its.post("/keys", json={"name": "x", **more}) for more in ({"project": "b"}, {"all_projects": True})]
    assert [answer.status_code for answer in refused] == [403, 403]
    both = client.post("/keys", json={"name": "x", "project": "b", "all_projects": True})
    assert both.status_code == 422


def test_a_key_cannot_be_made_to_expire_in_the_past(client: httpx.Client) -> None:
    answer = client.post("/keys", json={"name": "x", "expires_at": int(time.time()) - 1})
    assert (answer.status_code, answer.json()["error"]["param"]) == (422, "expires_at")
    soon = made(client, expires_at=int(time.time()) + 2)
    with with_key(client, soon["secret"]) as its:
        wait_until(lambda: its.get("/jobs").status_code == 401, 2 + REVOKED_WITHIN_S)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "x", "scopes": []}, {"name": "x", "scopes": ["all"]}])
def test_a_key_needs_a_name_and_known_scopes(client: httpx.Client, body: dict[str, Any]) -> None:
    assert client.post("/keys", json=body).status_code == 422
