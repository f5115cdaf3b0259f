"""A stage's rows as a file and as counts: the same from any number of processes, and nothing dropped in silence."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.errors import BadData
from core.preparation import Preparation, RowPlace
from tests.worker.conftest import TINY_BASE
from worker.stages import in_parallel
from worker.stages.prepare import prepare
from worker.stages.run_dir import StageRun

TOOL = {"name": "get_weather", "description": "Get the weather.", "parameters": {"city": {"type": "str"}}}


def chat(question: str, answer: str, *more: str) -> dict[str, Any]:
    texts = (question, answer, *more)
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]}


def call(number: int) -> dict[str, Any]:
    answers = [{"name": "get_weather", "arguments": {"city": f"town {number}"}}]
    return {"query": f"Weather in town {number}?", "answers": json.dumps(answers), "tools": json.dumps([TOOL])}


def write(folder: Path, name: str, *rows: Any) -> dict[str, str]:
    (folder / name).write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return {"source": name}


def prepared(folder: Path, processes: int = 1, run: dict[str, Any] | None = None, **stage: Any) -> Preparation:
    fields = {"name": "chat", "data": {"source": "rows.jsonl"}, "max_seq_length": 256, **stage}
    base = str(TINY_BASE)
    spec = {"job_id": "j", "stage": fields, "seed": 1, "model": base, "tokenizer": base, "model_name": "m"}
    spec |= {
        "data_root": str(folder),
        "files_root": str(folder / "files"),
        "output": str(folder / "merged"),
        **(run or {}),
    }
    return prepare(StageRun.model_validate(spec), folder / "rows.arrow", processes, lambda rows: None)


def rows_of(folder: Path) -> list[dict[str, Any]]:
    with pa.ipc.open_stream(folder / "rows.arrow") as reader:
        rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return rows


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further processes begin after 3 chunks already."""
    monkeypatch.setattr(in_parallel, "WARM_UP_CHUNK", 1)
    monkeypatch.setattr(in_parallel, "CHECKED_CHUNKS", 3)
    monkeypatch.setattr(in_parallel, "LOADING_S", 0)


@pytest.mark.usefixtures("few_at_once")
@pytest.mark.parametrize("mixed", [False, True])
def test_any_number_of_processes_writes_the_same_bytes_and_counts(tmp_path: Path, mixed: bool) -> None:
    write(tmp_path, "rows.jsonl", *map(call, range(900)))
    before = write(tmp_path, "before.jsonl", *(chat(f"What is {n}?", "A number.", "Why?", "So.") for n in range(200)))
    fractions = {"no_call_fraction": 0.1, "replay_fraction": 0.1} if mixed else {}
    found = []
    for processes in (1, 2, 3):
        counts = prepared(tmp_path, processes, {"replay": before}, **fractions)
        found.append((counts.model_copy(update={"prepare_s": 0}), (tmp_path / "rows.arrow").read_bytes()))
    assert found[0] == found[1] == found[2]
    assert found[0][0].rows == 900
    assert found[0][0].kinds == {"own": 720 if mixed else 900, "no_call": 90 * mixed, "replay": 90 * mixed}


@pytest.mark.usefixtures("few_at_once")
def test_the_first_bad_row_is_named_whichever_process_meets_one_first(tmp_path: Path) -> None:
    rows = [chat(f"Say {n}", f"Well, {n}.") for n in range(800)]
    for number in (300, 301, 700):
        rows[number] = {"messages": [{"role": "user", "content": "x"}, {"role": "boss", "content": "y"}]}
    write(tmp_path, "rows.jsonl", *rows)
    messages = set()
    for processes in (1, 2):
        with pytest.raises(BadData) as error:
            prepared(tmp_path, processes)
        messages.add(error.value.message)
    [message] = messages
    assert "3 of the 800 rows read are bad" in message
    assert "row 301: messages[1].role" in message


def test_every_row_that_is_not_trained_on_is_counted_with_its_place(tmp_path: Path) -> None:
    silent = chat("Hi", "wrong")
    silent["messages"][1]["weight"] = 0
    long = chat("Hi", "word " * 400)
    write(tmp_path, "rows.jsonl", chat("Hi", "Hello"), "{broken", long, silent, chat("Hi", "Hello"))
    counts = prepared(tmp_path, data={"source": "rows.jsonl", "on_bad_row": "drop"})
    assert (counts.rows_in, counts.rows) == (5, 2)
    dropped = {reason: rows.first for reason, rows in counts.dropped.items()}
    places = {"bad_row": 2, "too_long": 3, "nothing_trained": 4}
    assert dropped == {reason: (RowPlace(source="rows.jsonl", row=row),) for reason, row in places.items()}
    assert counts.duplicates.first == (RowPlace(source="rows.jsonl", row=5),)
    assert counts.rows_in == counts.rows + sum(rows.count for rows in counts.dropped.values())


def test_the_counts_are_those_of_the_file(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", *(chat("Hi", "one two three " * n) for n in range(1, 12)))
    counts, rows = prepared(tmp_path), rows_of(tmp_path)
    lengths = [len(row["input_ids"]) for row in rows]
    assert [row["length"] for row in rows] == lengths
    assert (counts.rows, counts.tokens, counts.longest) == (len(rows), sum(lengths), max(lengths))
    assert counts.trained_tokens == sum(label != -100 for row in rows for label in row["labels"])
    assert counts.longest_batch_tokens == 4 * max(lengths)
    assert {bucket.up_to: bucket.rows for bucket in counts.lengths}[32] == sum(n <= 32 for n in lengths)
    assert sum(bucket.rows for bucket in counts.lengths) == counts.rows
    assert counts.stop_token_trained
    assert counts.steps == 1


def test_questions_of_the_evaluation_are_found_among_joined_rows_too(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", *map(call, range(12)))
    held_out = write(tmp_path, "held.jsonl", call(7), call(99))
    counts = prepared(tmp_path, run={"suites": [held_out]}, join_rows=4, max_seq_length=1024)
    assert (counts.evaluation_rows, counts.rows) == (2, 3)
    assert counts.overlap.first == (RowPlace(source="rows.jsonl", row=5),)


def test_held_out_rows_are_not_trained_on_and_training_rows_like_them_are_found(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", *map(call, [*range(10), 3, 7]))
    held_out = {"data": {"source": "rows.jsonl"}, "rows": 2}
    counts = prepared(tmp_path, run={"held_out": held_out}, max_seq_length=1024)
    assert (counts.rows, counts.evaluation_rows) == (10, 2)
    assert [place.row for place in counts.overlap.first] == [4, 8]


def test_refusing_long_rows_names_them(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", chat("Hi", "Hello"), chat("Hi", "word " * 400))
    with pytest.raises(
        BadData, match=r"1 of 2 rows are longer than max_seq_length \(256; .*: rows\.jsonl, row 2; raise"
    ):
        prepared(tmp_path, too_long="refuse")


def test_cutting_long_rows_counts_them(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", chat("Hi", "Hello", "And?", "word " * 60, "Then?", "Bye"), chat("Hi", "word " * 400))
    counts = prepared(tmp_path, too_long="cut_left", max_seq_length=100)
    assert counts.cut.first == (RowPlace(source="rows.jsonl", row=1),)
    assert counts.dropped["too_long"].count == 1
    assert rows_of(tmp_path)[0]["length"] <= 100


def test_tools_in_the_system_prompt_are_text_that_is_not_learned(tmp_path: Path) -> None:
    write(tmp_path, "rows.jsonl", call(1))
    by_template, as_text = prepared(tmp_path), prepared(tmp_path, tool_prompt="system")
    assert by_template.trained_tokens == as_text.trained_tokens
    assert by_template.tokens != as_text.tokens
