"""What passes the gateway, over real sockets: unchanged but for the name, to its end, or with an error."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.inference.front import ALIAS, MODEL, Front, running_front
from tests.inference.vllm import ANSWER, EVENTS, Vllm, running_vllm
from tests.waiting import wait_until

COMPLETIONS = "/v1/chat/completions"


@pytest.fixture(scope="module")
def vllm() -> Iterator[Vllm]:
    with running_vllm() as running:
        yield running


@pytest.fixture(scope="module")
def front(vllm: Vllm) -> Iterator[Front]:
    with running_front(vllm) as running:
        yield running


def named(content: bytes, name: str = ALIAS) -> bytes:
    return content.replace(b'"model":"engine"', f'"model":"{name}"'.encode())


def code_of(answer: httpx.Response) -> str:
    [(name, error)] = answer.json().items()
    assert (name, set(error)) == ("error", {"message", "type", "param", "code"})
    return str(error["code"])


def test_only_the_models_name_changes_on_the_way_there_and_back(front: Front, vllm: Vllm) -> None:
    body = b' {"model" : "%s", "temperature":0.50,"x":{"model":"%s"},"text":"\xc3\x9f \\u00df","n":1e0}\n'
    headers = {"x-own": "2", "connection": "x-hop", "x-hop": "3", "x-request-id": "mine-1", "accept-encoding": "gzip"}
    with front.client() as client:
        answer = client.post(f"{COMPLETIONS}?a=b&c=%2F", content=body % (b"tunesmith", b"tunesmith"), headers=headers)
    seen = vllm.seen[-1]
    assert seen.body == body % (b"engine", b"tunesmith")
    assert seen.line == f"POST {COMPLETIONS}?a=b&c=%2F HTTP/1.1"
    assert (seen.headers["authorization"], seen.headers["x-own"]) == ("Bearer vllm-key", "2")
    assert (seen.headers["x-request-id"], seen.headers["accept-encoding"]) == ("mine-1", "identity")
    assert "x-hop" not in seen.headers
    assert (answer.status_code, answer.content) == (200, named(ANSWER))
    assert (answer.headers["x-odd"], answer.headers["x-request-id"]) == ("1", "mine-1")
    assert answer.headers["x-tunesmith-model-version"] == MODEL


def test_a_version_answers_under_its_own_name_on_both_paths(front: Front, vllm: Vllm) -> None:
    with front.client() as client:
        answer = client.post("/v1/completions", json={"model": MODEL}, headers={"x-request-id": "not one\t!"})
    assert vllm.seen[-1].line == "POST /v1/completions HTTP/1.1"
    assert answer.content == named(ANSWER, MODEL)
    assert answer.headers["x-request-id"].startswith("req-")


def test_a_stream_passes_as_it_comes(front: Front, vllm: Vllm) -> None:
    vllm.go_on.clear()
    with (
        front.client() as client,
        client.stream("POST", COMPLETIONS, json={"model": ALIAS, "do": "stream"}) as answer,
    ):
        chunks = answer.iter_raw()
        first = next(chunks)
        assert first == named(EVENTS[0])
        vllm.go_on.set()
        assert first + b"".join(chunks) == named(b"".join(EVENTS))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["x-tunesmith-model-version"] == MODEL


def test_connections_are_kept_and_used_again(front: Front, vllm: Vllm) -> None:
    front.post()
    before = vllm.connections
    for _ in range(5):
        front.post()
    assert vllm.connections == before


def test_an_error_of_vllm_comes_in_the_one_shape(front: Front) -> None:
    answer = front.post("refuse")
    assert (answer.status_code, code_of(answer)) == (400, "invalid_request")
    assert (answer.json()["error"]["message"], answer.json()["error"]["param"]) == ("too long", "messages")


def test_a_vllm_that_dies_before_it_answers_is_asked_once_more(front: Front, vllm: Vllm) -> None:
    assert front.post("die_once").content == named(ANSWER)
    before = len(vllm.seen)
    answer = front.post("die")
    assert (answer.status_code, code_of(answer)) == (502, "upstream_failed")
    assert len(vllm.seen) == before + 2


def test_a_stream_that_breaks_off_ends_with_an_error_event(front: Front) -> None:
    first, last = front.post("break_off").content.split(b"\n\n", 1)
    assert first + b"\n\n" == named(EVENTS[0])
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_failed"


@pytest.mark.parametrize("do", ["hang", "stall"])
def test_a_client_that_leaves_ends_the_generation(front: Front, vllm: Vllm, do: str) -> None:
    before = vllm.left
    with front.client() as client, pytest.raises(httpx.ReadTimeout):
        client.post(COMPLETIONS, json={"model": ALIAS, "do": do}, timeout=0.2)
    wait_until(lambda: vllm.left == before + 1)
    wait_until(lambda: front.inside == 0)


def test_a_client_that_leaves_behind_the_gate_leaves_its_place(front: Front) -> None:
    front.in_loop(lambda: front.gate.close("a swap"))
    try:
        with front.client() as client, pytest.raises(httpx.ReadTimeout):
            client.post(COMPLETIONS, json={"model": ALIAS}, timeout=0.2)
        wait_until(lambda: front.waiting == 0)
    finally:
        front.in_loop(front.gate.open)


def test_a_request_waits_while_the_model_changes(front: Front) -> None:
    front.in_loop(lambda: front.gate.close("a swap"))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(front.post)
        wait_until(lambda: front.waiting == 1)
        assert front.inside == 0
        front.in_loop(front.gate.open)
        assert answer.result(10).status_code == 200


def test_what_is_no_request_for_a_model_is_refused(front: Front) -> None:
    unknown = front.post(model="gpt-9")
    assert (unknown.status_code, code_of(unknown)) == (404, "model_not_found")
    with front.client() as client:
        nothing = client.post(COMPLETIONS, content=b"[]")
        assert (nothing.status_code, code_of(nothing)) == (422, "invalid_request")
        for method, path in (("POST", "/v1/swap/rollback"), ("GET", COMPLETIONS), ("POST", "/v1/embeddings")):
            answer = client.request(method, path)
            assert (answer.status_code, code_of(answer)) == (404, "not_found")
            assert f"{method} {path} does not exist here: there are POST" in answer.json()["error"]["message"]


def test_a_time_limit_before_the_answer_is_a_504(vllm: Vllm) -> None:
    before = vllm.left
    with running_front(vllm, request_timeout_s=0.1) as front:
        answer = front.post("hang")
        assert (answer.status_code, code_of(answer)) == (504, "time_limit")
        wait_until(lambda: vllm.left == before + 1)


@pytest.mark.parametrize(("do", "events"), [("stall", named(EVENTS[0])), ("stall_at_once", b"")])
def test_a_time_limit_within_a_stream_ends_it_with_an_error_event(vllm: Vllm, do: str, events: bytes) -> None:
    with running_front(vllm, request_timeout_s=0.2) as front:
        content = front.post(do).content
    assert content.startswith(events)
    last = content.removeprefix(events)
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "time_limit"


def test_a_stopping_gateway_finishes_streams_and_turns_away_those_that_wait() -> None:
    with running_vllm() as vllm, running_front(vllm) as front, ThreadPoolExecutor() as pool:
        stream = pool.submit(front.post, "stream")
        wait_until(lambda: vllm.seen)
        front.in_loop(lambda: front.gate.close("a swap"))
        waiter = pool.submit(front.post)
        wait_until(lambda: front.waiting == 1)
        front.server.should_exit = True
        assert (waiter.result(10).status_code, waiter.result().headers["retry-after"]) == (503, "5")
        vllm.go_on.set()
        assert stream.result(10).content == named(b"".join(EVENTS))


def test_a_stream_that_outlasts_the_shutdown_ends_with_an_error_event() -> None:
    with running_vllm() as vllm, ThreadPoolExecutor() as pool:
        with running_front(vllm, shutdown_timeout_s=0) as front:
            stream = pool.submit(front.post, "stall")
            wait_until(lambda: vllm.seen)
        assert b'"code": "not_serving"' in stream.result(10).content


def test_streams_do_not_disturb_each_other(front: Front, vllm: Vllm) -> None:
    vllm.go_on.set()
    barrier = threading.Barrier(16)

    def ask(number: int) -> bytes:
        barrier.wait(10)
        return front.post("stream" if number % 2 else "answer").content

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(16)))
    assert set(answers[1::2]) == {named(b"".join(EVENTS))}
    assert set(answers[::2]) == {named(ANSWER)}
