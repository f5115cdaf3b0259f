"""Running one stage program as a child process under the job's lease."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.processes import bound_to_this_process
from worker.lease import LeaseKeeper, Stopped
from worker.stages.run_dir import Exit

STOP_GRACE_S = 20
"""A stopped trainer has so long to finish its step and save."""
_ROOT = Path(__file__).parent.parent
_POLL_S = 0.1


class ProgramFailed(Exception):
    """The program ended otherwise than done."""

    def __init__(self, exit_code: int, code: str, message: str) -> None:
        super().__init__(message)
        self.exit_code, self.code, self.message = exit_code, code, message


def run_program(
    name: str,
    run_dir: Path,
    keeper: LeaseKeeper,
    on_events: Callable[[list[dict[str, Any]]], None],
    env: dict[str, str],
) -> dict[str, Any]:
    """Run `worker.stages.NAME` over the directory and return its result; a finished one is not run again.

    `on_events` gets the steps that earlier runs reported, then every event of this one.

    Raises ProgramFailed, LeaseLost, or Stopped.
    """
    result = run_dir / f"{name}.json"
    events = _EventReader(run_dir / "events.jsonl")
    on_events([event for event in events.read() if event["type"] == "step"])  # an earlier run may not have stored all
    if result.exists():
        return _read(result)
    events.errors.clear()
    log_path = run_dir / f"{name}.log"
    with log_path.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", f"worker.stages.{name}", str(run_dir)],
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=bound_to_this_process(),
            env={**os.environ, "PYTHONUNBUFFERED": "1", **env},
        )
    try:
        stop_by: float | None = None
        while child.poll() is None:
            time.sleep(_POLL_S)
            on_events(events.read())
            keeper.tick()
            if keeper.stop_reason is not None and stop_by is None:
                child.send_signal(signal.SIGTERM)
                stop_by = time.monotonic() + STOP_GRACE_S
            if stop_by is not None and time.monotonic() > stop_by:
                child.kill()
    finally:
        _kill_group(child)
    on_events(events.read())
    if child.returncode == Exit.DONE:
        return _read(result)
    if (reason := keeper.stop_reason) is not None:
        raise Stopped(reason)
    raise _failure(name, child.returncode, events.errors, log_path)


def _failure(name: str, exit_code: int, errors: list[dict[str, Any]], log_path: Path) -> ProgramFailed:
    if errors:
        return ProgramFailed(exit_code, errors[-1]["code"], errors[-1]["message"])
    ended = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    tail = log_path.read_text(encoding="utf-8", errors="replace").strip()[-600:]
    return ProgramFailed(exit_code, "stage_crashed", f"the {name} program {ended}; the end of its log: {tail}")


def _kill_group(child: subprocess.Popen[bytes]) -> None:
    """End what the program may have left running, and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def _read(result: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(result.read_bytes())
    return value


class _EventReader:
    """Reads the whole lines that were appended since the last read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.errors: list[dict[str, Any]] = []

    def read(self) -> list[dict[str, Any]]:
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.position)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.position += len(whole)
        events = [json.loads(line) for line in whole.splitlines()]
        self.errors += [event for event in events if event["type"] == "error"]
        return events
