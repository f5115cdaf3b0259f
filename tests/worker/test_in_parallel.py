"""The processes that tokenise end with the program that they work for, however that one ends."""

import json
import signal
from pathlib import Path

import psutil

from tests.waiting import wait_until
from tests.worker.training import run_directory, start


def test_no_process_outlives_a_program_that_is_killed(tmp_path: Path) -> None:
    run = run_directory(tmp_path / "job", rows=1)
    row = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "one two three " * 20}]}
    (tmp_path / "job" / "rows.jsonl").write_text((json.dumps(row) + "\n") * 300_000)
    program = start("prepare", run)
    try:
        # The server that they are forked from, the tracker of what processes share, and one that tokenises at least.
        helpers = wait_until(lambda: family(program.pid) if len(family(program.pid)) >= 3 else None, 60)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait(timeout=10)
    assert helpers
    wait_until(lambda: not any(is_alive(helper) for helper in helpers), 10)


def family(pid: int) -> list[psutil.Process]:
    """All that the process has started, directly or not."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
