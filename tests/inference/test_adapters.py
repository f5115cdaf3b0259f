"""Several versions at once: LoRA adapters beside the served base, and trials on a share of an alias's requests."""

from pathlib import Path

import pytest

from core import deployments, model_registry
from core.db import transaction
from core.models import Deployment
from core.spec import DeploySpec, SplitSpec
from core.states import DeploymentStatus
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, deploy, ended, kill, register
from tests.inference.questions import STAGE, calling, trained_on
from tests.inference.traffic import PROMPTS, Streams, greedy, greedy_all
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ADAPTER = DeploySpec(serve_as="adapter")
RANK = 8


def known(model_id: str, path: Path, rank: int = RANK) -> None:
    register(model_id, path, base_id="tiny-base", adapter_rank=rank)


def tried(percent: int, min_requests: int) -> DeploySpec:
    return DeploySpec(serve_as="adapter", split=SplitSpec(percent=percent, min_requests=min_requests))


def ask(model_id: str, alias: str, how: DeploySpec) -> str:
    with transaction() as session:
        return deployments.request(session, alias, model_id, how=how).id


def read(deployment_id: str) -> Deployment:
    with transaction() as session:
        return deployments.get(session, deployment_id)


def version_of(gateway: Gateway, model: str) -> str:
    answer = gateway.post("/v1/completions", {"model": model, "prompt": "x", "max_tokens": 1})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-tunesmith-model-version"]


def test_base_and_two_adapters_answer_side_by_side(gateway: Gateway, models: Path) -> None:
    base = greedy_all(gateway)
    for name, seed in (("chat", 11), ("tools", 12)):
        path = checkpoints.with_adapter(models / name, seed, RANK)
        checkpoints.set_json(path / "generation_config.json", eos_token_id=[2, 0])
        known(f"ft:{name}", path)
    with Streams().running(gateway, 2) as streams:
        chat = deploy("ft:chat", models / "chat", alias="chat", how=ADAPTER)
        tools = deploy("ft:tools", models / "tools", alias="tools", how=ADAPTER)
        streams.wait_for_more(2)
    assert streams.failures == []
    assert (chat.status, chat.strategy) == ("live", "blue_green"), chat.error
    assert "started without adapters" in str(chat.reason)
    assert (tools.status, tools.strategy) == ("live", "adapter"), tools.error
    assert greedy_all(gateway) == base
    answers = {name: greedy_all(gateway, name) for name in ("chat", "tools", "ft:chat", "ft:tools", "tiny-base")}
    assert answers["chat"] == answers["ft:chat"]
    assert answers["tiny-base"] == base
    assert base != answers["chat"] != answers["tools"] != base
    assert gateway.model_ids() == [
        *("chat", "tools", ALIAS),
        *("ft:chat", "ft:tools", "tiny-base"),
    ]


def test_an_adapter_ends_its_answers_where_its_merged_model_does(gateway: Gateway) -> None:
    """The base stops on token 0 alone; the stop ids of what is loaded hold for all."""
    with gateway.client as client:
        answer = client.completions.create(
            model="tools", prompt="x", max_tokens=4, temperature=0, extra_body={"allowed_token_ids": [2]}
        )
    assert answer.choices[0].finish_reason == "stop"


def test_an_adapter_is_compared_with_what_it_was_trained_on_before_it_goes_live(gateway: Gateway, models: Path) -> None:
    for name, row in (("readable", calling(x="1")), ("unreadable", calling(x="</tool_call>"))):
        path = checkpoints.with_adapter(models / name, 15, RANK)
        checkpoints.set_json(path / "generation_config.json", eos_token_id=[2, 0])
        register(f"ft:{name}", path, base_id="tiny-base", adapter_rank=RANK, made_by=(trained_on(row), STAGE))
    good = deploy("ft:readable", models / "readable", alias="compared", how=ADAPTER)
    assert (good.status, good.strategy) == ("live", "adapter"), good.error
    bad = deploy("ft:unreadable", models / "unreadable", alias="compared", how=ADAPTER)
    assert bad.status == "failed"
    assert "vLLM's parser reads the calls []" in str(bad.error)
    assert version_of(gateway, "compared") == "ft:readable"
    with transaction() as session:
        record = model_registry.parity_of(session, "ft:readable")
    assert record is not None
    assert (record.equal, record.end_ids, record.stop_ids) == (1, [2], [0, 2])


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nan", "NaN"),
        ("shape", "as the served model needs"),
        ("module", "has no model.layers.99"),
        ("empty", "missing"),
    ],
)
def test_a_broken_adapter_is_refused_while_serving_goes_on(
    gateway: Gateway, models: Path, name: str, reason: str
) -> None:
    path = checkpoints.with_broken_adapter(models / f"adapter-{name}", name, RANK)
    known(f"ft:{name}", path)
    before = greedy_all(gateway, "tools")
    deployment = deploy(f"ft:{name}", path, alias="broken", how=ADAPTER)
    assert deployment.status == "failed"
    assert reason in str(deployment.error)
    assert greedy_all(gateway, "tools") == before


def test_a_trial_that_breaks_no_rule_takes_all_requests(gateway: Gateway, models: Path) -> None:
    deployment_id = ask("ft:chat", "tools", tried(percent=50, min_requests=6))
    wait_until(lambda: read(deployment_id).status == DeploymentStatus.TRIAL, 60)
    seen = set()
    while read(deployment_id).status == DeploymentStatus.TRIAL:
        seen.add(version_of(gateway, "tools"))
    deployment = ended(deployment_id)
    assert deployment.status == "live", deployment.error
    assert seen == {"ft:chat", "ft:tools"}
    trial = deployment.trial
    assert trial is not None
    assert trial["accepted"]
    assert trial["new"]["requests"] >= 6
    assert {version_of(gateway, "tools") for _ in range(4)} == {"ft:chat"}


def test_a_trial_that_a_user_ends_leaves_the_old_model(gateway: Gateway, models: Path) -> None:
    deployment_id = ask("ft:tools", "tools", tried(percent=50, min_requests=10_000))
    wait_until(lambda: version_of(gateway, "tools") == "ft:tools", 60)
    with transaction() as session:
        deployments.advance(session, deployment_id, DeploymentStatus.SUPERSEDED)
    wait_until(lambda: f"guest.withdrawn deployment_id={deployment_id}" in gateway.log(), 30)
    wait_until(lambda: {version_of(gateway, "tools") for _ in range(8)} == {"ft:chat"}, 30)


def test_a_merged_model_is_tried_beside_the_old_one_and_given_up_when_its_vllm_dies(
    gateway: Gateway, models: Path
) -> None:
    before, first = greedy_all(gateway), set(gateway.vllm_parents())
    path = checkpoints.successor(models / "tried", seed=13)
    register("ft:tried", path)
    split = DeploySpec(split=SplitSpec(percent=50, min_requests=10_000))
    deployment_id = ask("ft:tried", ALIAS, split)
    wait_until(lambda: read(deployment_id).status == DeploymentStatus.TRIAL, 120)
    wait_until(lambda: version_of(gateway, ALIAS) == "ft:tried", 60)
    (second,) = set(gateway.vllm_parents()) - first
    kill(second)
    deployment = ended(deployment_id)
    assert deployment.status == "failed"
    assert "ended by itself" in str(deployment.error)
    assert greedy_all(gateway) == before


def test_a_gateway_that_was_killed_comes_back_with_every_adapter(gateway: Gateway) -> None:
    names = (ALIAS, "chat", "tools")
    before = {name: greedy_all(gateway, name) for name in names}
    gateway.kill()
    gateway.start()
    assert {name: greedy_all(gateway, name) for name in names} == before


def test_other_weights_take_the_adapters_away(gateway: Gateway, models: Path) -> None:
    deployment = deploy("ft:other", checkpoints.successor(models / "other", seed=14))
    assert (deployment.status, deployment.strategy) == ("live", "swap"), deployment.error
    assert len(greedy(gateway, PROMPTS[0])) > 0
    gone = gateway.post("/v1/completions", {"model": "chat", "prompt": "x", "max_tokens": 1})
    assert (gone.status_code, gone.json()["error"]["code"]) == (404, "model_not_found")
