"""A full disk is said with the path, the free bytes and the fix; nothing half-written stays under a final name."""

import json
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.waiting import wait_until
from tests.worker.conftest import TINY_BASE
from tests.worker.test_merge import adapter
from tests.worker.training import events, losses, run_directory, run_to_end, start, write_spec
from worker.program import failure_of
from worker.stages.checkpoints import damage, last_complete
from worker.stages.run_dir import Exit

MIB = 2**20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all space but `leave` bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        file.write(b"\0" * (free(disk) - leave))
    return ballast


def free(disk: Path) -> int:
    status = subprocess.run(["stat", "-f", "-c", "%a %S", str(disk)], capture_output=True, check=True)
    blocks, size = map(int, status.stdout.split())
    return blocks * size


def limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))


def test_rows_that_do_not_fit_are_said_and_leave_nothing(tmp_path: Path) -> None:
    run = run_directory(tmp_path / "job", rows=200)
    assert run_to_end("prepare", run, preexec_fn=limit_files) == Exit.DISK_FULL
    [error] = events(run, "error")
    assert error["code"] == "disk_full"
    assert "bytes are free on its disk" in error["message"]
    assert "free some space or raise the quota, then retry the job" in error["message"]
    assert not (run / "rows.arrow").exists()
    assert not (run / "prepare.json").exists()


def test_a_merged_model_that_does_not_fit_is_not_published(small_disk: Path) -> None:
    run = run_directory(small_disk / "job", rows=1)
    adapter(run / "adapter")
    (run / "prepare.json").write_text("{}")
    fill(small_disk, MIB)
    assert run_to_end("merge", run) == Exit.DISK_FULL
    [error] = events(run, "error")
    assert error["code"] == "disk_full"
    assert not (small_disk / "job" / "models" / "merged").exists()
    assert free(small_disk) > MIB // 2, "what was half-written has gone"


def test_a_disk_too_full_for_the_error_itself_is_known_by_the_exit_code(small_disk: Path) -> None:
    run = run_directory(small_disk / "job", rows=200)
    fill(small_disk, 0)
    assert run_to_end("prepare", run, log=small_disk.parent / "log") == Exit.DISK_FULL
    assert not events(run, "error")
    failure = failure_of("prepare", Exit.DISK_FULL, [], run / "prepare.log")
    assert failure.code == "disk_full"
    assert f"there is no space left to write {run / 'prepare.log'}: 0 bytes are free" in failure.message


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_checkpoint_that_does_not_fit_leaves_the_one_before_and_a_retry_goes_on(small_disk: Path) -> None:
    stage = {"batch_size": 4, "epochs": 10, "checkpoint_every_steps": 5}
    run = run_directory(small_disk / "job", rows=20, **stage)
    assert run_to_end("prepare", run) == Exit.DONE
    trainer = start("sft", run)
    try:
        wait_until(lambda: trainer.poll() is not None or events(run, "checkpoint"), 110)
        ballast = fill(small_disk, 0)
        assert trainer.wait(timeout=60) == Exit.DISK_FULL
    finally:
        trainer.kill()
    good = last_complete(run / "checkpoints")
    assert good is not None
    assert not (run / "sft.json").exists()

    ballast.unlink()
    write_spec(run, **{**stage, "max_steps": max(losses(run)) + 2})
    assert run_to_end("sft", run) == Exit.DONE
    begun = json.loads((run / "events.jsonl").read_bytes().splitlines()[-4])
    assert begun["step"] >= 5
    final = last_complete(run / "checkpoints")
    assert final is not None
    assert damage(final) is None
    assert (TINY_BASE / "config.json").exists()
