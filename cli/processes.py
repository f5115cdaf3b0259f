"""Child processes that never outlive their launcher, and their orderly end.

Each child leads a process group of its own and carries a parent-death signal, so even a launcher that is killed
with -9 takes its children along.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.processes import bound_to_this_process


@dataclass(frozen=True)
class Account:
    """The unprivileged account that a root launcher gives to a server."""

    uid: int
    gid: int


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    cwd: Path,
    env: Mapping[str, str],
    death_signal: signal.Signals,
    account: Account | None = None,
    keep_open: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a new session, its output appended to `log`.

    The parent-death signal fires when the *thread* that started the child ends, so call this from one that stays.
    The child keeps the file descriptors `keep_open`, and with them whatever lock they hold.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
            pass_fds=tuple(keep_open),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
            preexec_fn=bound_to_this_process(death_signal),
        )


def terminate(process: subprocess.Popen[bytes], stop_signal: signal.Signals) -> None:
    """Ask the child to end."""
    if process.poll() is None:
        process.send_signal(stop_signal)


def finish(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Wait for the child's end, then kill what is left of its group.  True when it ended by itself."""
    try:
        process.wait(timeout_s)
        in_time = True
    except subprocess.TimeoutExpired:
        in_time = False
    kill_group(process)
    process.wait()
    return in_time


def kill_group(process: subprocess.Popen[bytes], timeout_s: float = 5) -> None:
    """Kill every process left in the child's group, and wait until they are gone."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:  # only zombies are left of another user's group
            return
        process.poll()
        time.sleep(0.01)


def log_tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = log.read_bytes()[-16_000:].decode(errors="replace")
    except FileNotFoundError:
        return "(no log)"
    return "\n".join(text.splitlines()[-lines:])
