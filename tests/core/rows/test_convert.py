"""Many rows at once: chunks give what one pass gives, bad rows are all told or all counted, and memory is bounded."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import (
    BadRows,
    Converted,
    RawRow,
    chunks,
    convert_all,
    convert_chunk,
    form_of,
    raw_rows,
    read_rows,
    scan,
    with_form,
)

GOOD: dict[str, Any] = {"instruction": "Add.", "output": "2"}
BAD: dict[str, Any] = {"instruction": "Add.", "output": 2}


def raw(*rows: Any) -> list[RawRow]:
    return [(number, json.dumps(row).encode()) for number, row in enumerate(rows, 1)]


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_chunks_in_any_process_give_what_one_pass_gives(tmp_path: Path) -> None:
    path = write(tmp_path, *[{**GOOD, "output": str(i)} if i % 7 else BAD for i in range(300)])
    dropped = BadRows()
    in_turn = list(read_rows(path, dropped=dropped))

    form, rows = with_form(raw_rows(path), path.name)
    found: list[Converted] = []
    for chunk in chunks(rows, 50):
        sent = pickle.loads(pickle.dumps(chunk))
        found.append(pickle.loads(pickle.dumps(convert_chunk(sent, path.name, form))))
    assert len(found) == 6
    assert [row for each in found for row in each.rows] == in_turn
    assert [row.origin for each in found for row in each.rows] == [row.origin for row in in_turn]
    assert [problem for each in found for problem in each.problems] == dropped.first
    assert (dropped.count, dropped.rows_read) == (43, 300)


def test_a_row_that_cannot_be_read_can_be_sent_to_another_process(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": "' + b"x" * 16_000_000 + b'"}')
    chunk = pickle.loads(pickle.dumps(list(raw_rows(tmp_path / "rows.jsonl"))))
    (problem,) = convert_chunk(chunk, "rows.jsonl", "alpaca").problems
    assert str(problem).startswith("row 1: is longer than 16,000,000 bytes")


def test_a_chunk_of_long_rows_has_few_of_them() -> None:
    rows: list[RawRow] = [(number, b"x" * 3_000_000) for number in range(1, 6)]
    assert [[number for number, _ in chunk] for chunk in chunks(iter(rows))] == [[1, 2], [3, 4], [5]]


def test_dropped_rows_are_counted_with_their_numbers_and_reasons() -> None:
    dropped = BadRows()
    rows = list(convert_all(raw(GOOD, BAD, GOOD, []), "file", dropped=dropped))
    assert [row.origin for row in rows] == ["file, row 1", "file, row 3"]
    assert [(p.row, p.field, p.message) for p in dropped.first] == [
        (2, "output", "must be text, not a number"),
        (4, "row", "is a list, not an object"),
    ]


def test_the_form_is_that_of_the_first_row_that_can_be_read() -> None:
    dropped = BadRows()
    rows = list(convert_all(raw([], {"x": 1}, GOOD), "file", dropped=dropped))
    assert (len(rows), [problem.row for problem in dropped.first]) == (1, [1, 2])


def test_the_form_of_a_file_is_told_without_reading_it_all(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    path.write_bytes(path.read_bytes() * 50_000 + b"\xff")
    assert form_of(path) == "alpaca"
    with pytest.raises(BadData, match=r"rows\.jsonl, row 1: has the keys text, which fit no known form"):
        form_of(write(tmp_path, {"text": "a"}))


def test_rows_that_are_all_bad_are_refused_though_they_may_be_dropped() -> None:
    with pytest.raises(BadData, match=r"^file: 2,000 of the 2,000 rows read are bad"):
        list(convert_all(raw(*[BAD] * 2000), "file", dropped=BadRows()))


def test_after_a_thousand_bad_rows_a_file_is_not_read_on() -> None:
    rows = iter(raw(GOOD, *[BAD] * 3000))
    with pytest.raises(BadData, match="file: at least 1,023 of the 1,024 rows read are bad"):
        list(convert_all(rows, "file"))
    assert len(list(rows)) == 3001 - 1024


def test_of_dropped_rows_only_the_first_thousand_are_kept() -> None:
    dropped = BadRows()
    assert len(list(convert_all(raw(GOOD, *[BAD] * 3000), "file", dropped=dropped))) == 1
    assert (dropped.count, len(dropped.first)) == (3000, 1000)


def test_what_breaks_a_file_is_told_with_its_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([GOOD] * 100 + [BAD] + [GOOD] * 200)[:-1])
    with pytest.raises(BadData) as refused:
        list(read_rows(path))
    assert "the file ends within row 301" in refused.value.message
    assert "and rows.json, row 101: output: must be text, not a number" in refused.value.message


def test_a_scan_counts_what_it_leaves_out(tmp_path: Path) -> None:
    found = scan(write(tmp_path, GOOD, BAD, GOOD), drop=True)
    assert (found.rows, found.trainable, found.dropped.count) == (2, 2, 1)


def test_what_is_quoted_of_a_row_is_cut() -> None:
    role = {"messages": [{"role": "x" * 1_000_000, "content": "a"}]}
    (problem,) = convert_chunk(raw(role), "file", "openai").problems
    assert len(str(problem)) < 500


def test_a_limit_is_of_the_rows_of_the_file(tmp_path: Path) -> None:
    assert scan(write(tmp_path, GOOD, BAD, GOOD), limit=2, drop=True).rows == 1
