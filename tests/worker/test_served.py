"""Rows are rendered in the form into which vLLM brings the same request; tests/inference/test_parity.py asks vLLM."""

from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from core.rows import Row
from worker.stages.render import prompt_ids
from worker.stages.served import served_messages, served_tools

SCHEMA = {"type": "object", "properties": {}}
ASKS: dict[str, Any] = {"role": "user", "content": "Do it"}


def names_and_null(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "description": None, "parameters": None, **function}}


@pytest.mark.parametrize(
    ("function", "served"),
    [
        ({"parameters": SCHEMA, "name": "f"}, names_and_null(parameters=SCHEMA)),
        ({"name": "f", "returns": SCHEMA}, names_and_null()),
        ({"strict": True, "name": "f"}, names_and_null(strict=True)),
        ({"name": "f", "strict": None}, names_and_null()),
    ],
)
def test_a_tool_has_three_fields_in_order(function: dict[str, Any], served: dict[str, Any]) -> None:
    [found] = served_tools([{"function": function, "type": "function"}]) or []
    assert list(found) == ["type", "function"]
    assert list(found["function"].items()) == list(served["function"].items())


def test_no_tools_are_none() -> None:
    assert served_tools([]) is served_tools(None) is None


def test_a_developer_speaks_as_the_system_where_the_template_knows_no_developer() -> None:
    said = [{"role": "system", "content": "A"}, ASKS, {"role": "developer", "content": "B"}, ASKS]
    assert served_messages(said, "{{ messages }}") == [{"role": "system", "content": "A\n\nB"}, ASKS, ASKS]
    assert served_messages(said, "{% if message.role == 'developer' %}") == said


def test_without_a_developer_system_messages_stay_where_they_are() -> None:
    said = [ASKS, {"role": "system", "content": "A"}]
    assert served_messages(said, "{{ messages }}") == said


def test_a_tool_that_is_written_differently_is_prompted_alike(tokenizer: PreTrainedTokenizerFast) -> None:
    one = {"type": "function", "function": {"name": "f", "description": None, "parameters": SCHEMA}}
    other = {"function": {"parameters": SCHEMA, "name": "f", "x-owner": "me"}, "type": "function"}
    assert prompt_ids(tokenizer, Row([ASKS], [one]), 1) == prompt_ids(tokenizer, Row([ASKS], [other]), 1)
