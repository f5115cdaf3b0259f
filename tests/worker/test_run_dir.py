"""Events are whole lines, whatever the disk does."""

import json
import multiprocessing
import resource
from pathlib import Path

from worker.stages.run_dir import RunDir


def emit_until_full(path: Path) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        for number in range(1000):
            RunDir(path).emit("progress", done=number, unit="rows")
    except OSError:
        return
    raise AssertionError("the limit was not reached")


def test_an_event_that_does_not_fit_leaves_no_part_of_itself(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=emit_until_full, args=(tmp_path,))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    content = (tmp_path / "events.jsonl").read_bytes()
    assert content.endswith(b"\n")
    assert 0 < len(content) < 1000
    assert [json.loads(line)["done"] for line in content.splitlines()] == list(range(content.count(b"\n")))
