"""Rows of every known form become one internal form, and errors name file, row and field."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import convert, detect_format, read_rows, scan
from core.rows.python_types import to_json_schema, type_schema

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"

XLAM = {
    "id": 0,
    "query": "Weather in Oslo?",
    "answers": '[{"name": "get_weather", "arguments": {"city": "Oslo"}}]',
    "tools": '[{"name": "get_weather", "description": "Get it.", "parameters": {"city": {"type": "str", "description":'
    ' "the city"}, "days": {"type": "int, optional", "description": "how many", "default": 3}}}]',
}
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Oslo"}}}


@pytest.mark.parametrize(
    ("row", "form"),
    [
        ({"messages": [], "prompt": "p", "prompt_id": "i"}, "ultrachat"),
        ({"messages": []}, "openai"),
        (XLAM, "xlam"),
        ({"conversations": [], "tools": "[]"}, "sharegpt"),
        ({"instruction": "i", "input": "", "output": "o"}, "alpaca"),
    ],
)
def test_form_is_detected(row: dict[str, Any], form: str) -> None:
    assert detect_format(row) == form


def test_xlam_strings_become_calls_and_json_schema() -> None:
    row = convert(XLAM, "xlam")
    assert row.messages == [
        {"role": "user", "content": "Weather in Oslo?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
    ]
    assert row.tools is not None
    assert row.tools[0]["function"]["parameters"] == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "the city"},
            "days": {"type": "integer", "description": "how many", "default": 3},
        },
        "required": ["city"],
    }


@pytest.mark.parametrize(
    ("name", "schema", "optional"),
    [
        ("str", {"type": "string"}, False),
        ("int, optional", {"type": "integer"}, True),
        ("float", {"type": "number"}, False),
        ("bool", {"type": "boolean"}, False),
        ("list", {"type": "array"}, False),
        ("dict", {"type": "object"}, False),
        ("List[int]", {"type": "array", "items": {"type": "integer"}}, False),
        ("List[str], optional", {"type": "array", "items": {"type": "string"}}, True),
        ("Dict[str, Any]", {"type": "object", "additionalProperties": {}}, False),
        ("Tuple[int, int]", {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "integer"}]}, False),
        ("Optional[str]", {"type": "string"}, True),
        ("set", {"type": "array", "uniqueItems": True}, False),
        ("Union[int, float]", {"anyOf": [{"type": "integer"}, {"type": "number"}]}, False),
        ("no such type!", {}, False),
    ],
)
def test_python_type_names_become_json_schema(name: str, schema: dict[str, Any], optional: bool) -> None:
    assert type_schema(name) == (schema, optional)


def test_parameters_are_required_unless_optional() -> None:
    assert to_json_schema({"a": {"type": "str"}, "b": {"type": "str, optional"}})["required"] == ["a"]


def test_openai_arguments_are_parsed_from_their_json_string() -> None:
    function = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}]},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": function}]},
    ]
    row = convert({"messages": messages, "tools": [{"name": "get_weather"}]}, "openai")
    assert row.messages[0]["content"] == "Weather?"
    assert row.messages[1]["tool_calls"] == [CALL]


def test_white_space_before_an_answer_is_dropped() -> None:
    row = convert({"instruction": "Add.", "output": "\n\n 2\n"}, "alpaca")
    assert row.messages[1]["content"] == "2\n"


def test_alpaca_input_follows_the_instruction() -> None:
    row = convert({"instruction": "Add.", "input": "1 + 1", "output": "2"}, "alpaca")
    assert row.messages == [{"role": "user", "content": "Add.\n\n1 + 1"}, {"role": "assistant", "content": "2"}]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "row 2: is not valid JSON"),
        ("[1]", "row 2: is a list, not an object"),
        ('{"what": 1}', "row 2: is not in openai form"),
        ('{"messages": []}', "row 2: messages: must be a list with at least one entry"),
        ('{"messages": [{"role": "boss", "content": "x"}]}', r"row 2: messages\[0\].role: must be one of"),
        ('{"messages": [{"role": "user", "content": 5}]}', r"row 2: messages\[0\].content: must be text"),
        ('{"messages": [{"role": "assistant", "content": "x"}]}', r"row 2: messages\[0\]: the assistant speaks first"),
        (
            '{"messages": [{"role": "user", "content": "x", "tool_calls": 1}]}',
            r"row 2: messages\[0\]\.tool_calls: must be a list, not a number",
        ),
    ],
)
def test_broken_rows_are_named(tmp_path: Path, line: str, problem: str) -> None:
    good = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(good) + "\n" + line + "\n")
    with pytest.raises(BadData, match=rf"rows\.jsonl, {problem}"):
        list(read_rows(path))


def test_a_row_that_is_not_utf_8_is_named(tmp_path: Path) -> None:
    row = '{"instruction": "Grüße.", "output": "2"}\n'
    path = tmp_path / "rows.jsonl"
    path.write_bytes(row.encode("utf-8-sig") + row.encode("latin-1"))
    with pytest.raises(BadData, match=r"rows\.jsonl, row 2: is not UTF-8 text: convert the file first"):
        list(read_rows(path))


def test_a_row_knows_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = json.dumps({"instruction": "Add.", "output": "2"})
    path.write_text(f"{row}\n\n{row}\n")
    assert [row.origin for row in read_rows(path)] == ["rows.jsonl, row 1", "rows.jsonl, row 3"]


def test_rows_beyond_the_limit_are_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"instruction": "Add.", "output": "2"}) + "\n{broken\n")
    assert len(list(read_rows(path, limit=1))) == 1


def test_rows_that_are_all_masked_are_refused(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0}]
    path = tmp_path / "masked.jsonl"
    path.write_text(json.dumps({"messages": messages}) + "\n")
    with pytest.raises(BadData, match="none of its 1 rows has an assistant message to train on"):
        scan(path)


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the folder with real public rows is not here")
@pytest.mark.parametrize(("name", "rows"), [("glaive_toolcall_300.json", 300), ("alpaca_1000.json", 999)])
def test_real_public_rows_all_convert(name: str, rows: int) -> None:
    assert scan(SHARED_DATA / name).trainable == rows
