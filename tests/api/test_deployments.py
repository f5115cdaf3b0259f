"""Models, the deployments that make them live, the aliases that lead to them, and the way back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from core import deployments, model_registry
from core.db import transaction
from core.model_card import card
from core.models import Deployment
from core.significance import rate
from core.states import DeploymentStatus
from core.verdict import Condition, Verdict
from tests.core.manifests import manifest
from tests.core.measured import Row, measure
from tests.core.sessions import new_job

FIRST, SECOND = "base:tiny-base", "ft:tiny-base:default:tuned:abc-chat"
STAGING, SWAPPING, TRIAL, LIVE = (
    DeploymentStatus.STAGING,
    DeploymentStatus.SWAPPING,
    DeploymentStatus.TRIAL,
    DeploymentStatus.LIVE,
)


@pytest.fixture(autouse=True)
def _models(client: httpx.Client) -> None:
    """A base, and a model with an adapter on it."""
    with transaction() as session:
        for model_id, base_id, rank in ((FIRST, None, None), (SECOND, FIRST, 32)):
            model_registry.register_model(
                session,
                model_id,
                stage="base",
                base_model="./tiny-base",
                location="/m",
                manifest=manifest(model=SECOND).model_dump(mode="json") if base_id else {},
                base_id=base_id,
                adapter_rank=rank,
            )


def deploy(client: httpx.Client, model: str, *targets: DeploymentStatus, **wish: Any) -> dict[str, Any]:
    """A new deployment that the gateway took as far as the last of the states, as it is then."""
    answer = client.post("/deployments", json={"model": model, **wish})
    assert answer.status_code == 201, answer.text
    deployment_id = answer.json()["id"]
    for target in targets:
        with transaction() as session:
            deployments.advance(session, deployment_id, target)
    return read(client, deployment_id)


def make_live(client: httpx.Client, model: str, **wish: Any) -> dict[str, Any]:
    return deploy(client, model, STAGING, SWAPPING, LIVE, **wish)


def read(client: httpx.Client, deployment_id: str) -> dict[str, Any]:
    return dict(client.get(f"/deployments/{deployment_id}").json())


def error_of(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    return dict(answer.json()["error"])


def count() -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Deployment)) or 0


# ------------------------------------------------------------------ models


def test_a_card_is_markdown_and_a_base_model_has_none(client: httpx.Client) -> None:
    answer = client.get(f"/models/{SECOND}/card")
    assert answer.headers["content-type"].startswith("text/markdown")
    assert answer.text == card(manifest(model=SECOND), None)
    assert error_of(client.get(f"/models/{FIRST}/card"), 404)["message"].startswith(f"{FIRST} is a base model")
    assert error_of(client.get("/models/none/manifest"), 404)["code"] == "not_found"


def test_models_are_listed_and_read_by_id(client: httpx.Client) -> None:
    assert [model["id"] for model in client.get("/models").json()["data"]] == [SECOND, FIRST]
    model = client.get(f"/models/{SECOND}").json()
    assert (model["object"], model["base_model"]) == ("model", "./tiny-base")
    assert (model["base_id"], model["adapter_rank"]) == (FIRST, 32)
    made = client.get(f"/models/{SECOND}/manifest").json()
    assert (made["model"], made["base"]["name"], made["training"]["steps"]) == (SECOND, "./tiny-base", 63)
    page = client.get("/models", params={"after": SECOND, "limit": 1}).json()
    assert [model["id"] for model in page["data"]] == [FIRST]


# ------------------------------------------------------------------ asking


def test_asking_for_a_deployment_twice_makes_one(client: httpx.Client) -> None:
    first = client.post("/deployments", json={"model": FIRST})
    again = client.post("/deployments", json={"model": FIRST, "alias": "tunesmith", "drain": {"timeout_s": 5}})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    deployment = first.json()
    assert (deployment["alias"], deployment["model"], deployment["status"]) == ("tunesmith", FIRST, "pending")
    assert read(client, deployment["id"]) == deployment


def test_everything_about_a_deployment_is_shown(client: httpx.Client) -> None:
    make_live(client, FIRST, alias="chat")
    drain = {"timeout_s": 30, "on_timeout": "blue_green"}
    wish = {"alias": "chat", "serve_as": "adapter", "drain": drain, "split": {"percent": 5}}
    deployment_id = deploy(client, SECOND, STAGING, SWAPPING, **wish)["id"]
    trial = {"new": {"requests": 3}, "verdict": None}
    with transaction() as session:
        deployments.advance(
            session,
            deployment_id,
            TRIAL,
            strategy="blue_green",
            reason="another tokenizer",
            timings={"start_s": 9.5, "total_s": 9.7},
            trial=trial,
        )
    shown = read(client, deployment_id)
    assert (shown["status"], shown["strategy"], shown["reason"]) == ("trial", "blue_green", "another tokenizer")
    assert (shown["alias"], shown["serve_as"], shown["weights"]) == ("chat", "adapter", FIRST)
    assert (shown["timings"], shown["trial"], shown["drain"]) == ({"start_s": 9.5, "total_s": 9.7}, trial, drain)
    assert (shown["split"]["percent"], shown["split"]["min_requests"]) == (5, 100)
    assert (shown["queue_position"], shown["rollback_of"], shown["error"], shown["job_id"]) == (0, None, None, None)


def test_a_new_live_model_supersedes_the_old_one(client: httpx.Client) -> None:
    for model_id in (FIRST, SECOND):
        make_live(client, model_id)
    listed = client.get("/deployments").json()["data"]
    assert [(d["model"], d["status"], d["queue_position"]) for d in listed] == [
        (SECOND, "live", None),
        (FIRST, "superseded", None),
    ]
    assert listed[0]["live_at"] >= listed[0]["created_at"]


def test_a_deployment_tells_how_many_come_before_it(client: httpx.Client) -> None:
    in_work = deploy(client, FIRST, STAGING)
    second = deploy(client, SECOND)
    third = deploy(client, FIRST, alias="other")
    assert [each["queue_position"] for each in (in_work, second, third)] == [0, 1, 2]
    listed = client.get("/deployments", params={"status": "pending"}).json()["data"]
    assert [(d["id"], d["queue_position"]) for d in listed] == [(third["id"], 2), (second["id"], 1)]


def test_deployments_are_found_by_alias_status_and_model(client: httpx.Client) -> None:
    ids = [make_live(client, model, alias=alias)["id"] for alias in ("a", "b/c:d") for model in (FIRST, SECOND)]

    def found(**query: str | int) -> list[int]:
        return [ids.index(each["id"]) for each in client.get("/deployments", params=query).json()["data"]]

    assert found(alias="b/c:d") == [3, 2]
    assert found(alias="b/c:d", after=ids[3]) == [2]
    assert found(status="live") == [3]
    assert found(model=FIRST, alias="a") == [0]
    assert found(alias="nothing") == []
    assert "pending" in error_of(client.get("/deployments", params={"status": "gone"}), 422)["message"]


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({}, "model is missing: it is required"),
        ({"model": FIRST, "alais": "x"}, "alais is not a known key: did you mean alias?"),
        ({"model": FIRST, "drain": {"timeout": 1}}, "drain.timeout is not a known key: did you mean timeout_s?"),
        ({"model": FIRST, "split": {"percent": 100}}, "split.percent is 100: it should be less than or equal to 99"),
        ({"model": FIRST, "serve_as": "lora"}, "serve_as is \"lora\": it should be 'merged' or 'adapter'"),
        ({"model": FIRST, "alias": SECOND}, f"alias: '{SECOND}' looks like the id of a model"),
        ({"model": FIRST, "alias": "base:x"}, "an alias begins with neither `ft:` nor `base:`"),
        ({"model": FIRST, "alias": "a b"}, 'alias is "a b": it should match pattern'),
    ],
)
def test_a_wish_that_is_none_is_told_what_is_wrong(client: httpx.Client, wish: dict[str, Any], message: str) -> None:
    assert message in error_of(client.post("/deployments", json=wish), 422)["message"]
    assert count() == 0


def test_a_split_needs_something_that_is_live(client: httpx.Client) -> None:
    make_live(client, FIRST, alias="other")
    answer = client.post("/deployments", json={"model": FIRST, "split": {}})
    error = error_of(answer, 409)
    assert "nothing is live on alias 'tunesmith'" in error["message"]
    assert (error["param"], answer.headers["x-should-retry"]) == ("split", "false")
    assert count() == 1
    assert client.post("/deployments", json={"model": FIRST, "alias": "other", "split": {}}).status_code == 200


def test_a_model_without_an_adapter_is_served_merged_only(client: httpx.Client) -> None:
    error = error_of(client.post("/deployments", json={"model": FIRST, "serve_as": "adapter"}), 409)
    assert (error["param"], error["code"]) == ("serve_as", "conflict")


def test_what_is_not_there_is_named(client: httpx.Client) -> None:
    for answer in (
        client.post("/deployments", json={"model": "ft:unknown"}),
        client.get("/models/ft:unknown"),
        client.get("/deployments/dep-unknown"),
        client.post("/deployments/dep-unknown/rollback"),
        client.get("/models", params={"after": "ft:unknown"}),
    ):
        assert error_of(answer, 404)["code"] == "not_found"
        assert "unknown" in answer.json()["error"]["message"]


# ------------------------------------------------------------------ idempotency keys


def keyed(client: httpx.Client, key: str, model: str, **wish: Any) -> httpx.Response:
    return client.post("/deployments", json={"model": model, **wish}, headers={"Idempotency-Key": key})


def test_a_key_gets_its_first_deployment_whatever_became_of_it(client: httpx.Client) -> None:
    make_live(client, FIRST)
    first = keyed(client, "k1", SECOND)
    with transaction() as session:
        for target in (STAGING, SWAPPING, LIVE):
            deployments.advance(session, first.json()["id"], target)
    make_live(client, FIRST)
    again = keyed(client, "k1", SECOND, serve_as="merged")
    assert (first.status_code, again.status_code) == (201, 200)
    assert (again.json()["id"], again.json()["status"]) == (first.json()["id"], "superseded")
    assert count() == 3


def test_a_key_keeps_a_deployment_that_it_found_too(client: httpx.Client) -> None:
    found = make_live(client, FIRST)
    assert [keyed(client, key, FIRST).status_code for key in ("k1", "k2")] == [200, 200]
    make_live(client, SECOND)
    assert [keyed(client, key, FIRST).json()["id"] for key in ("k1", "k2")] == [found["id"]] * 2
    assert count() == 2


def test_the_same_key_with_another_body_is_refused(client: httpx.Client) -> None:
    first = keyed(client, "k1", FIRST).json()
    error = error_of(keyed(client, "k1", SECOND), 422)
    assert error["param"] == "Idempotency-Key"
    assert first["id"] in error["message"]
    assert count() == 1


def test_a_refused_request_uses_up_no_key(client: httpx.Client) -> None:
    error_of(keyed(client, "k1", "ft:unknown"), 404)
    assert keyed(client, "k1", FIRST).status_code == 201


def test_concurrent_requests_of_one_key_make_one_deployment(client: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keyed(client, "k1", FIRST), range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [201]
    assert count() == 1


# ------------------------------------------------------------------ rollback and aliases


def test_a_rollback_asks_for_what_was_served_before_and_twice_is_fine(client: httpx.Client) -> None:
    make_live(client, SECOND, serve_as="adapter")
    live = make_live(client, SECOND, drain={"timeout_s": 3})
    first, again = (client.post(f"/deployments/{live['id']}/rollback") for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    back = first.json()
    assert back == again.json()
    assert (back["model"], back["serve_as"], back["rollback_of"]) == (SECOND, "adapter", live["id"])
    assert (back["status"], back["drain"]["timeout_s"]) == ("pending", 3)


def test_what_is_not_live_yet_is_withdrawn(client: httpx.Client) -> None:
    make_live(client, FIRST)
    trial = deploy(client, SECOND, STAGING, SWAPPING, TRIAL, split={})
    answer = client.post(f"/deployments/{trial['id']}/rollback")
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["status"]) == (trial["id"], "superseded")


def test_what_cannot_be_rolled_back_says_why_and_whether_to_try_again(client: httpx.Client) -> None:
    swapping = deploy(client, FIRST, STAGING, SWAPPING)
    answer = client.post(f"/deployments/{swapping['id']}/rollback")
    assert error_of(answer, 409)["code"] == "still_swapping"
    assert "x-should-retry" not in answer.headers
    with transaction() as session:
        deployments.advance(session, swapping["id"], LIVE)
    answer = client.post(f"/deployments/{swapping['id']}/rollback")
    assert "nothing to go back to" in error_of(answer, 409)["message"]
    assert answer.headers["x-should-retry"] == "false"


def test_aliases_show_what_they_serve_and_what_a_rollback_would_bring_back(client: httpx.Client) -> None:
    assert client.get("/aliases").json() == {"object": "list", "data": []}
    first, second = make_live(client, FIRST), make_live(client, SECOND)
    coming = deploy(client, SECOND, alias="chat", serve_as="adapter")
    chat, default = client.get("/aliases").json()["data"]
    assert chat == {"alias": "chat", "object": "alias", "live": None, "previous": None, "in_progress": coming}
    assert default["live"] == {
        "deployment_id": second["id"],
        "model": SECOND,
        "serve_as": "merged",
        "live_at": second["live_at"],
    }
    assert (default["previous"]["deployment_id"], default["in_progress"]) == (first["id"], None)


# ------------------------------------------------------------------ gates


def judged(passed: bool) -> Verdict:
    """The verdict of its job's gate, kept with the model."""
    verdict = Verdict.of([Condition(name="tools.stop_rate", passed=passed, text="tools.stop_rate is 0.4")])
    with transaction() as session:
        model_registry.record_gate(session, SECOND, verdict)
    return verdict


def measured(right: int) -> None:
    """A job's measurement of the model: so many of 100 rows right."""
    exact = rate([True] * right + [False] * (100 - right))
    job_id = new_job()
    measure(job_id, "chat", model=SECOND, scores={"suites": {"tools": {"function_name_and_args_accuracy": exact}}})


def test_a_model_whose_gate_failed_is_deployed_only_for_a_reason_which_is_kept(client: httpx.Client) -> None:
    verdict = judged(passed=False)
    assert client.get(f"/models/{SECOND}").json()["gate"] == verdict.model_dump(mode="json")
    refused = error_of(client.post("/deployments", json={"model": SECOND}), 409)
    assert (refused["code"], refused["param"]) == ("gate_failed", "model")
    assert (
        "does not hold what it must before it goes live: tools.stop_rate is 0.4: deploy another" in refused["message"]
    )
    assert count() == 0
    forced = client.post("/deployments", json={"model": SECOND, "force": " a demo "})
    assert (forced.status_code, forced.json()["forced"]) == (201, "a demo")
    assert forced.json()["gate"] == verdict.model_dump(mode="json")


def test_a_model_whose_gate_holds_needs_no_reason(client: httpx.Client) -> None:
    judged(passed=True)
    assert client.post("/deployments", json={"model": SECOND}).status_code == 201


@pytest.mark.parametrize(("right", "status"), [(95, 201), (80, 409)])
def test_a_gate_by_hand_is_judged_by_the_models_last_measurement(client: httpx.Client, right: int, status: int) -> None:
    measured(right)
    answer = client.post("/deployments", json={"model": SECOND, "gate": {"floors": [{"low": 0.8}]}})
    assert answer.status_code == status, answer.text
    if status == 409:
        assert answer.json()["error"]["code"] == "gate_failed"
        assert "is 0.800 over 100 rows" in answer.json()["error"]["message"]


def test_a_gate_by_hand_of_a_model_that_was_never_measured_is_refused(client: httpx.Client) -> None:
    answer = client.post("/deployments", json={"model": FIRST, "gate": {"no_regression": True}})
    assert "was never measured" in error_of(answer, 409)["message"]
    assert count() == 0


def test_a_gate_by_hand_compares_with_what_the_alias_serves(client: httpx.Client) -> None:
    make_live(client, FIRST)
    rows = [Row(f"question {number}", correct=True) for number in range(6)]
    measure(new_job(), "base", *rows, model=FIRST)
    measure(new_job(), "chat", *[replace(row, correct=False) for row in rows], model=SECOND)
    answer = client.post("/deployments", json={"model": SECOND, "gate": {"no_regression": True}})
    said = f"6 of 6 rows of tools are answered worse than by {FIRST}, which is live, and 0 better"
    assert said in error_of(answer, 409)["message"]


@pytest.mark.parametrize("force", ["", "   ", "x" * 501])
def test_a_reason_has_words_and_an_end(client: httpx.Client, force: str) -> None:
    error_of(client.post("/deployments", json={"model": SECOND, "force": force}), 422)
