"""Calls are found in plain text in every form in which models write them, and nowhere else."""

from typing import Any

import pytest

from tests.worker.questions import tool
from worker.stages.accepted import Call
from worker.stages.lenient import calls_in_text

TOOLS = [tool(unit={"type": "string"}), tool("math.sum", (), numbers={"type": "array"})]
OSLO: Call = ("get_weather", {"city": "Oslo"})

FORMS = [
    '{"name": "get_weather", "arguments": {"city": "Oslo"}}',
    '{"name": "get_weather", "parameters": {"city": "Oslo"}}',
    '{"name": "get_weather", "arguments": "{\\"city\\": \\"Oslo\\"}"}',
    '{"function": "get_weather", "args": {"city": "Oslo"}}',
    '{"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}',
    '{"tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}]}',
    '[{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
    '{"get_weather": {"city": "Oslo"}}',
    '{"name": "get_weather", "city": "Oslo"}',
    "{'name': 'get_weather', 'arguments': {'city': 'Oslo'}}",
    'Sure! ```json\n{"name": "get_weather",\n "arguments": {"city": "Oslo"}}\n``` Anything else?',
    '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>',
    '<function=get_weather>{"city": "Oslo"}</function>',
    "get_weather(city='Oslo')",
    'I will call get_weather( city = "Oslo" ) now.',
    '[get_weather(city="Oslo")]',
    '```python\nget_weather("Oslo")\n```',
    'Action: {"action": "get_weather", "action_input": {"city": "Oslo"}}',
]


@pytest.mark.parametrize("text", FORMS)
def test_a_call_is_read_in_every_common_form(text: str) -> None:
    assert calls_in_text(text, TOOLS) == [OSLO]


def test_several_calls_are_read_in_order() -> None:
    text = '{"name": "get_weather", "arguments": {"city": "Oslo"}} and {"name": "get_weather", "arguments": {}}'
    assert calls_in_text(text, TOOLS) == [OSLO, ("get_weather", {})]
    assert calls_in_text('[get_weather(city="Oslo"), math.sum(numbers=[1, 2])]', TOOLS) == [
        OSLO,
        ("math.sum", {"numbers": [1, 2]}),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "There is no tool for that.",
        'print("Oslo")',
        '{"name": "open_door", "arguments": {}}',
        "get_weather",
        "get_weather(city=Oslo)",
        "get_weather(",
        "forget_weather('Oslo')",
        "other.get_weather('Oslo')",
        "get_weather('Oslo', 'celsius', 'too many')",
        '{"city": "Oslo"}',
        '{"name": "get_weather", "arguments": {"city": "Os',
    ],
)
def test_what_is_no_call_of_an_offered_function_is_left_alone(text: str) -> None:
    assert calls_in_text(text, TOOLS) == []


def test_arguments_that_are_no_object_stay_as_they_are() -> None:
    assert calls_in_text('{"name": "get_weather", "arguments": "Oslo"}', TOOLS) == [("get_weather", "Oslo")]


@pytest.mark.parametrize("text", ["[" * 30_000, "{" * 30_000, "get_weather(" * 3_000, '{"a":' * 5_000, "([{" * 9_000])
def test_what_a_model_repeats_without_end_is_read_in_bounded_time(text: str) -> None:
    assert calls_in_text(text, TOOLS) == []


def test_without_tools_nothing_is_a_call() -> None:
    no_tools: list[dict[str, Any]] = []
    assert calls_in_text(FORMS[0], no_tools) == []
