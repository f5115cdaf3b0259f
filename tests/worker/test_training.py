"""The trainer survives: kills, stops, smaller micro-batches, too little memory, a divergence, a full disk."""

import re
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from tests.waiting import wait_until
from tests.worker.training import events, losses, run_directory, run_to_end, start, write_spec
from worker.stages.checkpoints import damage, last_complete, mark_complete
from worker.stages.run_dir import Exit
from worker.stages.takeover import take_over

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]
STAGE = {"batch_size": 4, "epochs": 2, "checkpoint_every_steps": 3}
"""Ten optimiser steps, five an epoch."""
ADAPTER = "adapter/adapter_model.safetensors"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run directory of 20 prepared rows."""
    folder = tmp_path_factory.mktemp("prepared") / "job"
    assert run_to_end("prepare", run_directory(folder, rows=20, **STAGE)) == Exit.DONE
    return folder


@pytest.fixture(scope="module")
def undisturbed(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run directory trained to its end without dropout, so that losses depend on the rows and weights alone."""
    run = copy(prepared, tmp_path_factory.mktemp("undisturbed"), checkpoint_every_steps=6)
    assert run_to_end("sft", run) == Exit.DONE
    return run


def copy(prepared: Path, folder: Path, **stage: Any) -> Path:
    run = shutil.copytree(prepared, folder / "job") / "run"
    write_spec(run, **{**STAGE, **stage})
    return run


def train_until(run: Path, step: int, sig: signal.Signals) -> int:
    """Send the signal once the step is reported, and return the exit code."""
    trainer = start("sft", run)
    try:
        wait_until(lambda: trainer.poll() is not None or step in losses(run), 110)
        trainer.send_signal(sig)
        return trainer.wait(timeout=60)
    finally:
        trainer.kill()


def test_killed_at_any_step_it_ends_with_the_same_adapter_bit_for_bit(prepared: Path, tmp_path: Path) -> None:
    # With dropout, so that the random state counts; resumed at the end of the first epoch, and within the second.
    stage = {"lora": {"r": 4, "target_modules": ["q_proj", "v_proj"], "dropout": 0.1}, "checkpoint_every_steps": 1}
    whole = copy(prepared, tmp_path / "whole", **stage)
    assert run_to_end("sft", whole) == Exit.DONE
    killed = copy(prepared, tmp_path / "killed", **stage)
    for step in (6, 8):
        assert train_until(killed, step, signal.SIGKILL) == -signal.SIGKILL
        shutil.rmtree(killed / "checkpoints" / f"checkpoint-{step}", ignore_errors=True)  # it may have been in time
    assert run_to_end("sft", killed) == Exit.DONE

    assert [event["step"] for event in events(killed, "train_begin")] == [0, 5, 7]
    assert losses(killed) == losses(whole)
    assert (killed / ADAPTER).read_bytes() == (whole / ADAPTER).read_bytes()


def test_smaller_micro_batches_go_on_with_the_same_rows_in_every_step(
    prepared: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copy(prepared, tmp_path, batch_size=2, gradient_accumulation_steps=2)
    shutil.copytree(undisturbed / "checkpoints", run / "checkpoints")
    (run / "checkpoints" / "checkpoint-10" / "optimizer.pt").write_bytes(b"cut off")
    assert run_to_end("sft", run) == Exit.DONE

    [skipped] = events(run, "checkpoint.skipped")
    assert skipped["step"] == 10
    assert skipped["why"].startswith("optimizer.pt has 7 bytes instead of ")
    assert events(run, "train_begin")[0]["step"] == 6
    before, after = losses(undisturbed), losses(run)
    assert sorted(after) == [7, 8, 9, 10]
    assert after == pytest.approx({step: before[step] for step in after}, rel=2e-3)
    tokens = {event["step"]: event["tokens"] for event in events(undisturbed, "step")}
    assert {event["step"]: event["tokens"] for event in events(run, "step")} == {step: tokens[step] for step in after}


def test_a_stop_saves_a_checkpoint_and_takes_a_step_and_two_seconds_at_most(prepared: Path, tmp_path: Path) -> None:
    run = copy(prepared, tmp_path)
    trainer = start("sft", run)
    wait_until(lambda: 2 in losses(run), 110)
    asked = time.monotonic()
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(timeout=60) == Exit.STOPPED
    took_s = time.monotonic() - asked
    last = max(losses(run))
    assert took_s < max(event["step_s"] for event in events(run, "step")) + 2
    saved = last_complete(run / "checkpoints")
    assert saved is not None
    assert saved.name == f"checkpoint-{last}"


def test_a_stop_before_training_begins_ends_the_program_at_once(prepared: Path, tmp_path: Path) -> None:
    trainer = start("sft", copy(prepared, tmp_path))
    wait_until(lambda: "torch" in Path(f"/proc/{trainer.pid}/maps").read_text(), 60)
    asked = time.monotonic()
    trainer.send_signal(signal.SIGTERM)
    assert trainer.wait(timeout=10) == -signal.SIGTERM
    assert time.monotonic() - asked < 2


def test_a_divergence_names_the_last_good_checkpoint_and_keeps_no_later_one(
    prepared: Path, undisturbed: Path, tmp_path: Path
) -> None:
    run = copy(prepared, tmp_path, checkpoint_every_steps=1)
    good = shutil.copytree(undisturbed / "checkpoints" / "checkpoint-6", run / "checkpoints" / "checkpoint-6")
    weights = load_file(good / "adapter_model.safetensors")
    # Finite, and too large to compute with.
    save_file({name: weight * 1e37 for name, weight in weights.items()}, good / "adapter_model.safetensors")
    mark_complete(good)
    assert run_to_end("sft", run) == Exit.FAILED

    [error] = events(run, "error")
    assert error["code"] == "diverged"
    assert re.search(r"diverged at step 7: the (loss|gradient norm) became (nan|inf); ", error["message"])
    assert f"; the last good checkpoint is that of step 6, {good}; start a new job" in error["message"]
    assert [path.name for path in (run / "checkpoints").glob("checkpoint-*")] == ["checkpoint-6"]
    assert not (run / "adapter").exists()


def test_too_little_memory_is_said_with_what_to_do(prepared: Path, tmp_path: Path) -> None:
    run = copy(prepared, tmp_path)
    write_spec(run, memory_limit_bytes=560 * 2**20, **{**STAGE, "batch_size": 1})
    assert run_to_end("sft", run) == Exit.OUT_OF_MEMORY
    [error] = events(run, "error")
    assert error["code"] == "out_of_memory"
    assert "batch_size is 1 already: lower max_seq_length, or train on a worker with more memory" in error["message"]


def test_whole_checkpoints_only_are_left_behind(undisturbed: Path) -> None:
    left = sorted(path.name for path in (undisturbed / "checkpoints").glob("checkpoint-*"))
    assert left == ["checkpoint-10", "checkpoint-6"]
    assert [damage(undisturbed / "checkpoints" / name) for name in left] == [None, None]


def test_a_thawed_trainer_of_an_earlier_run_changes_nothing(prepared: Path, undisturbed: Path, tmp_path: Path) -> None:
    stage_dir = tmp_path / "chat"
    stage_dir.mkdir()
    copy(prepared, tmp_path, checkpoint_every_steps=1).rename(stage_dir / "run-1")
    old = start("sft", stage_dir / "run-1", log=tmp_path / "old.log")
    try:
        wait_until(lambda: 4 in losses(stage_dir / "run-1"), 110)
        old.send_signal(signal.SIGSTOP)
        run = take_over(stage_dir, 2)
        new = start("sft", run, log=tmp_path / "new.log")
        wait_until(lambda: events(run, "step"), 110)
        old.send_signal(signal.SIGCONT)
        assert old.wait(timeout=30) == Exit.SUPERSEDED
        assert new.wait(timeout=300) == Exit.DONE
    finally:
        old.kill()
    begun = events(run, "train_begin")
    assert len(begun) == 1
    assert begun[0]["step"] >= 3
    assert sorted(losses(run)) == list(range(begun[0]["step"] + 1, 11))
    assert (run / ADAPTER).read_bytes() == (undisturbed / ADAPTER).read_bytes()
