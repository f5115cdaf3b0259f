"""Messages as clients send them, and calls as the model writes them."""

import pytest

from worker.stages.wire import wire, written_calls

CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
WRITTEN = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>'


def test_arguments_are_text_and_results_are_tied_to_their_calls() -> None:
    sent = wire(
        [
            {"role": "user", "content": "Weather?", "weight": 1},
            {"role": "assistant", "content": "", "tool_calls": [CALL, CALL]},
            {"role": "tool", "content": "sunny"},
            {"role": "tool", "content": "rainy"},
        ]
    )
    assert sent[0] == {"role": "user", "content": "Weather?"}
    calls = sent[1]["tool_calls"]
    assert calls[0]["function"] == {"name": "get_weather", "arguments": '{"city": "Paris"}'}
    assert [message["tool_call_id"] for message in sent[2:]] == [call["id"] for call in calls]


def test_well_formed_calls_are_read() -> None:
    assert written_calls("Hello!") == []
    assert written_calls(WRITTEN) == [{"name": "get_weather", "arguments": {"city": "Paris"}}]
    assert written_calls(f"{WRITTEN}\n{WRITTEN}<|im_end|>") == 2 * written_calls(WRITTEN)  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        WRITTEN.replace("</tool_call>", ""),
        WRITTEN.replace('"}}', '"}'),
        WRITTEN.replace('{"city": "Paris"}', '"Paris"'),
        WRITTEN.replace('"name"', '"nom"'),
        "<tool_call>7</tool_call>",
        WRITTEN + "<tool_call>",
    ],
)
def test_one_that_is_not_makes_the_answer_none(text: str) -> None:
    assert written_calls(text) is None
