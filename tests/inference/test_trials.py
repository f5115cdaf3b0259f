"""A trial sees every answer to an alias that it holds: whose it was, whether it failed, and what it said."""

from collections.abc import Callable, Iterator

import httpx
import pytest

from core.evaluation_traffic import EVALUATION_HEADER
from inference.routes import Target
from tests.inference.front import ALIAS, MODEL, running_front
from tests.inference.vllm import ANSWER, EVENTS, Vllm, running_vllm
from tests.waiting import wait_until


class Recorded:
    """A trial that notes what it is told."""

    def __init__(self, target: Target) -> None:
        self.old = self.new = target
        self.records: list[tuple[str, bool, bool]] = []
        self.checks: list[tuple[bytes, bytes]] = []

    def pick(self) -> Target:
        return self.new

    def wants(self, target: Target, offers_tools: bool) -> bool:
        return offers_tools

    def record(self, target: Target, is_error: bool, first_token_s: float | None) -> None:
        self.records.append((target.model_id, is_error, first_token_s is not None))

    def check(self, target: Target, request: bytes, answer: bytes) -> None:
        self.checks.append((request, answer))


def recorded_in(trials: list[Recorded]) -> Callable[[Target], Recorded]:
    def try_out(target: Target) -> Recorded:
        trials.append(Recorded(target))
        return trials[-1]

    return try_out


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    with running_vllm() as running:
        running.go_on.set()
        yield running


def test_answers_and_failures_are_recorded(vllm: Vllm) -> None:
    trials: list[Recorded] = []
    with running_front(vllm, recorded_in(trials), request_timeout_s=2) as front:
        for do in ("answer", "stream", "refuse", "break_off", "die_once", "hang"):
            front.post(do)
        front.post(model=MODEL)  # Not by the alias, so not of the trial.
        with front.client() as client, pytest.raises(httpx.ReadTimeout):
            client.post("/v1/completions", json={"model": ALIAS, "do": "hang"}, timeout=0.1)
        wait_until(lambda: front.inside == 0)
    fine, failed = (MODEL, False, False), (MODEL, True, False)
    streamed, broke_off = (MODEL, False, True), (MODEL, True, True)
    # The one that died was asked twice; a client that left is no failure of the model's.
    assert trials[0].records == [fine, streamed, fine, broke_off, failed, fine, failed]


def test_answers_that_it_wants_are_kept_as_the_client_saw_them(vllm: Vllm) -> None:
    trials: list[Recorded] = []
    with running_front(vllm, recorded_in(trials)) as front:
        front.post("answer", tools=[{"type": "function"}])
        front.post("stream", tools=[{"type": "function"}])
        front.post("refuse", tools=[{"type": "function"}])
        front.post("answer")
    answers = [answer for _, answer in trials[0].checks]
    assert answers == [one.replace(b'"model":"engine"', b'"model":"tunesmith"') for one in (ANSWER, b"".join(EVENTS))]
    assert all(b'"tools"' in request for request, _ in trials[0].checks)


def test_an_evaluation_is_not_seen_by_a_trial(vllm: Vllm) -> None:
    trials: list[Recorded] = []
    with running_front(vllm, recorded_in(trials)) as front, front.client() as client:
        for do in ("answer", "stream", "die", "die_once"):
            body = {"model": ALIAS, "do": do, "tools": [{"type": "function"}], "n": 7}
            client.post("/v1/chat/completions", json=body, headers={EVALUATION_HEADER: "1"})
        front.post("answer")
    assert (len(trials[0].records), trials[0].checks) == (1, [])
