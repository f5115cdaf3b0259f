"""Rows are found again when nothing that they were made of has changed, and only then."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from core.preparation import Preparation
from tests.worker.conftest import TINY_BASE
from worker.stages import row_cache
from worker.stages.prepare import main
from worker.stages.run_dir import RunDir, StageRun
from worker.stages.source_records import records

ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A copy of the base model's tokenizer, to be changed."""
    return shutil.copytree(TINY_BASE, tmp_path / "base", ignore=shutil.ignore_patterns("*.safetensors"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder with ten rows."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "rows.jsonl").write_text((json.dumps(ROW) + "\n") * 10)
    return folder


def prepared(tmp_path: Path, name: str, base: Path, data: Path, **stage: Any) -> Preparation:
    """What the program counts in a run directory of its own."""
    run = tmp_path / name
    run.mkdir()
    fields = {"name": "chat", "data": {"source": "rows.jsonl"}, "max_seq_length": 128, **stage}
    spec = {"job_id": "j", "stage": fields, "seed": 1, "model": str(base), "tokenizer": str(base), "model_name": "m"}
    spec |= {
        "data_root": str(data),
        "files_root": "f",
        "output": str(tmp_path / "o"),
        "row_cache": str(tmp_path / "cache"),
    }
    (run / "spec.json").write_text(StageRun.model_validate(spec).model_dump_json())
    main(RunDir(run))
    return Preparation.model_validate_json((run / "prepare.json").read_bytes())


def test_the_same_rows_are_found_again_whatever_they_are_trained_with(tmp_path: Path, base: Path, data: Path) -> None:
    first = prepared(tmp_path, "first", base, data)
    second = prepared(tmp_path, "second", base, data, batch_size=2, gradient_accumulation_steps=1, learning_rate=1e-5)
    assert (first.cached, second.cached) == (False, True)
    assert (first.steps, second.steps) == (1, 5)
    assert second.longest_batch_tokens == 2 * second.longest
    assert (tmp_path / "first" / "rows.arrow").samefile(tmp_path / "second" / "rows.arrow")
    same = {"cached": False, "steps": first.steps, "longest_batch_tokens": first.longest_batch_tokens}
    assert second.model_copy(update=same) == first


@pytest.mark.parametrize("change", ["data", "template", "tokenizer", "max_seq_length", "too_long", "tool_prompt"])
def test_whatever_decides_about_rows_is_part_of_the_key(tmp_path: Path, base: Path, data: Path, change: str) -> None:
    prepared(tmp_path, "first", base, data)
    files = {"data": data / "rows.jsonl", "template": base / "chat_template.jinja"}
    files["tokenizer"] = base / "tokenizer.json"
    if change in files:
        files[change].write_text(files[change].read_text() + "\n")
        assert not prepared(tmp_path, "second", base, data).cached
    else:
        value = {"max_seq_length": 127, "too_long": "cut_left", "tool_prompt": "system"}[change]
        assert not prepared(tmp_path, "second", base, data, **{change: value}).cached


def test_what_the_models_are_measured_on_is_part_of_the_key(base: Path, data: Path) -> None:
    rows = {"source": "rows.jsonl"}
    (data / "held.jsonl").write_text(json.dumps(ROW) + "\n")
    (data / "accepted.jsonl").write_text("{}\n")
    suite = {"source": "held.jsonl", "format": "bfcl", "accepted": "accepted.jsonl"}

    def key(**run: Any) -> str | None:
        spec = {"job_id": "j", "stage": {"name": "chat", "data": rows}, "seed": 1, "model": "m", "model_name": "m"}
        places = {"tokenizer": str(base), "data_root": str(data), "files_root": "f", "output": "o"}
        stage = StageRun.model_validate({**spec, **places, **run})
        return row_cache.key_of(stage, records(stage))

    keys = [key(), key(suites=[suite]), key(held_out_chat={"source": "held.jsonl"})]
    keys += [key(held_out={"data": rows, "rows": count}) for count in (1, 2)]
    (data / "accepted.jsonl").write_text('{"id": "a"}\n')
    keys.append(key(suites=[suite]))
    assert None not in keys
    assert len(set(keys)) == 6


@pytest.mark.parametrize("broken", ["rows.arrow", "prepare.json"])
def test_an_entry_that_is_not_whole_is_not_used(tmp_path: Path, base: Path, data: Path, broken: str) -> None:
    prepared(tmp_path, "first", base, data)
    [entry] = (tmp_path / "cache").iterdir()
    (entry / broken).unlink()
    second = prepared(tmp_path, "second", base, data)
    assert (second.cached, second.rows) == (False, 10)
    assert prepared(tmp_path, "third", base, data).cached, "the broken entry has made room for a whole one"


def test_data_that_cannot_be_read_twice_has_no_key(tmp_path: Path, base: Path, data: Path) -> None:
    (data / "rows.jsonl").unlink()
    os.mkfifo(data / "rows.jsonl")
    fields = {"name": "chat", "data": {"source": "rows.jsonl"}}
    spec = {"job_id": "j", "stage": fields, "seed": 1, "model": "m", "tokenizer": str(base), "model_name": "m"}
    spec |= {"data_root": str(data), "files_root": "f", "output": "o"}
    run = StageRun.model_validate(spec)
    assert row_cache.key_of(run, records(run)) is None


def test_an_entry_that_is_there_stays_when_another_program_writes_it_too(
    tmp_path: Path, base: Path, data: Path
) -> None:
    first = prepared(tmp_path, "first", base, data)
    [entry] = (tmp_path / "cache").iterdir()
    before = (entry / "prepare.json").stat().st_ino
    row_cache.keep(tmp_path / "cache", entry.name, tmp_path / "first" / "rows.arrow", first)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [entry.name]
    assert (entry / "prepare.json").stat().st_ino == before
