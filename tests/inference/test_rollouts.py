"""How a model takes the place of another when it cannot be swapped in at once, and what happens when it is not sane."""

import threading
from pathlib import Path

import pytest

from core.spec import DeploySpec, DrainSpec
from core.states import DeploymentStatus
from tests.inference import checkpoints
from tests.inference.gateway import ALIAS, Gateway, ask_for, deploy, ended, register, status_of
from tests.inference.traffic import PROMPTS, Streams, greedy_all
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
LONG_TOKENS = 2000
"""Some seconds of generation: still going on when a deployment that is asked for meanwhile has to wait for it."""


class LongAnswer:
    """A stream that runs while something else happens; what it was answered, and by which version."""

    def __init__(self, gateway: Gateway) -> None:
        self.chunks: list[str] = []
        self.version = ""
        self.reasons: list[str] = []
        self._gateway = gateway
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        wait_until(lambda: self.chunks, 60)

    def _run(self) -> None:
        with self._gateway.client as client:
            answer = client.completions.with_raw_response.create(
                model=ALIAS,
                prompt="Once upon a time",
                max_tokens=LONG_TOKENS,
                temperature=0,
                stream=True,
                extra_body={"ignore_eos": True},
            )
            self.version = answer.headers["x-tunesmith-model-version"]
            for chunk in answer.parse():
                self.chunks.append(chunk.choices[0].text)
                if chunk.choices[0].finish_reason is not None:
                    self.reasons.append(chunk.choices[0].finish_reason)

    def end(self) -> str:
        """All of it."""
        self._thread.join(120)
        assert self.reasons == ["length"]
        return "".join(self.chunks)


def draining(on_timeout: str) -> DeploySpec:
    return DeploySpec(drain=DrainSpec.model_validate({"timeout_s": 0.2, "on_timeout": on_timeout}))


def test_a_model_that_does_not_reproduce_its_log_probabilities_never_answers(gateway: Gateway, models: Path) -> None:
    before = greedy_all(gateway)
    canary = {"sequences": [{"token_ids": [5, 6, 7, 8], "logprobs": [-0.1, -0.1, -0.1]}], "max_mean_difference": 0.05}
    path = checkpoints.successor(models / "stale", seed=3)
    register("ft:stale", path, canary=canary)
    with Streams().running(gateway, 2) as streams:
        deployment = deploy("ft:stale", path)
        streams.wait_for_more(2)
    assert deployment.status == "failed"
    assert "log-probabilities differ" in str(deployment.error)
    assert deployment.timings is not None
    assert "rollback_s" in deployment.timings
    assert streams.failures == []
    assert greedy_all(gateway) == before


def test_a_model_that_calls_no_function_where_it_must_never_answers(gateway: Gateway, models: Path) -> None:
    before = greedy_all(gateway)
    tool = {"type": "function", "function": {"name": "now", "parameters": {"type": "object", "properties": {}}}}
    row = {"messages": [{"role": "user", "content": "What time is it?"}], "tools": [tool]}
    path = checkpoints.successor(models / "silent", seed=4)
    register("ft:silent", path, canary={"calls": [row]})
    deployment = deploy("ft:silent", path)
    assert deployment.status == "failed"
    assert "a function call: 'What time is it?' was answered" in str(deployment.error)
    assert greedy_all(gateway) == before


def test_a_deployment_that_must_not_wait_fails_and_holds_nobody_up(gateway: Gateway, models: Path) -> None:
    path = checkpoints.successor(models / "hasty", seed=5)
    answer = LongAnswer(gateway)
    deployment = deploy("ft:hasty", path, how=draining("fail"))
    assert deployment.status == "failed"
    assert "answers were still running after 0.2 s" in str(deployment.error)
    assert answer.version == "tiny-base"
    answer.end()


def test_old_answers_end_on_the_old_weights_while_a_second_vllm_answers(gateway: Gateway, models: Path) -> None:
    """The old stream ends as it would have alone, and so none of it comes from the new weights."""
    path = checkpoints.successor(models / "beside", seed=6)
    alone = LongAnswer(gateway).end()
    answers = [LongAnswer(gateway) for _ in range(2)]
    deployment = deploy("ft:beside", path, how=draining("blue_green"))
    assert (deployment.status, deployment.strategy) == ("live", "blue_green"), deployment.error
    assert "answers still ran after 0.2 s" in str(deployment.reason)
    assert "GiB are free" in str(deployment.reason)
    assert greedy_all(gateway)
    for answer in answers:
        assert answer.version == "tiny-base"
        assert answer.end() == alone


def test_a_swap_that_waits_takes_as_long_as_the_longest_answer(gateway: Gateway, models: Path) -> None:
    path = checkpoints.successor(models / "patient", seed=7)
    answer = LongAnswer(gateway)
    deployment_id = ask_for("ft:patient", path, how=draining("wait"))
    wait_until(lambda: status_of(deployment_id) == DeploymentStatus.SWAPPING, 60)
    waiting = threading.Thread(target=greedy_all, args=(gateway,))
    waiting.start()
    answer.end()
    deployment = ended(deployment_id)
    waiting.join(60)
    assert (deployment.status, deployment.strategy) == ("live", "swap"), deployment.error
    assert answer.version == "ft:beside"
    assert deployment.timings is not None
    assert deployment.timings["drain_s"] > 0.2


def test_another_template_takes_over_beside_the_old_one(gateway: Gateway, models: Path) -> None:
    with Streams().running(gateway, 2) as streams:
        deployment = deploy("ft:template", checkpoints.with_another_template(models / "template"))
        streams.wait_for_more(2)
    assert (deployment.status, deployment.strategy) == ("live", "blue_green"), deployment.error
    assert "chat_template.jinja" in str(deployment.reason)
    assert streams.failures == []
    wait_until(lambda: len(gateway.vllm_parents()) == 1, 30)


def test_without_room_for_a_second_one_vllm_restarts_behind_the_gate(gateway: Gateway, models: Path) -> None:
    before = greedy_all(gateway)
    gateway.stop()
    gateway.start(TUNESMITH_SECOND_VLLM="never")
    assert greedy_all(gateway) == before
    with Streams().running(gateway, 2) as streams:
        back = deploy("tiny-base", checkpoints.BASE)
        streams.wait_for_more(2)
    assert (back.status, back.strategy) == ("live", "restart"), back.error
    assert "TUNESMITH_SECOND_VLLM is never" in str(back.reason)
    assert streams.failures == []
    assert len(greedy_all(gateway)) == len(PROMPTS)
