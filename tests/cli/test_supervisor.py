"""Children start together, are restarted when they die, and end in time or are killed."""

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from cli.supervisor import Child, ChildFailed, Supervisor
from tests.waiting import wait_until

READY = (
    "from pathlib import Path; import time, os, signal, subprocess, sys; Path('ready').write_text(str(os.getpid()));"
)


@dataclass
class Log:
    lines: list[str] = field(default_factory=list)

    def say(self, name: str, message: str) -> None:
        self.lines.append(f"{name}: {message}")

    def has(self, part: str) -> bool:
        return any(part in line for line in self.lines)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def supervisor(log: Log, tmp_path: Path) -> Iterator[Supervisor]:
    with (tmp_path / "lock").open("w") as lock:
        supervisor = Supervisor(lock.fileno(), log.say)
        yield supervisor
        supervisor.stop_all()


def child(
    tmp_path: Path, program: str, name: str = "child", start_timeout_s: float = 20, stop_timeout_s: float = 5
) -> Child:
    folder = tmp_path / name
    folder.mkdir(exist_ok=True)
    return Child(
        name,
        argv=[sys.executable, "-c", program],
        log=tmp_path / f"{name}.log",
        cwd=folder,
        env=dict(os.environ),
        healthy=(folder / "ready").exists,
        start_timeout_s=start_timeout_s,
        stop_timeout_s=stop_timeout_s,
    )


def test_start_waits_until_every_child_is_healthy(supervisor: Supervisor, log: Log, tmp_path: Path) -> None:
    program = f"{READY} time.sleep(60)"
    supervisor.start(child(tmp_path, program, "one"), child(tmp_path, program, "two"))
    assert (tmp_path / "one" / "ready").exists()
    assert (tmp_path / "two" / "ready").exists()
    assert log.has("one: ready in")


def test_a_child_that_ends_while_starting_shows_its_log(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match=r"ended with exit code 3 .*\n(.*\n)*.*no such thing"):
        supervisor.start(child(tmp_path, "import sys; print('no such thing'); sys.exit(3)"))


def test_a_child_that_never_gets_healthy_is_an_error(supervisor: Supervisor, tmp_path: Path) -> None:
    with pytest.raises(ChildFailed, match="child is not healthy after"):
        supervisor.start(child(tmp_path, "import time; time.sleep(60)", start_timeout_s=0.3))


def test_a_child_that_dies_is_restarted_and_it_is_said(supervisor: Supervisor, log: Log, tmp_path: Path) -> None:
    supervisor.start(child(tmp_path, f"{READY} time.sleep(60)"))
    supervisor.watch()
    first = supervisor.pid("child")
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: supervisor.pid("child") != first)
    wait_until(lambda: (tmp_path / "child" / "ready").read_text() == str(supervisor.pid("child")))
    assert log.has("child: was killed by SIGKILL: restarting in 0.5 s")


def test_what_a_dead_child_left_running_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    program = (
        f"{READY} p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "Path('grandchild').write_text(str(p.pid)); time.sleep(60)"
    )
    supervisor.start(child(tmp_path, program))
    note = tmp_path / "child" / "grandchild"
    wait_until(lambda: note.exists() and note.read_text())
    grandchild = int(note.read_text())
    supervisor.watch()
    os.kill(supervisor.pid("child"), signal.SIGKILL)
    wait_until(lambda: not _is_alive(grandchild))


def test_a_child_that_ignores_the_stop_is_killed(supervisor: Supervisor, log: Log, tmp_path: Path) -> None:
    stubborn = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {READY} time.sleep(60)"
    supervisor.start(child(tmp_path, stubborn, stop_timeout_s=0.3))
    pid = supervisor.pid("child")
    supervisor.stop_all()
    assert not _is_alive(pid)
    assert log.has("did not stop within 0.3 s: killed")


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
