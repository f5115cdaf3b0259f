"""Stage programs run under a job's lease, and say why they end."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core import jobs, runs
from core.db import transaction
from core.errors import LeaseLost
from core.models import Event
from core.spec import JobSpec
from tests.conftest import Services
from tests.core.sessions import DEVICE
from worker.lease import LeaseKeeper, Stopped
from worker.program import ProgramFailed, run_program
from worker.report import Reporter
from worker.stages.run_dir import Exit

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.fixture
def keeper(database: Services) -> LeaseKeeper:
    """The keeper of a claimed job's lease."""
    with transaction() as session:
        jobs.create(session, JobSpec(base_model="Qwen/Qwen2.5-3B"), {"stages": [], "total_steps": None})
    with transaction() as session:
        lease = runs.claim(session, "worker", DEVICE, 60)
    assert lease is not None
    return LeaseKeeper(lease)


def stage_dir(tmp_path: Path, tiny_base: Path, *lines: str, **stage: Any) -> Path:
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    run = tmp_path / "run"
    run.mkdir()
    spec = {
        "job_id": "j",
        "stage": {"name": "chat", "data": {"source": "rows.jsonl"}, "max_seq_length": 256, **stage},
        "seed": 1,
        "model": str(tiny_base),
        "tokenizer": str(tiny_base),
        "model_name": "m",
        "data_root": str(tmp_path),
        "output": str(tmp_path / "merged"),
    }
    (run / "spec.json").write_text(json.dumps(spec))
    return run


def prepare(run: Path, keeper: LeaseKeeper) -> dict[str, Any]:
    return run_program("prepare", run, keeper, lambda events: None, OFFLINE)


def test_rows_are_counted_and_long_ones_dropped(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    long = {"messages": [GOOD["messages"][0], {"role": "assistant", "content": "word " * 400}]}
    run = stage_dir(tmp_path, tiny_base, *[json.dumps(GOOD)] * 20, json.dumps(long))
    counts = prepare(run, keeper)
    assert (counts["rows_in"], counts["rows"], counts["dropped"]["too_long"]["count"], counts["steps"]) == (
        21,
        20,
        1,
        2,
    )
    assert counts["longest"] <= 256
    assert (run / "rows.arrow").exists()


def test_bad_data_ends_with_file_row_and_field(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, json.dumps(GOOD), '{"messages": [{"role": "boss", "content": ""}]}')
    with pytest.raises(ProgramFailed, match=r"rows\.jsonl, row 2: messages\[0\]\.role") as failed:
        prepare(run, keeper)
    assert (failed.value.exit_code, failed.value.code) == (Exit.BAD_DATA, "bad_data")
    assert not (run / "prepare.json").exists()


@pytest.mark.parametrize("place", ["train", "replay"])
def test_a_row_that_the_template_refuses_ends_with_file_row_and_field(
    tmp_path: Path, keeper: LeaseKeeper, tiny_base: Path, place: str
) -> None:
    base = shutil.copytree(tiny_base, tmp_path / "base")
    template = base / "chat_template.jinja"
    template.write_text(
        "{% if messages[0].content == 'No' %}{{ raise_exception('no rows like this') }}{% endif %}"
        + template.read_text()
    )
    refused = {"messages": [{"role": "user", "content": "No"}, {"role": "assistant", "content": "Hello"}]}
    good, bad = json.dumps(GOOD), json.dumps(refused)
    run = stage_dir(tmp_path, base, good, *([good, bad] if place == "train" else [good] * 3))
    if place == "replay":
        (tmp_path / "before.jsonl").write_text(f"{bad}\n")
        spec = json.loads((run / "spec.json").read_text())
        spec["stage"]["replay_fraction"], spec["replay"] = 0.25, {"source": "before.jsonl"}
        (run / "spec.json").write_text(json.dumps(spec))
    named = r"rows\.jsonl, row 3" if place == "train" else r"before\.jsonl, row 1"
    with pytest.raises(ProgramFailed, match=named + r": messages: .*no rows like this") as failed:
        prepare(run, keeper)
    assert failed.value.code == "bad_data"


def test_nothing_short_enough_to_train_on_is_bad_data(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, json.dumps(GOOD), max_seq_length=16)
    with pytest.raises(ProgramFailed, match=r"none of the 1 rows can be trained on: .* 1 are longer than"):
        prepare(run, keeper)


def test_more_than_the_model_handles_is_refused(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, json.dumps(GOOD), max_seq_length=100_000)
    with pytest.raises(ProgramFailed, match="max_seq_length is 100000 and the model handles 2048"):
        prepare(run, keeper)


def test_a_hub_that_cannot_be_reached_is_said_at_once(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, data={"source": "owner/rows", "rows": 5})
    began = time.monotonic()
    with pytest.raises(ProgramFailed, match="the data set 'owner/rows' cannot be loaded from the hub") as failed:
        prepare(run, keeper)
    assert failed.value.code == "hub_unreachable"
    assert time.monotonic() - began < 60


def test_a_finished_program_is_not_run_again(tmp_path: Path, keeper: LeaseKeeper) -> None:
    (tmp_path / "prepare.json").write_text('{"rows": 7}')
    assert prepare(tmp_path, keeper) == {"rows": 7}


def test_steps_of_earlier_runs_are_reported_again(tmp_path: Path, keeper: LeaseKeeper) -> None:
    (tmp_path / "events-1.jsonl").write_text('{"type": "step", "step": 1}\n{"type": "st')
    (tmp_path / "events-2.jsonl").write_text('{"type": "step", "step": 2}\n{"type": "error", "code": "x"}\n')
    (tmp_path / "events.jsonl").write_text('{"type": "st{"type": "step"}\n{"type": "step", "step": 3}\n{"type": "st')
    (tmp_path / "sft.json").write_text("{}")
    seen: list[dict[str, Any]] = []
    run_program("sft", tmp_path, keeper, seen.extend, OFFLINE)
    assert [event["step"] for event in seen] == [1, 2, 3]


def test_a_program_whose_directory_was_taken_over_has_lost_its_lease(
    tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper
) -> None:
    own = stage_dir(tmp_path, tiny_base, json.dumps(GOOD)).rename(tmp_path / "run-1")
    (tmp_path / "run-2").mkdir()
    with pytest.raises(LeaseLost, match=r"run 1 of job .* lost its lease"):
        prepare(own, keeper)
    assert not (own / "prepare.json").exists()


def test_a_checkpoint_that_is_skipped_is_an_event_of_the_job(keeper: LeaseKeeper) -> None:
    skipped = {"type": "checkpoint.skipped", "step": 9, "path": "run-1/checkpoint-9", "why": "optimizer.pt is missing"}
    Reporter(keeper).for_program("chat", "sft")([skipped])
    with transaction() as session:
        [event] = session.scalars(select(Event).where(Event.type == "checkpoint.skipped"))
        assert event.message == "The checkpoint of chat at step 9 is not used: optimizer.pt is missing"


def test_a_cancelled_job_stops_its_program(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, json.dumps(GOOD))
    with transaction() as session:
        jobs.cancel(session, keeper.lease.job_id)
    with pytest.raises(Stopped):
        prepare(run, keeper)
    assert not (run / "prepare.json").exists()


def test_a_lost_lease_kills_the_program(tmp_path: Path, tiny_base: Path, keeper: LeaseKeeper) -> None:
    run = stage_dir(tmp_path, tiny_base, json.dumps(GOOD))
    with transaction() as session:
        runs.stopped(session, keeper.lease, "taken away by the test")
    with pytest.raises(LeaseLost):
        prepare(run, keeper)
    assert not (run / "prepare.json").exists()
