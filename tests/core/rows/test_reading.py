"""Files of every kind give the same numbered rows, told by content, in memory that does not grow with the file."""

import gzip
import json
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from core.errors import BadData
from core.rows import Row, raw_rows, read_rows
from core.rows.limits import ROW_BYTES

ROWS: list[dict[str, Any]] = [
    {"messages": [{"role": "user", "content": f'{i}" [{{ \\ é'}, {"role": "assistant", "content": f"]}} {i}\n"}]}
    for i in range(300)
]


def packed(content: bytes) -> bytes:
    """Gzip without the time of day, which would be part of a test's name."""
    return gzip.compress(content, mtime=0)


def lines(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_list(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def parquet(rows: list[dict[str, Any]], compression: str = "snappy") -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.Table.from_pylist(rows), sink, compression=compression)
    return bytes(sink.getvalue())


def write(folder: Path, content: bytes, name: str = "rows.jsonl") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BadData) as refused:
        list(read_rows(path))
    return refused.value.message


WRITERS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    "JSONL": lines,
    "JSONL with a byte order mark": lambda rows: b"\xef\xbb\xbf" + lines(rows),
    "JSONL with Windows' line ends": lambda rows: lines(rows).replace(b"\n", b"\r\n"),
    "JSONL without a last line end": lambda rows: lines(rows).rstrip(),
    "JSON": as_list,
    "JSON in one line, with a byte order mark": lambda rows: b"\xef\xbb\xbf \n" + json.dumps(rows).encode() + b"\n\n",
    "Parquet": parquet,
    "packed JSONL": lambda rows: packed(lines(rows)),
    "JSONL packed in two parts": lambda rows: packed(lines(rows[:7])) + packed(lines(rows[7:])),
    "packed JSON": lambda rows: packed(as_list(rows)),
}


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("kind", WRITERS)
def test_rows_are_the_same_however_the_file_is_written_and_named(tmp_path: Path, kind: str, name: str) -> None:
    path = write(tmp_path, WRITERS[kind](ROWS), name)
    found = list(read_rows(path))
    expected = [Row(row["messages"], None) for row in ROWS]
    assert found == expected
    assert [row.origin for row in found] == [f"{name}, row {i}" for i in range(1, len(ROWS) + 1)]


@pytest.mark.parametrize("size", range(65_520, 65_545))
def test_a_list_is_split_rightly_wherever_a_block_ends(tmp_path: Path, size: int) -> None:
    # Blocks are of 65,536 bytes: the sizes shift each sign of the second row across the end of the first.
    first = {"instruction": "x" * (size - 60), "output": "1"}
    second = {"instruction": '\\"[{,', "output": "2"}
    path = write(tmp_path, json.dumps([first, second, first]).encode(), "rows.json")
    assert [row.messages[0]["content"] for row in read_rows(path)] == [
        first["instruction"],
        second["instruction"],
        first["instruction"],
    ]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"\xef\xbb\xbf", b" [ ] ", packed(b""), parquet([])])
def test_a_file_without_rows_is_refused(tmp_path: Path, content: bytes) -> None:
    assert "rows.jsonl holds no rows" in refusal(write(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"instruction,output\nAdd.,2\n", "looks like CSV (row 1 begins 'instruction,output'): convert it to JSONL"),
        (b"instruction\toutput\nAdd.\t2\n", "looks like TSV"),
        (b"- instruction: Add.\n", "is no JSON: row 1 begins '- instruction: Add.'"),
        ("{}\n".encode("utf-16"), "is text in UTF-16: convert it to UTF-8"),
        ("{}\n".encode("utf-16-le"), "is text in UTF-16 or binary: convert it to UTF-8"),
        ("{}\n".encode("utf-32"), "is text in UTF-32"),
        (b"PK\x03\x04rest", "is a zip archive: unpack it"),
        (b"\x28\xb5\x2f\xfdrest", "is compressed with zstd"),
        (b"PAR1rest", "is a broken Parquet file"),
        (parquet(ROWS)[:-100], "is a broken Parquet file"),
        (packed(packed(lines(ROWS))), "is packed with gzip twice"),
        (packed(parquet(ROWS)), "is a Parquet file in a gzip file"),
        (packed(b"a,b\n"), "packs no JSON but looks like CSV"),
        (packed(lines(ROWS))[:-20], "is a broken gzip file"),
        (packed(lines(ROWS))[:-8] + b"12345678", "is a broken gzip file (CRC check failed"),
        (as_list(ROWS)[:-40], "the file ends within row 300, before its list is closed"),
        (as_list(ROWS)[:-1] + b',"', "the file ends within row 301"),
        (as_list(ROWS[:2]) + b"[]", "something follows its list, after row 2"),
        (b'[{"instruction": "a", "output": "b"},]', "row 2: is not valid JSON: EOF while parsing a value (column 0)"),
    ],
)
def test_what_cannot_be_read_is_called_by_its_name(tmp_path: Path, content: bytes, problem: str) -> None:
    message = refusal(write(tmp_path, content))
    assert message.startswith("rows.jsonl")
    assert problem in message


def test_more_than_a_packed_file_may_hold_is_not_unpacked(tmp_path: Path) -> None:
    row = json.dumps({"instruction": "x" * 1_000_000, "output": "y"}).encode() + b"\n"
    path = write(tmp_path, packed(row * 60), "bomb.jsonl.gz")
    assert "bomb.jsonl.gz unpacks to more than 50,000,000 bytes, which is the limit for its size" in refusal(path)


@pytest.mark.parametrize("opening", ["", "["])
def test_a_row_that_is_too_long_is_told_and_passed_over(tmp_path: Path, opening: str) -> None:
    good = '{"instruction": "Add.", "output": "2"}'
    rows = [good, '{"instruction": "' + "x" * ROW_BYTES + '", "output": ""}', good]
    content = f"[{','.join(rows)}]" if opening else "\n".join(rows)
    path = write(tmp_path, content.encode())
    assert [type(raw).__name__ for _, raw in raw_rows(path)] == ["bytes", "RowError", "bytes"]
    assert "row 2: is longer than 16,000,000 bytes, the most that a row may have" in refusal(path)


def test_a_parquet_row_that_is_too_long_is_told_and_passed_over(tmp_path: Path) -> None:
    long = "".join(map(str, range(3_000_000)))
    assert len(long) > ROW_BYTES
    good = {"instruction": "Add.", "output": "2"}
    path = write(tmp_path, parquet([good, {"instruction": long, "output": ""}, good]))
    assert [type(raw).__name__ for _, raw in raw_rows(path)] == ["dict", "RowError", "dict"]


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, parquet([{"instruction": "x" * 60_000_000, "output": ""}], "zstd"), "bomb.parquet")
    assert "bomb.parquet unpacks to 60,0" in refusal(path)


def test_white_space_does_not_make_a_long_entry_short(tmp_path: Path) -> None:
    path = write(tmp_path, b"[" + b" " * (ROW_BYTES + 200_000) + b'{"instruction": "Add.", "output": "2"}]')
    assert "row 1: is longer than" in refusal(path)


@pytest.mark.parametrize(
    ("writer", "count"),
    [(lines, 300), (as_list, 300), (lambda rows: packed(as_list(rows)), 300), (parquet, 3000)],
    ids=["JSONL", "JSON", "packed JSON", "Parquet"],
)
def test_ten_times_the_rows_take_no_more_memory(
    tmp_path: Path, writer: Callable[[list[dict[str, Any]]], bytes], count: int
) -> None:
    paths = [write(tmp_path, writer(long_rows(rows)), f"{rows}.jsonl") for rows in (count, 10 * count)]
    list(read_rows(paths[0], limit=1))  # imports what is needed
    small, large = (peak_bytes(path) for path in paths)
    assert large <= 1.2 * small


def long_rows(count: int) -> list[dict[str, Any]]:
    """Rows of about 1,000 bytes that do not pack well, each another: more than the pages of a Parquet file hold."""
    generator = random.Random(0)
    return [{"instruction": generator.randbytes(500).hex(), "output": "x"} for _ in range(count)]


def peak_bytes(path: Path) -> int:
    """The most memory that Python, and Arrow, held while the file was read and converted."""
    tracemalloc.start()
    arrow_bytes = 0
    try:
        for _ in read_rows(path):
            arrow_bytes = max(arrow_bytes, pa.total_allocated_bytes())
        return tracemalloc.get_traced_memory()[1] + arrow_bytes
    finally:
        tracemalloc.stop()


def test_null_in_a_parquet_struct_means_absent(tmp_path: Path) -> None:
    def row(name: str, parameter: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {parameter: {"type": "string"}}, "required": [parameter]}
        call = {"type": "function", "function": {"name": name, "arguments": {parameter: "x"}}}
        messages = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "", "tool_calls": [call]}]
        return {"messages": messages, "tools": [{"type": "function", "function": {"name": name, "parameters": schema}}]}

    written = [row("get_weather", "city"), row("send_mail", "to")]
    path = write(tmp_path, parquet(written))
    padded = pa.parquet.read_table(path).to_pylist()[0]["tools"][0]["function"]["parameters"]["properties"]
    assert padded == {"city": {"type": "string"}, "to": None}
    for found, expected in zip(read_rows(path), written, strict=True):
        assert found.tools is not None
        assert found.tools[0]["function"]["parameters"] == expected["tools"][0]["function"]["parameters"]
        assert found.messages[1]["tool_calls"] == expected["messages"][1]["tool_calls"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"bytes", "row 1: output: is a bytes, which JSON does not have"),
        (float("nan"), "row 1: output: is NaN"),
        ("a\0", "row 1: output: holds a NUL character"),
    ],
)
def test_what_parquet_has_and_json_does_not_is_refused(tmp_path: Path, value: Any, problem: str) -> None:
    assert problem in refusal(write(tmp_path, parquet([{"instruction": "a", "output": value}])))
