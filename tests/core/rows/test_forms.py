"""What the forms have beside plain conversations: older keys, other spellings, padding, Python's type names."""

import json
from typing import Any

import pytest

from core.rows import Row, RowError, convert
from core.rows.forms.openai import read_openai
from core.rows.tools import tools

USER = {"role": "user", "content": "Weather?"}
WEATHER = {"name": "get_weather", "description": "", "parameters": {"type": "object", "properties": {"city": {}}}}
MAIL = {"name": "send_mail", "description": "", "parameters": {"type": "object", "properties": {}}}


def wire_call(arguments: Any, id_: str = "c1", name: str = "get_weather") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def calls(row: Row) -> list[dict[str, Any]]:
    return [call["function"] for message in row.messages for call in message.get("tool_calls", [])]


def openai(*messages: dict[str, Any]) -> Row:
    return convert({"messages": [USER, *messages], "tools": [WEATHER, MAIL]}, "openai")


def test_openais_older_form_is_read() -> None:
    called = {"role": "assistant", "content": None, "function_call": {"name": "get_weather", "arguments": "{}"}}
    result = {"role": "function", "name": "get_weather", "content": "rain"}
    row = convert({"messages": [USER, called, result], "functions": [WEATHER]}, "openai")
    assert row.tools == [{"type": "function", "function": WEATHER}]
    assert calls(row) == [{"name": "get_weather", "arguments": {}}]
    assert row.messages[2] == {"role": "tool", "content": "rain", "name": "get_weather"}


def test_a_developer_is_the_system() -> None:
    row = convert({"messages": [{"role": "developer", "content": "Be kind."}, USER]}, "openai")
    assert row.messages[0] == {"role": "system", "content": "Be kind."}


def test_a_refusal_is_what_the_assistant_says() -> None:
    assert openai({"role": "assistant", "content": None, "refusal": "No."}).messages[1]["content"] == "No."


@pytest.mark.parametrize("empty", [None, "", "{}", {}])
def test_a_call_may_be_without_arguments(empty: Any) -> None:
    assert calls(openai({"role": "assistant", "content": None, "tool_calls": [wire_call(empty)]}))[0]["arguments"] == {}


def test_a_null_argument_stays_where_its_tool_declares_it_and_is_padding_where_not() -> None:
    row = openai({"role": "assistant", "tool_calls": [wire_call({"city": None, "to": None})]})
    assert calls(row)[0]["arguments"] == {"city": None}


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0])
def test_a_weight_is_kept_as_0_or_1(value: float) -> None:
    weight = openai({"role": "assistant", "content": "Rain.", "weight": value}).messages[1]["weight"]
    assert (weight, type(weight)) == (int(value), int)


def test_the_weight_0_of_a_question_says_nothing() -> None:
    row = convert({"messages": [{**USER, "weight": 0}, {"role": "assistant", "content": "Rain."}]}, "openai")
    assert row.messages[0] == USER


def test_results_without_ids_belong_to_the_calls_in_turn() -> None:
    answer = {"role": "assistant", "tool_calls": [wire_call("{}", "c1"), wire_call("{}", "c2", "send_mail")]}
    results = [{"role": "tool", "content": "sent", "tool_call_id": "c2"}, {"role": "tool", "content": "rain"}]
    assert [message["content"] for message in openai(answer, *results).messages[2:]] == ["rain", "sent"]


def test_what_gpt_says_before_its_call_is_one_answer_with_it() -> None:
    value = json.dumps([{"name": "get_weather", "arguments": {"city": c}} for c in ("Oslo", "Rome")])
    turns = [("human", "Weather?"), ("gpt", "I look."), ("function_call", value), ("observation", "rain, sun")]
    row = convert(
        {"conversations": [{"from": a, "value": b} for a, b in turns], "tools": json.dumps([WEATHER])}, "sharegpt"
    )
    assert [message["role"] for message in row.messages] == ["user", "assistant", "tool"]
    assert row.messages[1]["content"] == "I look."
    assert [call["arguments"]["city"] for call in calls(row)] == ["Oslo", "Rome"]


def test_a_call_that_is_learned_is_not_joined_to_words_that_are_not() -> None:
    call = json.dumps({"name": "get_weather", "arguments": {}})
    turns = [
        {"from": "human", "value": "Weather?"},
        {"from": "gpt", "value": "I look.", "weight": 0},
        {"from": "function_call", "value": call},
    ]
    row = convert({"conversations": turns, "tools": json.dumps([WEATHER])}, "sharegpt")
    assert [message.get("weight") for message in row.messages] == [None, 0, None]


def test_a_tool_that_is_given_twice_is_kept_once() -> None:
    assert len(tools([WEATHER, MAIL, WEATHER], "tools")) == 2


def test_nulls_in_a_schema_are_padding_but_where_they_mean_something() -> None:
    city = {"type": "string", "enum": None, "default": None, "description": None}
    parameters = {"type": "object", "properties": {"city": city, "to": None}, "required": None}
    (tool,) = tools([{"name": "f", "parameters": parameters}], "tools")
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {"city": {"type": "string", "default": None}},
    }


def test_pythons_type_names_within_a_schema_become_json_schemas() -> None:
    parameters = {
        "type": "dict",
        "properties": {
            "at": {"type": "tuple", "items": {"type": "float"}},
            "any": {"type": "any", "description": "d"},
            "either": {"type": ["string", "null"]},
            "type": {"type": "string"},
        },
    }
    (tool,) = tools([{"name": "f", "parameters": parameters}], "tools")
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "at": {"type": "array", "items": {"type": "number"}},
            "any": {"description": "d"},
            "either": {"type": ["string", "null"]},
            "type": {"type": "string"},
        },
    }


@pytest.mark.parametrize(
    "given", [None, {}, {"type": "object"}, {"properties": {}}, {"type": "object", "properties": {}, "required": []}]
)
def test_a_tool_may_be_without_parameters(given: Any) -> None:
    (tool,) = tools([{"name": "f", "parameters": given}], "tools")
    assert tool["function"]["parameters"]["type"] == "object"


def test_xlams_schema_that_is_one_already_stays() -> None:
    (tool,) = tools(json.dumps([WEATHER]), "tools", flat=True)
    assert tool["function"] == WEATHER


def test_an_xlam_parameter_may_be_called_type_or_properties() -> None:
    flat = {"type": {"type": "str"}, "properties": {"type": "Dict[str, int], optional"}}
    (tool,) = tools([{"name": "f", "parameters": flat}], "tools", flat=True)
    assert tool["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "type": {"type": "string"},
            "properties": {"type": "object", "additionalProperties": {"type": "integer"}},
        },
        "required": ["type"],
    }


def test_a_row_of_another_form_is_told_which() -> None:
    with pytest.raises(RowError) as error:
        convert({"query": "a", "answers": "[]"}, "openai")
    assert str(error.value) == (
        "is not in openai form: it has no messages; it is in xlam form: put rows of one form into one file"
    )


def test_a_reader_names_the_field_as_the_row_has_it() -> None:
    with pytest.raises(RowError) as error:
        read_openai({"messages": [USER, {"role": "assistant", "function_call": {"name": "f", "arguments": "["}}]})
    assert error.value.field == "messages[1].function_call.arguments"
