"""Which process of a running system is which: found below its launcher, by command line and parent."""

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

_JOB = re.compile(r"/jobs/([^/]+)/([^/]+)")
_GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


@dataclass(frozen=True)
class Program:
    """A running stage program: which one, for which job and stage."""

    process: psutil.Process
    name: str
    job_id: str
    stage: str


class Census:
    """The processes below one launcher, and below others that a case started beside it, at one moment."""

    def __init__(self, launcher_pid: int | None, beside: Iterable[int] = ()) -> None:
        self.launcher_pid = launcher_pid
        self._found: list[tuple[psutil.Process, int, list[str]]] = []
        for root in [pid for pid in (launcher_pid, *beside) if pid is not None]:
            try:
                below = psutil.Process(root).children(recursive=True)
            except _GONE:
                continue
            for process in below:
                with suppress(*_GONE):
                    self._found.append((process, process.ppid(), process.cmdline()))

    def top(self, *words: str) -> list[psutil.Process]:
        """The launcher's own children whose command line has all the words."""
        return [p for p, parent, argv in self._found if parent == self.launcher_pid and _has(argv, words)]

    def below(self, parent: psutil.Process) -> list[psutil.Process]:
        """The children of a process."""
        return [p for p, ppid, _ in self._found if ppid == parent.pid]

    def api(self) -> list[psutil.Process]:
        return self.top("-m", "api")

    def gateway(self) -> list[psutil.Process]:
        return self.top("-m", "inference")

    def workers(self) -> list[psutil.Process]:
        """The main process of each GPU worker."""
        return self.top("worker.app", "-Q", "jobs")

    def ops(self) -> list[psutil.Process]:
        """The housekeeping worker."""
        return self.top("worker.app", "-Q", "ops")

    def beat(self) -> list[psutil.Process]:
        """The clock of the housekeeping."""
        return self.top("worker.app", "beat")

    def postgres(self) -> list[psutil.Process]:
        """The server's main process."""
        return [p for p, parent, argv in self._found if parent == self.launcher_pid and argv[0].endswith("/postgres")]

    def valkey(self) -> list[psutil.Process]:
        return [p for p, parent, argv in self._found if parent == self.launcher_pid and "valkey-server" in argv[0]]

    def vllm(self) -> list[psutil.Process]:
        return [p for p, _, argv in self._found if "tunesmith_vllm.serve" in argv]

    def programs(self) -> list[Program]:
        """The stage programs that run, one for each."""
        found = [(parent, program) for p, parent, argv in self._found if (program := stage_program(p, argv))]
        pids = {program.process.pid for _, program in found}
        return [program for parent, program in found if parent not in pids]  # not what a program forks

    def trainers(self) -> list[Program]:
        return [program for program in self.programs() if program.name == "sft"]


def stage_program(process: psutil.Process, argv: list[str]) -> Program | None:
    """What the process works on, if it is a stage program of a job."""
    named = _named(argv)
    return Program(process, *named) if named is not None else None


def _named(argv: list[str]) -> tuple[str, str, str] | None:
    """Program, job and stage that a command line names."""
    module = next((word for word in argv if word.startswith("worker.stages.")), None)
    place = _JOB.search(argv[-1]) if argv else None
    return (module.removeprefix("worker.stages."), place[1], place[2]) if module and place else None


def live_programs() -> dict[int, tuple[str, str]]:
    """Pid, and job and program, of every stage program on this machine that is neither stopped nor ended.

    Reads /proc directly: it is asked several times a second beside the trainings.
    """
    found: dict[int, tuple[str, str]] = {}
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            argv = (entry / "cmdline").read_text().rstrip("\0").split("\0")
            if not any(word.startswith("worker.stages.") for word in argv):
                continue
            state, parent = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:2]
        except OSError:
            continue
        named = _named(argv)
        if named is not None and state not in "TtZX":
            found[int(entry.name)], parents[int(entry.name)] = (named[1], named[0]), int(parent)
    return {pid: program for pid, program in found.items() if parents[pid] not in found}  # not what a program forks


def _has(argv: list[str], words: tuple[str, ...]) -> bool:
    return all(word in argv for word in words)
