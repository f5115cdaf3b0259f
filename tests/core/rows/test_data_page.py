"""The page on data shows, for each form, a row and what becomes of it: it does."""

import json
import re
from pathlib import Path

import pytest

from core.rows import convert, detect_format
from core.rows.limits import ROW_BYTES, UNPACKED_BYTES, UNPACKED_FREE_BYTES, UNPACKED_RATIO
from core.rows.problems import KEPT_ROWS, LISTED_ROWS
from core.rows.strict_json import MAX_DEPTH

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"### (\w+)\n(?:(?!###).)*?```json\n(.*?)```\n\nbecomes\n\n```json\n(.*?)```", re.DOTALL)


def test_every_form_has_an_example() -> None:
    assert [form for form, _, _ in EXAMPLE.findall(PAGE)] == ["openai", "ultrachat", "xlam", "sharegpt", "alpaca"]


@pytest.mark.parametrize(("form", "row", "becomes"), EXAMPLE.findall(PAGE))
def test_the_example_becomes_what_is_shown(form: str, row: str, becomes: str) -> None:
    wire = json.loads(row)
    assert detect_format(wire) == form
    converted = convert(wire, form)
    assert {"messages": converted.messages, "tools": converted.tools} == json.loads(becomes)


def test_the_limits_are_those_of_the_code() -> None:
    for value in (
        f"{ROW_BYTES:,} bytes",
        f"{MAX_DEPTH} levels",
        f"{UNPACKED_RATIO} times",
        f"{UNPACKED_BYTES // 10**9} GB",
        f"{UNPACKED_FREE_BYTES // 10**6} MB",
        f"first {LISTED_ROWS} bad rows",
        f"{KEPT_ROWS:,} bad rows",
    ):
        assert value in PAGE, value
