"""A stage that has ended keeps its newest checkpoints."""

import pytest

from core import retention
from core.job_files import checkpoints
from core.retention import prune_checkpoints
from core.spec import KeepSpec
from tests.core.kept_files import CHAT, write, write_stage
from tests.core.retention.sweeping import steps, trashed


@pytest.mark.parametrize("run", ["run-3", "."])
def test_an_ended_stage_keeps_its_newest_checkpoints(run: str) -> None:
    stage_dir = write_stage("job", CHAT, steps=(5, 10, 100), run=run)
    prune_checkpoints(stage_dir, 2)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-100"}
    prune_checkpoints(stage_dir, 0)
    assert steps(stage_dir) == set()


def test_a_checkpoint_that_was_never_whole_goes_before_any_that_is() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20, 30))
    (checkpoints(stage_dir)[0] / "COMPLETE").unlink()
    prune_checkpoints(stage_dir, 2)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20"}


def test_a_stage_that_has_not_ended_keeps_every_checkpoint() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20, 30), ended=False)
    prune_checkpoints(stage_dir, 0)
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20", "checkpoint-30"}


def test_a_worker_removes_the_checkpoints_at_the_end_of_a_stage_for_good() -> None:
    stage_dir = write_stage("job", CHAT, steps=(10, 20))
    retention.stage_ended(stage_dir, KeepSpec(checkpoints=1))
    assert (steps(stage_dir), trashed()) == ({"checkpoint-20"}, [])


def test_a_disk_that_refuses_does_not_fail_the_job(caplog: pytest.LogCaptureFixture) -> None:
    stage_dir = write_stage("job", CHAT)
    write(retention.trash(), 1)  # a file where the trash should be
    try:
        retention.stage_ended(stage_dir, KeepSpec(checkpoints=0))
    finally:
        retention.trash().unlink()
    assert "checkpoints.not_removed" in caplog.text
    assert steps(stage_dir) == {"checkpoint-10", "checkpoint-20"}
