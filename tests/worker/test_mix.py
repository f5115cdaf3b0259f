"""A stage's rows: its own, chat rows with tools that do not fit, and replayed chat rows, the same for the same seed."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import Row
from core.spec import DatasetSpec, HeldOut, StageSpec
from worker.stages.mix import stage_rows
from worker.stages.run_dir import StageRun

WEATHER = [{"name": "get_weather", "description": "Get the weather.", "parameters": {"city": {"type": "str"}}}]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    call = {"name": "get_weather", "arguments": {"city": "Oslo"}}
    tool_row = {"answers": json.dumps([call]), "tools": json.dumps(WEATHER)}
    write(tmp_path / "tools.jsonl", [{"query": f"weather {i}?", **tool_row} for i in range(100)])
    questions = [f"Tell me about number {i}" if i % 2 else f"Is the weather nice on day {i}?" for i in range(60)]
    answer = {"role": "assistant", "content": "Certainly."}
    write(tmp_path / "chat.jsonl", [{"messages": [{"role": "user", "content": q}, answer]} for q in questions])
    return tmp_path


def write_upload(root: Path, file_id: str, name: str, content: str) -> None:
    (root / "files" / file_id).mkdir(parents=True)
    (root / "files" / file_id / name).write_text(content)


def mixed(
    data_root: Path,
    no_call: float,
    replay: float,
    seed: int = 1,
    join_rows: int = 1,
    sources: tuple[str, str] = ("tools.jsonl", "chat.jsonl"),
    held_out: HeldOut | None = None,
) -> list[Row]:
    stage = StageSpec(
        name="tools",
        data=DatasetSpec(source=sources[0]),
        join_rows=join_rows,
        no_call_fraction=no_call,
        replay_fraction=replay,
    )
    run = StageRun(
        job_id="j",
        stage=stage,
        seed=seed,
        model="m",
        tokenizer="m",
        model_name="n",
        data_root=str(data_root),
        files_root=str(data_root / "files"),
        replay=DatasetSpec(source=sources[1]),
        held_out=held_out,
        output="o",
    )
    return list(stage_rows(run))


def test_the_shares_are_of_the_stages_rows_and_its_length_stays(data_root: Path) -> None:
    rows = mixed(data_root, 0.2, 0.1)
    called = [row for row in rows if row.messages[-1].get("tool_calls")]
    assert (len(rows), len(called)) == (100, 70)


def test_borrowed_tools_never_fit_the_question(data_root: Path) -> None:
    borrowed = [row for row in mixed(data_root, 0.3, 0.0) if row.kind == "no_call"]
    assert borrowed
    assert not [row for row in borrowed if "weather" in row.messages[0]["content"]]


def test_the_same_seed_gives_the_same_rows(data_root: Path) -> None:
    assert mixed(data_root, 0.2, 0.1, seed=5) == mixed(data_root, 0.2, 0.1, seed=5)
    assert mixed(data_root, 0.2, 0.1, seed=5) != mixed(data_root, 0.2, 0.1, seed=6)


def test_more_chat_rows_than_there_are_is_refused(data_root: Path) -> None:
    with pytest.raises(BadData, match="ask for 90 chat rows, and the stage before has 60"):
        mixed(data_root, 0.6, 0.3)


def test_a_stages_own_rows_are_joined_and_the_mixed_ones_stay_apart(data_root: Path) -> None:
    rows = mixed(data_root, 0.2, 0.0, join_rows=5)
    assert len(rows) == 20
    assert [len(row.messages) for row in rows] == [10] * 16 + [2] * 4


def test_uploaded_files_are_mixed_like_others(data_root: Path) -> None:
    for file_id, name in (("file-1", "tools.jsonl"), ("file-2", "chat.jsonl")):
        write_upload(data_root, file_id, name, (data_root / name).read_text())
    assert mixed(data_root, 0.2, 0.1, sources=("file-1", "file-2")) == mixed(data_root, 0.2, 0.1)


def test_a_row_of_an_uploaded_file_is_named_as_its_sender_knows_it(data_root: Path) -> None:
    write_upload(data_root, "file-1", "mine.jsonl", "{}\n")
    with pytest.raises(BadData, match=r"^mine\.jsonl, row 1"):
        mixed(data_root, 0, 0, sources=("file-1", "chat.jsonl"))


def test_an_uploaded_file_that_is_not_there_is_named(data_root: Path) -> None:
    with pytest.raises(BadData, match="the uploaded file file-1 is not in the storage"):
        mixed(data_root, 0, 0, sources=("file-1", "chat.jsonl"))


def test_the_last_rows_of_a_data_set_can_be_held_out_of_every_stage_that_uses_it(data_root: Path) -> None:
    held_out = HeldOut(data=DatasetSpec(source="tools.jsonl"), rows=30)
    assert mixed(data_root, 0, 0, held_out=held_out) == mixed(data_root, 0, 0)[:-30]
    assert len(mixed(data_root, 0.2, 0.1, held_out=held_out)) == 70
    of_chat = HeldOut(data=DatasetSpec(source="chat.jsonl"), rows=58)
    with pytest.raises(BadData, match="ask for 10 chat rows, and the stage before has 2"):
        mixed(data_root, 0, 0.1, held_out=of_chat)
    elsewhere = HeldOut(data=DatasetSpec(source="other.jsonl"), rows=30)
    assert len(mixed(data_root, 0, 0, held_out=elsewhere)) == 100
