"""A stage's rows: its own, chat rows with tools that do not fit, and replayed chat rows, the same for the same seed."""

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadData
from core.rows import Row
from core.spec import DatasetSpec, StageSpec
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


def mixed(data_root: Path, no_call: float, replay: float, seed: int = 1, join_rows: int = 1) -> list[Row]:
    stage = StageSpec(
        name="tools",
        data=DatasetSpec(source="tools.jsonl"),
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
        replay=DatasetSpec(source="chat.jsonl"),
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
