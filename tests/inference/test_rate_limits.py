"""Limits of keys and projects at the gateway, as clients of OpenAI's API know them."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from core import keys, projects
from core.access import Scope
from core.db import transaction
from tests.conftest import Services
from tests.inference.front import ALIAS, Front, running_front
from tests.inference.vllm import running_vllm
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def front(services: Services) -> Iterator[Front]:
    with running_vllm() as vllm, running_front(vllm, follows_keys=True) as front:
        yield front


def new_key(**limits: Any) -> str:
    with transaction() as session:
        return keys.create(session, "one", [Scope.INFER], "default", **limits)[1]


def ask(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/chat/completions", json={"model": ALIAS, "do": "answer"})


def test_a_key_without_limits_is_told_of_none(front: Front) -> None:
    with front.client(new_key()) as client:
        answers = [ask(client) for _ in range(5)]
    assert {answer.status_code for answer in answers} == {200}
    assert not [name for answer in answers for name in answer.headers if name.startswith("x-ratelimit")]


def test_requests_over_the_limit_are_told_when_to_come_back(front: Front) -> None:
    with front.client(new_key(requests_per_minute=2)) as client:
        first, second, refused = (ask(client) for _ in range(3))
    assert [first.status_code, second.status_code, refused.status_code] == [200, 200, 429]
    assert first.headers["x-ratelimit-limit-requests"] == "2"
    assert (first.headers["x-ratelimit-remaining-requests"], second.headers["x-ratelimit-remaining-requests"]) == (
        "1",
        "0",
    )
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert 1 <= int(refused.headers["retry-after"]) <= 30
    error = refused.json()["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")


def test_tokens_are_counted_by_what_answers_tell(front: Front) -> None:
    with front.client(new_key(tokens_per_minute=1)) as client:
        first, refused = ask(client), ask(client)
    assert (first.status_code, refused.status_code) == (200, 429)
    assert "tokens a minute" in refused.json()["error"]["message"]


def test_all_keys_of_a_project_share_its_limit(front: Front) -> None:
    with transaction() as session:
        projects.change(session, "default", {"requests_per_minute": 3})
    try:
        with front.client(new_key()) as one, front.client(new_key()) as other:
            wait_until(lambda: "x-ratelimit-limit-requests" in ask(one).headers, 5)
            answers = [ask(each).status_code for each in (one, other, one, other)]
        assert 429 in answers
        assert answers[-1] == 429
    finally:
        with transaction() as session:
            projects.change(session, "default", {"requests_per_minute": None})
