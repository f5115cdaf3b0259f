"""The real gateway in front of a real vLLM: requests, swaps under load, refusals, and kill -9 of everything."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from sqlalchemy import select

from core import deployments, keys
from core.access import Scope
from core.db import transaction
from core.models import Deployment
from core.states import DeploymentStatus
from tests.core.sessions import new_job
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, alive, ask_for, deploy, kill
from tests.inference.traffic import Streams, greedy_all
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
Json = dict[str, Any]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def test_a_chat_with_tools_is_answered_under_the_name_that_was_asked_for(gateway: Gateway) -> None:
    body = {"model": ALIAS, "messages": [{"role": "user", "content": "Weather in Oslo?"}], "tools": [WEATHER]}
    answer = gateway.post("/v1/chat/completions", {**body, "max_tokens": 8}, **{"x-request-id": "mine-1"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["model"] == ALIAS
    assert answer.headers["x-tunesmith-model-version"] == "tiny-base"
    assert answer.headers["x-request-id"] == "mine-1"
    by_version = gateway.post("/v1/chat/completions", {**body, "max_tokens": 2, "model": "tiny-base"})
    assert by_version.json()["model"] == "tiny-base"


CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": "Weather in Oslo?"}], "max_tokens": 6}
OBJECT = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"], "additionalProperties": False}
STRUCTURED = {"type": "json_schema", "json_schema": {"name": "answer", "schema": OBJECT}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {**CHAT, "tools": [WEATHER], "tool_choice": "auto"}),
        ("chat/completions", {**CHAT, "tools": [WEATHER], "tool_choice": "required", "max_tokens": 40}),
        ("chat/completions", {**CHAT, "logprobs": True, "top_logprobs": 3, "n": 2}),
        ("chat/completions", {**CHAT, "stream": True, "stream_options": {"include_usage": True}, "n": 2}),
        ("chat/completions", {**CHAT, "max_tokens": 30, "response_format": STRUCTURED}),
        ("chat/completions", {**CHAT, "max_tokens": -1}),
        ("completions", {"prompt": [[5, 6, 7], [8, 9]], "max_tokens": 3, "logprobs": 2, "echo": True}),
        ("completions", {"prompt": 'say "model":"engine"', "max_tokens": 3, "prompt_logprobs": 1}),
        ("completions", {"prompt": "x", "max_tokens": 4, "stream": True, "logprobs": 1, "seed": 7, "temperature": 1.0}),
    ],
)
def test_all_that_vllm_answers_passes_unchanged_but_for_the_name(gateway: Gateway, path: str, body: Json) -> None:
    ours = gateway.post(f"/v1/{path}", {"temperature": 0, **body, "model": ALIAS})
    theirs = gateway.ask_vllm(f"/v1/{path}", {"temperature": 0, **body, "model": "engine"})
    assert ours.status_code == theirs.status_code
    if theirs.status_code == 200:
        assert ours.headers["content-type"] == theirs.headers["content-type"]
        assert joined(events(ours)) == joined(events(theirs))
        assert {event["model"] for event in events(ours)} == {ALIAS}
    else:
        assert ours.json()["error"]["message"] == theirs.json()["error"]["message"]


def events(answer: httpx.Response) -> list[Json]:
    """The events of a stream, or the one body."""
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return [answer.json()]
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def joined(found: list[Json]) -> list[Json]:
    """Without what is another one each time.  On a busy machine one event of a stream has the tokens of several."""
    if len(found) == 1:
        kept = {key: value for key, value in found[0].items() if key not in ("id", "created", "model")}
        whole: Json = json.loads(re.sub(r'"chatcmpl-tool-[0-9a-f]+"', '"call"', json.dumps(kept)))
        return [whole]
    choices: dict[int, Json] = {}
    usages = [event["usage"] for event in found if event.get("usage")]
    for part in (choice for event in found for choice in event["choices"]):
        whole = choices.setdefault(part["index"], {"text": "", "tokens": [], "logprobs": [], "ended": []})
        whole["text"] += part.get("text") or part.get("delta", {}).get("content") or ""
        whole["tokens"] += (part.get("logprobs") or {}).get("tokens", [])
        whole["logprobs"] += (part.get("logprobs") or {}).get("token_logprobs", [])
        whole["ended"] += [part["finish_reason"]] if part["finish_reason"] else []
    return [*(choices[index] for index in sorted(choices)), *usages]


def test_a_stream_carries_the_name_in_every_event(gateway: Gateway) -> None:
    body = {"model": ALIAS, "prompt": 'say "model":"engine"', "max_tokens": 8, "stream": True}
    answer = gateway.post("/v1/completions", body)
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    assert events[-1] == "[DONE]"
    assert {json.loads(event)["model"] for event in events[:-1]} == {ALIAS}


def test_the_list_names_the_alias_and_the_live_model(gateway: Gateway) -> None:
    assert gateway.model_ids() == [ALIAS, "tiny-base"]


def test_the_live_model_is_known_to_its_projects_keys_alone(gateway: Gateway) -> None:
    listed = {}
    for project in ("default", "team-b"):
        with transaction() as session:
            _, secret = keys.create(session, "one", [Scope.INFER], project)
        headers = {"authorization": f"Bearer {secret}"}
        listed[project] = {one["id"] for one in httpx.get(f"{gateway.url}/v1/models", headers=headers).json()["data"]}
    assert listed == {"default": {ALIAS, "tiny-base"}, "team-b": set()}


def test_refusals_have_one_shape(gateway: Gateway) -> None:
    unknown = gateway.post("/v1/completions", {"model": "gpt-9", "prompt": "x"})
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    bad = gateway.post("/v1/completions", {"model": ALIAS, "prompt": "x", "max_tokens": -1})
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_request")
    large = gateway.post("/v1/completions", {"model": ALIAS, "prompt": "x" * 1_100_000})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")
    internal = gateway.post("/v1/swap/rollback", {})
    assert (internal.status_code, internal.json()["error"]["code"]) == (404, "not_found")
    stranger = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong", max_retries=0)
    with stranger, pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_broken_checkpoints_are_refused_while_serving_goes_on(gateway: Gateway, models: Path) -> None:
    before = greedy_all(gateway)
    with Streams().running(gateway, 2) as streams:
        for name, (make, reason) in {**checkpoints.BROKEN, "link": checkpoints.LINKED_OUT}.items():
            deployment = deploy(f"broken-{name}", make(models / f"broken-{name}"))
            assert deployment.status == "failed", name
            assert reason in str(deployment.error), (name, deployment.error)
            assert "gated_s" not in (deployment.timings or {}), name
        streams.wait_for_more(2)
    assert streams.failures == []
    assert greedy_all(gateway) == before


def test_a_model_that_is_withdrawn_while_it_is_staged_does_not_go_live(gateway: Gateway, models: Path) -> None:
    before, job_id = greedy_all(gateway), new_job()
    deployment_id = ask_for("ft:withdrawn", checkpoints.successor(models / "withdrawn", seed=2), job_id)
    query = select(Deployment.id).where(Deployment.id == deployment_id, Deployment.status == DeploymentStatus.STAGING)
    with transaction() as session:
        wait_until(lambda: session.scalar(query.with_for_update()), 30, 0.002)
        deployments.withdraw(session, job_id)
    wait_until(lambda: f"deployment.withdrawn deployment_id={deployment_id}" in gateway.log(), 30)
    with transaction() as session:
        assert deployments.get(session, deployment_id).status == DeploymentStatus.SUPERSEDED
    assert gateway.model_ids() == [ALIAS, "tiny-base"]
    assert greedy_all(gateway) == before


def test_a_swap_under_load_fails_no_request_and_serves_what_a_fresh_server_would(
    gateway: Gateway, models: Path
) -> None:
    """The second half is where stale prefix caches, a stale tied head and stale stop tokens would show."""
    base = greedy_all(gateway)
    new = checkpoints.successor(models / "successor", seed=1)
    checkpoints.set_json(new / "generation_config.json", eos_token_id=[2, 1])
    with Streams().running(gateway, 4) as streams:
        deployment = deploy("ft:successor", new)
        streams.wait_for_more(4)
    assert (deployment.status, deployment.strategy) == ("live", "swap"), deployment.error
    assert deployment.timings is not None
    print("swap under 4 streams:", deployment.timings, "answers:", len(streams.answers))
    assert streams.failures == []
    swapped = greedy_all(gateway)
    assert swapped != base

    orphans = gateway.vllm_pids()
    assert len(orphans) >= 2
    gateway.kill()
    wait_until(lambda: not any(alive(pid) for pid in orphans), 10)
    gateway.start()
    assert greedy_all(gateway) == swapped, "what a fresh vLLM answers differs from what the swapped one did"
    assert gateway.model_ids() == [ALIAS, "ft:successor"]


def test_vllm_killed_comes_back_while_requests_wait(gateway: Gateway) -> None:
    before = greedy_all(gateway)
    for pid in gateway.vllm_pids()[:1]:
        kill(pid)
    assert greedy_all(gateway) == before


def test_an_orderly_stop_leaves_no_process(gateway: Gateway) -> None:
    pids = gateway.vllm_pids()
    gateway.stop()
    assert not [pid for pid in pids if alive(pid)]
