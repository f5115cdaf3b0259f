"""The faults themselves: each does one thing to a running system, by signal, by file or by message."""

import shutil
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random

import psutil

from core.queue import CLAIM, JOBS, celery_broker_url
from tests.faults.census import Census, Program
from tests.faults.system import LEASE_S, FaultySystem

FROZEN_S = LEASE_S + 4
"""Longer than the lease and a round of the reaper."""
MANY = 50


def kill(processes: Iterable[psutil.Process]) -> int:
    """kill -9; returns how many there were."""
    return _send(processes, signal.SIGKILL)


def freeze(processes: Iterable[psutil.Process]) -> int:
    """SIGSTOP."""
    return _send(processes, signal.SIGSTOP)


def thaw(processes: Iterable[psutil.Process]) -> int:
    """SIGCONT."""
    return _send(processes, signal.SIGCONT)


def _send(processes: Iterable[psutil.Process], number: signal.Signals) -> int:
    count = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
            count += 1
    return count


def worker_tree(main: psutil.Process) -> list[psutil.Process]:
    """A worker, its child that runs the job, and the stage program; parents first, so that none notices the other."""
    with suppress(psutil.NoSuchProcess):
        return [main, *main.children(recursive=True)]
    return []


def hit_by(census: Census, struck: Iterable[psutil.Process]) -> list[Program]:
    """The trainers that run, unfrozen, among these processes or below them."""
    pids: set[int] = set()
    for process in struck:
        with suppress(psutil.NoSuchProcess):
            pids |= {p.pid for p in [process, *process.children(recursive=True)]}
    return [trainer for trainer in census.trainers() if trainer.process.pid in pids and _is_awake(trainer.process)]


def _is_awake(process: psutil.Process) -> bool:
    try:
        return process.status() not in {psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE}
    except psutil.NoSuchProcess:
        return False


def restart_postgres(system: FaultySystem) -> None:
    """A fast shutdown, as an administrator's restart does; the launcher starts the server again."""
    _send(system.census().postgres(), signal.SIGINT)


def kill_valkey_and_its_file(system: FaultySystem) -> None:
    """kill -9, and every message gone before the launcher starts it again."""
    kill(system.census().valkey())
    shutil.rmtree(system.home / "valkey" / "appendonlydir", ignore_errors=True)


def restart_launcher(system: FaultySystem) -> None:
    """kill -9 of the launcher, which takes everything along, and a new one."""
    system.kill_launcher()
    system.start()


def ring(system: FaultySystem, times: int = MANY) -> None:
    """Doorbells without a reason."""
    from celery import Celery  # loads slowly, and only two faults need it

    with system.redis() as client:
        url = "unix://" + str(client.connection_pool.connection_kwargs["path"])
    with Celery(broker=celery_broker_url(url), backend=None, set_as_current=False) as app:
        for _ in range(times):
            app.send_task(CLAIM, queue=JOBS)


def lose_doorbells(system: FaultySystem) -> None:
    """Every doorbell that waits is gone."""
    with system.redis() as client:
        client.delete(JOBS)


def until_gone(processes: Iterable[psutil.Process], deadline_s: float = 10) -> None:
    """Wait until the processes have ended."""
    _, alive = psutil.wait_procs(list(processes), timeout=deadline_s)
    assert not alive, f"{[p.pid for p in alive]} still live after {deadline_s:g} s"


Later = tuple[float, Callable[[], object]]
"""Something to do so many seconds from now: what a fault must undo."""


class Faults:
    """Faults by name, as a schedule calls them; `rng` chooses among several targets."""

    def __init__(self, system: FaultySystem, rng: Random) -> None:
        self.system, self.rng = system, rng

    def strike(self, kind: str) -> tuple[list[Program], Later | None]:
        """Do it; returns the trainers that it hit, and what must be undone later.  LookupError: it found no target."""
        census = self.system.census()
        match kind:
            case "worker_kill":
                return self._killed(census, self._one(census.workers()))
            case "child_kill":
                return self._killed(census, self._one([c for m in census.workers() for c in census.below(m)]))
            case "trainer_kill":
                return self._killed(census, self._one([p.process for p in census.programs()]))
            case "ops_kill":
                return self._killed(census, census.ops())
            case "beat_kill":
                return self._killed(census, census.beat())
            case "api_kill":
                return self._killed(census, census.api())
            case "gateway_kill":
                return self._killed(census, census.gateway())
            case "vllm_kill":
                return self._killed(census, census.vllm())
            case "worker_freeze":
                return self._frozen(census)
        hit = hit_by(census, census.workers()) if kind in _HITS_ALL else []
        _WHOLE[kind](self.system)
        return hit, None

    def _one(self, processes: list[psutil.Process]) -> list[psutil.Process]:
        return [self.rng.choice(sorted(processes, key=lambda p: p.pid))] if processes else []

    def _killed(self, census: Census, targets: list[psutil.Process]) -> tuple[list[Program], None]:
        hit = hit_by(census, targets)
        if kill(targets) == 0:
            raise LookupError("nothing of that kind runs")
        return hit, None

    def _frozen(self, census: Census) -> tuple[list[Program], Later | None]:
        targets = [tree for main in self._one(census.workers()) for tree in worker_tree(main)]
        hit = hit_by(census, targets[:1])
        if freeze(targets) == 0:
            raise LookupError("no worker runs")
        return hit, (FROZEN_S, lambda: thaw(targets))


_WHOLE: dict[str, Callable[[FaultySystem], None]] = {
    "launcher_kill": restart_launcher,
    "postgres_restart": restart_postgres,
    "postgres_kill": lambda system: (kill(system.census().postgres()), None)[1],
    "valkey_kill": lambda system: (kill(system.census().valkey()), None)[1],
    "valkey_kill_no_file": kill_valkey_and_its_file,
    "doorbells_many": ring,
    "doorbells_lost": lose_doorbells,
}
_HITS_ALL = {"launcher_kill", "postgres_restart", "postgres_kill"}


def wait_s(seconds: float) -> None:
    """Let a fault last: the one place where only time can pass."""
    time.sleep(seconds)
