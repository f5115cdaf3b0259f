"""What is counted, as Prometheus reads it."""

from collections.abc import Iterator

import httpx
import pytest
from pydantic import SecretStr

from core.evaluation_traffic import EVALUATION_HEADER
from inference.metrics import Metrics
from inference.usage import Tokens, tokens_in
from tests.inference.front import ALIAS, KEY, MODEL, Front, running_front
from tests.inference.vllm import Vllm, running_vllm
from tests.waiting import wait_until

PATH = "/v1/chat/completions"


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    with running_vllm() as running:
        running.go_on.set()
        yield running


@pytest.fixture
def front(vllm: Vllm) -> Iterator[Front]:
    with running_front(vllm) as running:
        yield running


def test_requests_count_by_version_path_and_status(front: Front) -> None:
    for do in ("answer", "stream", "refuse"):
        front.post(do)
    front.post(model="gpt-9")
    assert front.metric(f'tunesmith_requests_total{{model="{MODEL}",path="{PATH}",status="200"}}') == 2
    assert front.metric(f'tunesmith_requests_total{{model="{MODEL}",path="{PATH}",status="400"}}') == 1
    assert front.metric(f'tunesmith_requests_total{{model="",path="{PATH}",status="404"}}') == 1
    assert front.metric('tunesmith_refused_total{code="model_not_found"}') == 1


def test_tokens_are_counted_of_whole_answers_and_of_streams(front: Front) -> None:
    front.post("answer")
    front.post("stream")
    assert front.metric(f'tunesmith_tokens_total{{kind="prompt",model="{MODEL}"}}') == 40
    assert front.metric(f'tunesmith_tokens_total{{kind="completion",model="{MODEL}"}}') == 6


def test_a_streams_first_token_and_the_time_of_each_are_measured(front: Front) -> None:
    front.post("answer")
    assert front.metric(f'tunesmith_first_token_seconds_count{{model="{MODEL}"}}') == 0
    front.post("stream")
    assert front.metric(f'tunesmith_first_token_seconds_count{{model="{MODEL}"}}') == 1
    assert front.metric(f'tunesmith_token_seconds_count{{model="{MODEL}"}}') == 1
    assert front.metric(f'tunesmith_request_seconds_count{{model="{MODEL}"}}') == 2


def test_a_stream_that_broke_off_counts_as_the_gateways_refusal(front: Front) -> None:
    front.post("break_off")
    assert front.metric('tunesmith_refused_total{code="upstream_failed"}') == 1


def test_a_client_that_left_counts_as_499(front: Front) -> None:
    for do in ("hang", "stall"):
        with front.client() as client, pytest.raises(httpx.ReadTimeout):
            client.post(PATH, json={"model": ALIAS, "do": do}, timeout=0.2)
    left = f'tunesmith_requests_total{{model="{MODEL}",path="{PATH}",status="499"}}'
    wait_until(lambda: front.metric(left) == 2)


def evaluated(front: Front, do: str, key: str = KEY) -> None:
    with front.client(key) as client:
        client.post(PATH, json={"model": ALIAS, "do": do}, headers={EVALUATION_HEADER: "1"})


def test_what_an_evaluation_asks_is_counted_apart_and_in_nothing_else(front: Front) -> None:
    evaluated(front, "answer")
    evaluated(front, "stream")
    labels = f'model="{MODEL}",path="{PATH}",status="200"'
    assert front.metric(f"tunesmith_evaluation_requests_total{{{labels}}}") == 2
    assert front.metric(f'tunesmith_evaluation_tokens_total{{kind="prompt",model="{MODEL}"}}') == 40
    assert front.metric(f"tunesmith_requests_total{{{labels}}}") == 0
    assert front.metric(f'tunesmith_tokens_total{{kind="prompt",model="{MODEL}"}}') == 0
    for name in ("first_token", "token", "request"):
        assert front.metric(f'tunesmith_{name}_seconds_count{{model="{MODEL}"}}') == 0


def test_a_users_key_makes_no_request_an_evaluations(vllm: Vllm) -> None:
    with running_front(vllm, inference_keys=SecretStr("users-key")) as front:
        evaluated(front, "answer", key="users-key")
        labels = f'model="{MODEL}",path="{PATH}",status="200"'
        assert front.metric(f"tunesmith_requests_total{{{labels}}}") == 1
        assert front.metric(f"tunesmith_evaluation_requests_total{{{labels}}}") == 0


def test_changes_of_what_is_served_are_counted() -> None:
    metrics = Metrics()
    metrics.deployment("swap", "live", 0.8)
    metrics.deployment(None, "withdrawn", 0.1)
    page = metrics.page().decode()
    assert 'tunesmith_deployments_total{outcome="live",strategy="swap"} 1.0' in page
    assert 'tunesmith_deployment_seconds_bucket{le="1.0",strategy="swap"} 1.0' in page
    assert 'tunesmith_deployments_total{outcome="withdrawn",strategy="none"} 1.0' in page


@pytest.mark.parametrize(
    ("tail", "tokens"),
    [
        (b'"usage":{"prompt_tokens":7,"total_tokens":9,"completion_tokens":2,"prompt_tokens_details":null}}', (7, 2)),
        (b'"usage":{"prompt_tokens":7,"total_tokens":7}}', (7, 0)),
        (
            b'"usage":{"prompt_tokens":7,"completion_tokens":1},"usage":{"prompt_tokens":7,"completion_tokens":2}',
            (7, 2),
        ),
        (b'{"content":"\\"usage\\":{\\"prompt_tokens\\":7}"}', None),
        (b'"usage":null', None),
        (b'"usage":{"prompt', None),
        (b"", None),
    ],
)
def test_the_last_usage_counts(tail: bytes, tokens: tuple[int, int] | None) -> None:
    assert tokens_in(tail) == (Tokens(*tokens) if tokens else None)
