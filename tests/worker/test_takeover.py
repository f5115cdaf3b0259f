"""The newest run takes a stage's folder over; what an earlier one still does there changes nothing."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import LeaseLost
from core.storage import new_directory
from tests.waiting import wait_until
from tests.worker.training import ROOT
from worker.stages.run_dir import Exit, RunDir, StageFailure
from worker.stages.takeover import current, event_files, take_over

FROZEN = """
import os, signal, sys
from pathlib import Path
from worker.stages.run_dir import RunDir, run_program

def main(run):
    torn = (run.path / "half-written.tmp").open("wb", buffering=0)
    torn.write(b"old")
    run.emit("step", step=1)
    run.check_newest()
    os.kill(os.getpid(), signal.SIGSTOP)
    torn.write(b"old")
    run.finish("sft", {"by": "the old run"})

sys.argv = ["frozen", sys.argv[1]]
run_program(main)
"""


@pytest.fixture
def stage_dir(tmp_path: Path) -> Path:
    return tmp_path / "chat"


def test_a_run_finds_what_the_one_before_left(stage_dir: Path) -> None:
    (take_over(stage_dir, 1) / "prepare.json").write_text("{}")
    second = take_over(stage_dir, 4)
    assert second == stage_dir / "run-4" == current(stage_dir)
    assert [path.name for path in stage_dir.iterdir()] == ["run-4"]
    assert (second / "prepare.json").exists()


def test_an_older_run_is_refused(stage_dir: Path) -> None:
    newest = take_over(stage_dir, 2)
    with pytest.raises(LeaseLost, match="run 2 has taken over"):
        take_over(stage_dir, 1)
    assert current(stage_dir) == newest


def test_events_of_an_earlier_run_are_set_aside(stage_dir: Path) -> None:
    RunDir(take_over(stage_dir, 1)).emit("step", step=1)
    RunDir(take_over(stage_dir, 2)).emit("step", step=2)
    third = take_over(stage_dir, 10)
    assert [file.name for file in event_files(third)] == ["events-1.jsonl", "events-2.jsonl"]
    assert not (third / "events.jsonl").exists()


def test_what_a_stale_run_makes_anew_is_not_taken_for_the_newest(stage_dir: Path) -> None:
    stale = take_over(stage_dir, 1)
    take_over(stage_dir, 2)
    (stale / "checkpoints" / "checkpoint-9").mkdir(parents=True)
    with pytest.raises(StageFailure, match="a newer run of the job has taken over"):
        RunDir(stale).finish("sft", {})
    third = take_over(stage_dir, 3)
    assert [path.name for path in stage_dir.iterdir()] == ["run-3"]
    assert not list(third.iterdir())


def test_a_model_is_not_published_once_another_run_has_taken_over(stage_dir: Path, tmp_path: Path) -> None:
    target, stale = tmp_path / "models" / "chat", take_over(stage_dir, 1)
    target.mkdir(parents=True)
    (target / "manifest.json").write_text("the newest run's")

    def publish() -> None:
        with new_directory(target, below=stale) as folder:
            (folder / "manifest.json").write_text("stale")
            take_over(stage_dir, 2)

    with pytest.raises(FileNotFoundError):
        publish()
    assert (target / "manifest.json").read_text() == "the newest run's"


@pytest.fixture
def frozen(stage_dir: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A stage program of run 1 that has stopped itself right before it publishes."""
    run = take_over(stage_dir, 1)
    child = subprocess.Popen([sys.executable, "-c", FROZEN, str(run)], cwd=ROOT)
    wait_until(lambda: Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T", 30)
    yield child
    child.kill()
    child.wait()


def test_a_thawed_program_of_an_earlier_run_ends_and_changes_nothing(
    stage_dir: Path, frozen: "subprocess.Popen[bytes]"
) -> None:
    run = RunDir(take_over(stage_dir, 2))
    (run.path / "half-written.tmp").unlink()
    (run.path / "half-written.tmp").write_bytes(b"new")
    run.emit("step", step=1)
    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(30) == Exit.SUPERSEDED
    assert (run.path / "half-written.tmp").read_bytes() == b"new"
    assert not (run.path / "sft.json").exists()
    assert len((run.path / "events.jsonl").read_bytes().splitlines()) == 1
    assert [path.name for path in stage_dir.iterdir()] == ["run-2"]
