"""Running one stage program as a child process under the job's lease."""

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.errors import LeaseLost
from core.processes import bound_to_this_process
from worker.lease import LeaseKeeper, Stopped
from worker.stages.failures import out_of_space_message, says_out_of_memory
from worker.stages.run_dir import Exit
from worker.stages.takeover import event_files

STOP_GRACE_S = 20
"""A stopped trainer has so long to finish its step and save, or longer if its steps are slow."""
DRAIN_GRACE_S = 8
"""The same while the worker shuts down, which must be done within 10 s."""
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

    `on_events` gets the steps that earlier runs reported, as their workers may not have stored all, then every
    event of this one.

    Raises ProgramFailed, LeaseLost, or Stopped.
    """
    result, pace = run_dir / f"{name}.json", Pace()
    events = _EventReader(run_dir / "events.jsonl")
    before = [event for file in event_files(run_dir) for event in _EventReader(file).read()] + events.read()
    on_events([event for event in pace.seen(before) if event["type"] == "step" and name == "sft"])
    if result.exists():
        return _read(result)
    events.errors.clear()
    log_path = run_dir / f"{name}.log"
    child, log_start = _start(name, run_dir, log_path, env)
    try:
        with keeper.guarding(child.pid):
            _wait(child, keeper, pace, lambda: on_events(pace.seen(events.read())))
    finally:
        _kill_group(child)
    on_events(events.read())
    if child.returncode == Exit.DONE:
        return _read(result)
    if child.returncode == Exit.SUPERSEDED:
        raise LeaseLost(f"run {keeper.lease.attempt} of job {keeper.lease.job_id} lost its lease: {run_dir} is taken")
    if (reason := keeper.stop_reason) is not None:
        raise Stopped(reason)
    raise failure_of(name, child.returncode, events.errors, log_path, log_start)


def _start(name: str, run_dir: Path, log_path: Path, env: dict[str, str]) -> tuple[subprocess.Popen[bytes], int]:
    """Start the program in a process group of its own; also returns where its part of the log begins."""
    with log_path.open("ab") as log:
        log_start = log.tell()
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
    return child, log_start


def _wait(child: subprocess.Popen[bytes], keeper: LeaseKeeper, pace: "Pace", report: Callable[[], None]) -> None:
    """Wait until the program ends; one that should stop is asked to, and killed when its grace is over."""
    stop_by, was_asked, was_hurried = math.inf, False, False
    while child.poll() is None:
        time.sleep(_POLL_S)
        with contextlib.suppress(Stopped):  # said while Postgres is away: the program still has its grace
            report()
        keeper.tick()
        if keeper.stop_reason is not None and not was_asked:
            child.send_signal(signal.SIGTERM)
            stop_by, was_asked = time.monotonic() + pace.stop_grace_s, True
        if keeper.is_draining and not was_hurried:
            stop_by, was_hurried = min(stop_by, time.monotonic() + DRAIN_GRACE_S), True
        if time.monotonic() > stop_by:
            child.kill()


def read_errors(path: Path) -> list[dict[str, Any]]:
    """The errors among a program's events."""
    events = _EventReader(path)
    events.read()
    return events.errors


class Pace:
    """How long a trainer's last step took, and saving its last checkpoint, from its events."""

    def __init__(self) -> None:
        self.step_s = self.save_s = self.step_at = 0.0

    def seen(self, events: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take note of the events, and return them."""
        for event in events:
            if event["type"] == "step":
                self.step_s, self.step_at = event.get("step_s", 0.0), event.get("at", 0.0)
            elif event["type"] == "checkpoint":
                self.save_s = max(0.0, event.get("at", 0.0) - self.step_at)
        return events

    @property
    def stop_grace_s(self) -> float:
        """How long the trainer may take to finish its step and save."""
        return max(STOP_GRACE_S, 2 * self.step_s + self.save_s)


def failure_of(
    name: str, exit_code: int, errors: list[dict[str, Any]], log_path: Path, log_start: int = 0
) -> ProgramFailed:
    """Why a program failed: what it said itself, or what its exit code and the end of its part of the log tell."""
    if errors:
        return ProgramFailed(exit_code, errors[-1]["code"], errors[-1]["message"])
    ended = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    if exit_code == Exit.DISK_FULL:  # so full that the program could not even write the event that says so
        return ProgramFailed(exit_code, "disk_full", out_of_space_message(None, log_path))
    tail = log_path.read_bytes()[log_start:].decode(errors="replace").strip()[-600:]
    if exit_code != -signal.SIGKILL and says_out_of_memory(tail):  # a native thread ended the program at once
        message = f"the {name} program ran out of memory; use a larger worker; the end of its log: {tail}"
        return ProgramFailed(Exit.OUT_OF_MEMORY, "out_of_memory", message)
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
        events = [event for line in whole.splitlines() if (event := _parse(line)) is not None]
        self.errors += [event for event in events if event["type"] == "error"]
        return events


def _parse(line: bytes) -> dict[str, Any] | None:
    """The event, or None for a line that a process could not write to its end."""
    try:
        event: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return event
