"""Starts children in order, waits until each is healthy, restarts one that dies, and stops all in reverse order."""

import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cli.processes import Account, finish, kill_group, log_tail, spawn, terminate
from core.errors import ServiceError

BACKOFF_S = (0.5, 1, 2, 5, 10, 30)
SETTLED_S = 60
"""A child that ran this long starts again at the shortest backoff."""


class ChildFailed(ServiceError):
    code = "child_failed"


@dataclass(frozen=True)
class Child:
    """A program to keep running.  `healthy` is asked until it is true; it may raise OSError for "not yet".

    `death_signal` is what it gets when the launcher is killed.  Without its database a worker would take minutes to end
    in good order, and its job resumes from a checkpoint anyway, so that is SIGKILL for all but the servers.
    """

    name: str
    argv: Sequence[str | Path]
    log: Path
    cwd: Path
    env: Mapping[str, str]
    healthy: Callable[[], bool]
    start_timeout_s: float = 60
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 15
    death_signal: signal.Signals = signal.SIGKILL
    account: Account | None = None


@dataclass
class _Running:
    child: Child
    process: subprocess.Popen[bytes]
    since: float
    deaths: int = 0
    restart_at: float | None = None


@dataclass
class Supervisor:
    """Keeps children alive from `start` to `stop_all`; `say(name, text)` hears of every change."""

    inherited: int
    say: Callable[[str, str], None]
    _groups: list[list[_Running]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self, *children: Child) -> None:
        """Start children that do not need each other, and wait until all are healthy; ChildFailed shows the log."""
        group: list[_Running] = []
        self._groups.append(group)
        for child in children:
            group.append(_Running(child, self._spawn(child), time.monotonic()))
        waiting = list(group)
        while waiting:
            for running in list(waiting):
                seconds = time.monotonic() - running.since
                if _is_healthy(running):
                    waiting.remove(running)
                    self.say(running.child.name, f"ready in {seconds:.1f} s")
                elif seconds > running.child.start_timeout_s:
                    raise ChildFailed(f"{running.child.name} is not healthy after {seconds:.0f} s; {_log_of(running)}")
            time.sleep(0.02)

    def watch(self) -> None:
        """From now on restart children that die."""
        # One thread starts the replacements and lives as long as they do: see the note in `spawn`.
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._watcher.start()

    def pid(self, name: str) -> int:
        """The pid of the child's newest process."""
        return next(running.process.pid for running in self._all() if running.child.name == name)

    def stop_all(self) -> None:
        """Stop the children, the last started first; kill what does not end in time."""
        self._stopping.set()
        if self._watcher is not None:
            self._watcher.join()
        while self._groups:
            group = self._groups.pop()
            for running in group:
                terminate(running.process, running.child.stop_signal)
            for running in group:
                if not finish(running.process, running.child.stop_timeout_s):
                    self.say(running.child.name, f"did not stop within {running.child.stop_timeout_s:g} s: killed")

    def _all(self) -> list[_Running]:
        return [running for group in self._groups for running in group]

    def _spawn(self, child: Child) -> subprocess.Popen[bytes]:
        return spawn(
            child.argv,
            log=child.log,
            cwd=child.cwd,
            env=child.env,
            death_signal=child.death_signal,
            account=child.account,
            keep_open=[self.inherited],
        )

    def _watch(self) -> None:
        while not self._stopping.wait(0.1):
            for running in self._all():
                if running.restart_at is not None:
                    self._restart_if_due(running)
                elif (code := running.process.poll()) is not None:
                    self._plan_restart(running, code)

    def _plan_restart(self, running: _Running, code: int) -> None:
        kill_group(running.process)
        now = time.monotonic()
        running.deaths = 1 if now - running.since > SETTLED_S else running.deaths + 1
        delay_s = BACKOFF_S[min(running.deaths, len(BACKOFF_S)) - 1]
        running.restart_at = now + delay_s
        self.say(running.child.name, f"{_ended(code)}: restarting in {delay_s:g} s; log {running.child.log}")

    def _restart_if_due(self, running: _Running) -> None:
        if running.restart_at is None or time.monotonic() < running.restart_at:
            return
        running.process = self._spawn(running.child)
        running.since, running.restart_at = time.monotonic(), None


def _is_healthy(running: _Running) -> bool:
    code = running.process.poll()
    if code is not None:
        raise ChildFailed(f"{running.child.name} {_ended(code)} while starting; {_log_of(running)}")
    try:
        return running.child.healthy()
    except OSError:
        return False


def _ended(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _log_of(running: _Running) -> str:
    return f"the end of {running.child.log}:\n{log_tail(running.child.log)}"
