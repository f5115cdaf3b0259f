"""Nothing is lost: a conversation written in any form, and read back, is the same conversation."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rows import Row, RowError, convert, convert_chunk, detect_format
from tests.core.rows.conversations import VALUE, rows
from tests.core.rows.wire_forms import as_alpaca, as_openai, as_sharegpt, as_ultrachat, as_xlam

FORMS: dict[str, Callable[[Row], dict[str, Any]]] = {
    "openai": as_openai,
    "ultrachat": as_ultrachat,
    "sharegpt": as_sharegpt,
    "alpaca": as_alpaca,
    "xlam": as_xlam,
}


def read_back(row: dict[str, Any], form: str) -> Row:
    """The row as the only one of a JSONL file; it must be good."""
    assert detect_format(row) == form
    converted = convert_chunk([(1, json.dumps(row).encode())], "file", form)
    assert not converted.problems
    return converted.rows[0]


@settings(max_examples=60, deadline=None)
@given(row=rows())
@pytest.mark.parametrize("form", ["openai", "ultrachat", "sharegpt"])
def test_any_conversation_comes_back_from(form: str, row: Row) -> None:
    assert read_back(FORMS[form](row), form) == row


@settings(max_examples=60, deadline=None)
@given(row=rows(with_tools=False, weights=False))
def test_a_chat_comes_back_from_alpaca(row: Row) -> None:
    assert read_back(as_alpaca(row), "alpaca") == row


@settings(max_examples=60, deadline=None)
@given(row=rows(most_exchanges=1, weights=False))
def test_a_question_and_its_calls_come_back_from_xlam(row: Row) -> None:
    said = [message for message in row.messages if message["role"] in ("user", "assistant")][:2]
    assert read_back(as_xlam(row), "xlam") == Row(said, row.tools)


@settings(max_examples=40, deadline=None)
@given(row=rows(), data=st.data())
def test_results_in_any_order_are_tied_to_their_calls_by_id(row: Row, data: st.DataObject) -> None:
    wire = as_openai(row)
    messages = wire["messages"]
    for start, message in enumerate(messages):
        if calls := message.get("tool_calls"):
            results = slice(start + 1, start + 1 + len(calls))
            messages[results] = data.draw(st.permutations(messages[results]))
    assert read_back(wire, "openai") == row


@settings(max_examples=60, deadline=None)
@given(several=st.lists(rows(), min_size=1, max_size=4))
@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_conversations_come_back_from_arrow_which_pads_them_with_nulls(form: str, several: list[Row]) -> None:
    wire = [FORMS[form](row) for row in several]
    for row in wire:
        if not isinstance(row.setdefault("tools", None), str):
            row["tools"] = json.dumps(row["tools"])  # schemas differ too much for one struct
    padded = pa.Table.from_pylist(wire).to_pylist()
    converted = convert_chunk(list(enumerate(padded, 1)), "file", form)
    assert not converted.problems
    assert converted.rows == several


@settings(max_examples=60, deadline=None)
@given(row=rows(), data=st.data())
@pytest.mark.parametrize("form", FORMS)
def test_whatever_stands_in_a_field_the_row_is_read_or_refused(form: str, row: Row, data: st.DataObject) -> None:
    chat = Row([message for message in row.messages if message["role"] != "tool" and "tool_calls" not in message], None)
    wire = FORMS[form](chat if form == "alpaca" else row)
    damage(wire, data)
    with suppress(RowError):
        assert convert(wire, form).messages


def damage(value: Any, data: st.DataObject) -> None:
    """Put anything in place of something, somewhere within; strings of JSON are damaged inside."""
    key = data.draw(st.sampled_from(list(value) if isinstance(value, dict) else range(len(value))))
    inner = value[key]
    if isinstance(inner, str) and inner[:1] in ("[", "{") and data.draw(st.booleans()):
        try:
            inner = json.loads(inner)
        except ValueError:
            return
        if inner:
            damage(inner, data)
        value[key] = json.dumps(inner)
    elif isinstance(inner, dict | list) and inner and data.draw(st.booleans()):
        damage(inner, data)
    elif data.draw(st.booleans()):
        value[key] = data.draw(VALUE)
    else:
        del value[key]
