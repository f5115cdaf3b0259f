"""Rows that end with the answer that is expected are questions, whatever form they come in."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import raw_rows
from core.spec import SuiteSpec
from core.suites import Question, read_suite

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {}}}}}


def openai_row(*calls: dict[str, Any], reply: str = "", question: str = "Do it.", **more: Any) -> dict[str, Any]:
    last: dict[str, Any] = {"role": "assistant", "content": reply}
    if calls:
        last["tool_calls"] = [{"function": call} for call in calls]
    return {"messages": [{"role": "user", "content": question}, last], "tools": [TOOL], **more}


def read(folder: Path, *rows: dict[str, Any], accepted: Path | None = None, **spec: Any) -> list[Question]:
    path = folder / "suite.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_suite(SuiteSpec(source=path.name, **spec), raw_rows(path), path.name, accepted).questions


CALL = {"name": "f", "arguments": {"x": 1}}


def test_the_last_message_is_what_is_expected(tmp_path: Path) -> None:
    call, words, tagged = read(
        tmp_path, openai_row(CALL), openai_row(reply="No."), openai_row(CALL, kind="hard", question="And now?")
    )
    assert [message["role"] for message in call.messages] == ["user"]
    assert (call.kind, words.kind, tagged.kind) == ("call", "no_call", "hard")
    assert (call.expected[0].arguments, words.expected) == ({"x": [1]}, ())
    assert (tagged.text, tagged.tool_names, tagged.origin) == ("And now?", ["f"], "suite.jsonl, row 3")


def test_other_forms_of_rows_are_read_too(tmp_path: Path) -> None:
    tools = json.dumps([{"name": "f", "description": "", "parameters": {"x": {"type": "int"}}}])
    [question] = read(tmp_path, {"query": "Do it.", "answers": json.dumps([CALL]), "tools": tools})
    assert question.expected[0].shown() == {"name": "f", "arguments": {"x": [1]}, "optional": []}


def test_the_same_question_with_the_same_tools_has_the_same_key(tmp_path: Path) -> None:
    first, same, other, no_tools = read(
        tmp_path,
        openai_row(CALL),
        openai_row(reply="Otherwise.", kind="k"),
        openai_row(CALL, question="Do that."),
        openai_row(reply="No.", tools=[]),
    )
    assert first.key == same.key
    assert len({first.key, other.key, no_tools.key}) == 3


def test_only_so_many_rows_are_read_as_the_suite_says(tmp_path: Path) -> None:
    assert len(read(tmp_path, *[openai_row(CALL)] * 5, {"broken": 1}, rows=3)) == 3


def test_a_row_that_does_not_end_with_an_answer_is_refused(tmp_path: Path) -> None:
    bad = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}] * 2}
    bad["messages"] = bad["messages"][:-1]
    with pytest.raises(BadData, match=r"row 2: messages: end with a user message"):
        read(tmp_path, openai_row(CALL), bad)


def test_an_empty_suite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"suite\.jsonl holds no rows"):
        read(tmp_path)


def test_accepted_answers_beside_rows_that_hold_their_own_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"suite\.jsonl is no BFCL file") as refused:
        read(tmp_path, openai_row(CALL), accepted=tmp_path / "accepted.jsonl")
    assert refused.value.param == "accepted"
