"""Rows of one exchange each, joined to conversations."""

from pathlib import Path
from typing import Any

from core.rows import Row, joined, scan

WEATHER: list[dict[str, Any]] = [{"type": "function", "function": {"name": "get_weather"}}]
SUMS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "calculate"}}]


def row(text: str, tools: list[dict[str, Any]] | None = None, system: str = "") -> Row:
    said = [{"role": "user", "content": text}, {"role": "assistant", "content": text.upper()}]
    return Row([{"role": "system", "content": system}, *said] if system else said, tools, origin=text)


def asked(rows: list[Row]) -> list[list[str]]:
    """What each conversation's user says."""
    return [[m["content"] for m in one.messages if m["role"] == "user"] for one in rows]


def test_rows_that_offer_the_same_tools_become_one_conversation() -> None:
    rows = [row("a", WEATHER), row("b", WEATHER), row("c", SUMS), row("d", WEATHER)]
    found = list(joined(rows, 4))
    assert asked(found) == [["a", "b"], ["c"], ["d"]]
    assert [one.tools for one in found] == [WEATHER, SUMS, WEATHER]
    assert [one.origin for one in found] == ["a", "c", "d"]


def test_a_conversation_holds_as_many_rows_as_are_wanted() -> None:
    rows = [row(name) for name in "abcde"]
    assert asked(list(joined(rows, 2))) == [["a", "b"], ["c", "d"], ["e"]]


def test_one_row_a_conversation_leaves_them_as_they_are() -> None:
    rows = [row("a"), row("b")]
    assert list(joined(rows, 1)) == rows


def test_a_system_message_begins_a_conversation() -> None:
    rows = [row("a", system="Be kind."), row("b"), row("c", system="Be brief.")]
    assert asked(list(joined(rows, 4))) == [["a", "b"], ["c"]]


def test_a_scan_counts_conversations(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    line = '{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
    file.write_text(line * 7)
    assert (scan(file).trainable, scan(file, join_rows=3).trainable) == (7, 3)
