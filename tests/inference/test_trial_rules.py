"""The rules by which a model on trial takes all requests or none."""

import json
from typing import Any

import pytest

from core.spec import SplitSpec
from inference.calls import faults
from inference.gate import Gate
from inference.routes import Target
from inference.trial import Trial


class Vllm:
    """Where a target points to; nobody is asked here."""

    base_url, api_key = "http://127.0.0.1:1", "key"

    def __init__(self) -> None:
        self.gate = Gate(1)


BACKEND = Vllm()
OLD, NEW = Target("old", BACKEND, "engine"), Target("new", BACKEND, "new@1")
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {}, "unit": {}}, "required": ["city"]},
    },
}
REQUEST = json.dumps({"model": "x", "messages": [], "tools": [TOOL]}).encode()


def trial(**rules: Any) -> Trial:
    return Trial("tunesmith", OLD, NEW, SplitSpec(**{"min_requests": 50, **rules}))


def seen(found: Trial, target: Target, answers: int, errors: int = 0, first_token_s: float = 0.1) -> None:
    for number in range(answers):
        found.record(target, number < errors, first_token_s)


def answered(content: str | None = None, *calls: tuple[str, str]) -> bytes:
    called = [{"function": {"name": name, "arguments": arguments}} for name, arguments in calls]
    return json.dumps({"choices": [{"message": {"content": content, "tool_calls": called or None}}]}).encode()


def test_a_share_of_the_requests_goes_to_the_new_model() -> None:
    picks = [trial(percent=30).pick() for _ in range(2000)]
    assert 0.25 < picks.count(NEW) / len(picks) < 0.35


def test_it_is_open_until_enough_answers_were_seen() -> None:
    found = trial()
    seen(found, OLD, 500)
    seen(found, NEW, 49)
    assert found.verdict() is None
    seen(found, NEW, 1)
    verdict = found.verdict()
    assert verdict is not None
    assert verdict.accepted


def test_time_ends_it_with_what_there_is() -> None:
    verdict = trial(max_s=1e-9).verdict()
    assert verdict is not None
    assert verdict.accepted
    assert "0 answers" in verdict.reason


def test_more_errors_than_the_old_model_end_it_at_once() -> None:
    found = trial(max_error_rate=0.1)
    seen(found, OLD, 100, errors=5)
    seen(found, NEW, 10, errors=2)
    assert found.verdict() is None, "two errors may be anybody's"
    seen(found, NEW, 1, errors=1)
    verdict = found.verdict()
    assert verdict is not None
    assert not verdict.accepted
    assert "3 of its 11 answers were errors (27.3%; the old model's: 5.0%)" in verdict.reason


def test_errors_that_the_old_model_has_as_well_do_not_count() -> None:
    found = trial(max_error_rate=0.1)
    seen(found, OLD, 100, errors=30)
    seen(found, NEW, 50, errors=15)
    verdict = found.verdict()
    assert verdict is not None
    assert verdict.accepted


def test_a_slower_first_token_ends_it_once_all_answers_are_there() -> None:
    found = trial(max_latency_ratio=1.5)
    seen(found, OLD, 100, first_token_s=0.1)
    seen(found, NEW, 49, first_token_s=0.2)
    assert found.verdict() is None
    seen(found, NEW, 1, first_token_s=0.2)
    verdict = found.verdict()
    assert verdict is not None
    assert not verdict.accepted
    assert "2.00 times that of the old model" in verdict.reason


def test_bad_calls_end_it() -> None:
    found = trial(max_bad_calls=0.2, check_share=1)
    for _ in range(10):
        found.check(NEW, REQUEST, answered(None, ("get_weather", '{"city": "Oslo"}')))
    for _ in range(3):
        found.check(NEW, REQUEST, answered(None, ("get_news", "{}")))
    verdict = found.verdict()
    assert verdict is not None
    assert not verdict.accepted
    assert "3 of 13 answers" in verdict.reason
    assert "'get_news' was not offered" in verdict.reason
    assert found.shown()["new"]["bad_calls"] == 3


def test_only_answers_of_the_new_model_to_requests_with_tools_are_looked_into() -> None:
    found = trial(check_share=1)
    assert found.wants(NEW, offers_tools=True)
    assert not found.wants(NEW, offers_tools=False)
    assert not found.wants(OLD, offers_tools=True)


def test_an_answer_that_cannot_be_read_counts_for_nothing() -> None:
    found = trial()
    found.check(NEW, REQUEST, b'{"choices": [')
    assert found.shown()["new"]["checked"] == 0


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (answered("No tool fits."), None),
        (answered(None, ("get_weather", '{"city": "Oslo", "unit": "K"}')), None),
        (answered(None, ("get_news", "{}")), "'get_news' was not offered"),
        (answered(None, ("get_weather", '{"city": ')), "get_weather: the arguments are no JSON"),
        (answered(None, ("get_weather", '["Oslo"]')), "get_weather: the arguments are no JSON object"),
        (answered(None, ("get_weather", "{}")), "get_weather: city"),
        (answered(None, ("get_weather", '{"city": "Oslo", "day": 1}')), "get_weather: day"),
        (answered('<tool_call>{"name": '), "a call that cannot be read"),
    ],
)
def test_a_call_must_be_of_an_offered_function_with_its_parameters(answer: bytes, fault: str | None) -> None:
    assert faults(REQUEST, answer) == ([] if fault is None else [fault])


def test_the_parts_of_a_stream_make_one_call() -> None:
    parts: list[dict[str, Any]] = [
        {"tool_calls": [{"index": 0, "function": {"name": "get_weather", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"city": '}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '"Oslo"}'}}]},
        {"tool_calls": [{"index": 1, "function": {"name": "get_news", "arguments": "{}"}}]},
    ]
    events = [f"data: {json.dumps({'choices': [{'index': 0, 'delta': part}]})}\n\n" for part in parts]
    assert faults(REQUEST, "".join([*events, "data: [DONE]\n\n"]).encode()) == ["'get_news' was not offered"]
