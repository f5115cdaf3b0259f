"""Faults of the machine: a full disk, a clock that jumps."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.processes import kill_group
from core.processes import bound_to_this_process
from tests.faults.cases.queue import crash_between_commit_and_doorbell
from tests.faults.cases.registry import Skipped, case, has_result, survives
from tests.faults.faults import freeze, kill, thaw, wait_s
from tests.faults.system import ROOT, FaultySystem
from tests.faults.workload import LONG
from tests.faults.world import Training, World
from tests.waiting import wait_until

DAY_S = 86_400
SETTLED_S = 10
NOTICED_S = 60
"""Several leases and rounds of the reaper."""
DISK = "size=512m"
_PROGRAM = (sys.executable, "-m", "tests.faults.wrong_clock")
_WORKER = ("worker", "--without-gossip", "--without-mingle", "--loglevel", "warning")
_BEAT = ("beat", "--pidfile=", "--loglevel", "warning")


@case
def disk_full(world: World) -> None:
    """A full disk fails the job with a reason and keeps its checkpoints; with room again, a retry goes on from them."""
    world.prepare([LONG])
    with _on_a_small_disk(world) as small:
        system = small.system
        job_id = small.submit(LONG)
        small.wait_for_training(job_id)
        ballast = system.storage / "ballast"
        _fill(ballast)
        job = system.wait_for(job_id, "failed")
        assert job.error is not None
        assert job.error["code"] == "disk_full", job.error
        assert list(system.storage.glob(f"jobs/{job_id}/**/checkpoint-*/COMPLETE")), "no complete checkpoint is left"
        ballast.unlink()
        assert system.request("POST", f"/jobs/{job_id}/retry").is_success
        system.wait_for(job_id, "succeeded")
        has_result(small, job_id, LONG)


@case
def clock_of_a_worker_jumps(world: World) -> None:
    """A worker whose clock is an hour off, and jumps by days while it trains, keeps its lease and its job."""
    others = world.system.census().workers()
    with _wrong_clock(world, 3600, *_WORKER, "-Q", "jobs", "-n", "skewed@%h", "-P", "prefork", "-c", "1") as (
        program,
        clock,
    ):
        freeze(others)
        try:

            def strike(training: Training) -> None:
                assert training.main.pid == program.pid, "another worker took the job"
                for offset_s in (-2 * DAY_S, 2 * DAY_S):
                    before = _progress(world, training.job_id)
                    clock.write_text(str(offset_s))
                    wait_until(lambda before=before: _progress(world, training.job_id) != before, 120)  # type: ignore[misc]

            survives(world, strike, run_is_lost=False)
        finally:
            thaw(others)


@case
def clock_of_beat_jumps(world: World) -> None:
    """The clock behind the housekeeping goes back by a day: a worker that is lost then is still noticed."""
    right = [*world.system.census().ops(), *world.system.census().beat()]
    ops = (*_WORKER, "-Q", "ops", "-n", "skewed-ops@%h", "-P", "solo")
    freeze(right)
    try:
        with _wrong_clock(world, 0, *ops), _wrong_clock(world, 0, *_BEAT) as (_, clock):
            crash_between_commit_and_doorbell(world)  # only these two can ring for it: so both are at work
            clock.write_text(str(-DAY_S))
            wait_s(SETTLED_S)  # or a round that was due before the jump would do

            def strike(training: Training) -> None:
                kill([training.main])
                wait_until(lambda: world.runs(training.job_id)[0].outcome is not None, NOTICED_S, every_s=0.5)

            survives(world, strike, run_is_lost=True)
    finally:
        thaw(right)


@contextmanager
def _wrong_clock(world: World, offset_s: float, *arguments: str) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A Celery worker with a clock of its own, beside the system's; ended at the end of the block."""
    clock = world.system.home / "wrong-clock"
    clock.write_text(str(offset_s))
    with (world.system.home / "log" / "wrong-clock.log").open("ab") as log:
        program = subprocess.Popen(
            [*_PROGRAM, str(clock), "-A", "worker.app", *arguments],
            cwd=ROOT,
            env=world.system.service_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=bound_to_this_process(),
        )
    world.system.beside.add(program.pid)
    try:
        yield program, clock
    finally:
        world.system.beside.remove(program.pid)
        kill_group(program)


def _progress(world: World, job_id: str) -> object:
    return (world.system.job(job_id).progress or {}).get("step"), str(world.system.job(job_id).status)


@contextmanager
def _on_a_small_disk(world: World) -> Iterator[World]:
    """Another system, whose storage is a file system of its own; ended at the end of the block."""
    home = world.system.home / "small"
    system = FaultySystem(home, workers=1)
    system.storage.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", DISK, "tmpfs", str(system.storage)]
    done = subprocess.run(mount, capture_output=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"a small disk needs the right to mount: {done.stderr.decode().strip()}")
    try:
        system.start()
        yield World(system, world.say, world.references)
    finally:
        system.stop()
        subprocess.run(["umount", "--lazy", system.storage], check=True)
        shutil.rmtree(home, ignore_errors=True)


def _fill(ballast: Path) -> None:
    """Write until nothing more fits."""
    block = b"\0" * 65536
    descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
    try:
        while block:
            try:
                os.write(descriptor, block)
            except OSError as full:
                if full.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
    finally:
        with suppress(OSError):
            os.close(descriptor)
