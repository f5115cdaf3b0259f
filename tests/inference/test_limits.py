"""Who is let in and how far: keys, places, sizes, tokens, choices."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from core.errors import TooManyRequests
from inference.limits import LONGEST_RETRY_S, UNKNOWN_RETRY_S, Admission
from tests.inference.front import ALIAS, KEY, Front, running_front
from tests.inference.vllm import running_vllm
from tests.waiting import wait_until

LIMIT = 1000


@pytest.fixture(scope="module")
def front() -> Iterator[Front]:
    limits: dict[str, Any] = {"max_requests": 2, "max_answer_tokens": 100, "max_choices": 4}
    keys = SecretStr("one, two")
    with running_vllm() as vllm, running_front(vllm, inference_keys=keys, max_body_bytes=LIMIT, **limits) as running:
        yield running


@pytest.mark.parametrize("key", [KEY, "one", "two"])
def test_each_key_opens_the_inference_paths(front: Front, key: str) -> None:
    with front.client(key) as client:
        assert client.get("/v1/models").json()["data"][0]["id"] == ALIAS
        assert client.post("/v1/completions", json={"model": ALIAS}).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Bearer", "Basic b25l", "Bearer one, two", "ß"])
@pytest.mark.parametrize("path", ["/v1/completions", "/v1/models", "/v1/nothing", "/metrics"])
def test_nothing_is_told_without_a_key(front: Front, path: str, header: str | None) -> None:
    headers = {} if header is None else {b"authorization": header.encode()}
    answer = httpx.request("POST" if "comp" in path else "GET", front.url + path, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_health_needs_no_key(front: Front) -> None:
    assert httpx.get(f"{front.url}/health").json()["status"] == "ok"


def test_a_request_over_the_places_is_told_when_to_come_back(front: Front) -> None:
    front.in_loop(lambda: front.gate.close("a swap"))
    with ThreadPoolExecutor() as pool:
        waiters = [pool.submit(front.post) for _ in range(2)]
        wait_until(lambda: front.waiting == 2)
        refused = front.post()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too_many_requests")
        assert refused.json()["error"]["type"] == "rate_limit_error"
        assert 1 <= int(refused.headers["retry-after"]) <= LONGEST_RETRY_S
        front.in_loop(front.gate.open)
        assert [waiter.result(10).status_code for waiter in waiters] == [200, 200]
    assert front.post().status_code == 200


def test_a_body_over_the_limit_is_refused_before_it_is_read(front: Front) -> None:
    url = urlsplit(front.url)
    head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
    declared = f"content-length: {LIMIT + 1}\r\nexpect: 100-continue\r\n\r\n"
    chunked = f"transfer-encoding: chunked\r\n\r\n{LIMIT + 1:x}\r\n" + "x" * (LIMIT + 1)
    for rest in (declared, chunked):
        with socket.create_connection((url.hostname, url.port), timeout=10) as client:
            client.sendall((head + rest).encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 413")


def test_a_body_at_the_limit_is_read(front: Front) -> None:
    with front.client() as client:
        assert client.post("/v1/completions", content=b'{"model":"tunesmith"}'.ljust(LIMIT)).status_code == 200


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ('"max_tokens": 101', "max_tokens"),
        ('"max_tokens": 9, "max_tokens": "101"', "max_tokens"),
        ('"max_completion_tokens":1e9', "max_completion_tokens"),
        ('"n":5', "n"),
        ('"m\\u0061x_tokens":101', "max_tokens"),
        ('"best_of" : 50000000000000000000000', "best_of"),
    ],
)
def test_more_than_may_be_asked_for_is_refused(front: Front, members: str, param: str) -> None:
    with front.client() as client:
        answer = client.post("/v1/completions", content=f'{{"model":"tunesmith",{members}}}')
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (422, "invalid_request", param)
    assert "at most" in error["message"]


@pytest.mark.parametrize("members", ['"max_tokens":100,"n":4', '"max_tokens":null', '"tools":[{"n":5}]', '"n":"x"'])
def test_what_may_be_asked_for_passes(front: Front, members: str) -> None:
    with front.client() as client:
        assert client.post("/v1/completions", content=f'{{"model":"tunesmith",{members}}}').status_code == 200


def test_the_promised_time_follows_how_fast_requests_end() -> None:
    now = 0.0
    admission = Admission(1, clock=lambda: now)
    for _ in range(10):
        with admission:
            now += 3
    admission.__enter__()
    # A request ended every 2.7 to 3 s, so that is how far apart the promises are.
    assert [_promise(admission) for _ in range(4)] == [3, 6, 9, 11]
    now += 3
    assert _promise(admission) == 11
    now += 1000
    assert _promise(admission) == LONGEST_RETRY_S


def test_without_experience_the_promise_is_a_guess() -> None:
    admission = Admission(1)
    with admission:
        assert _promise(admission) == UNKNOWN_RETRY_S


def _promise(admission: Admission) -> int:
    with pytest.raises(TooManyRequests) as refused, admission:
        pass
    return refused.value.retry_after_s
