"""Faults of the processes that train: the worker, its child, the trainer, the launcher."""

from tests.faults.cases.registry import case, survives
from tests.faults.faults import FROZEN_S, freeze, kill, restart_launcher, thaw, until_gone, wait_s, worker_tree
from tests.faults.sampler import Sampler
from tests.faults.system import PATIENCE_S
from tests.faults.workload import LONGEST, TWO_STAGES
from tests.faults.world import Training, World
from tests.waiting import wait_until


@case
def worker_main_killed(world: World) -> None:
    """kill -9 of the worker's main process takes its child and the trainer along."""

    def strike(training: Training) -> None:
        kill([training.main])
        until_gone([training.child, training.trainer])

    survives(world, strike, run_is_lost=True)


@case
def worker_child_killed(world: World) -> None:
    """kill -9 of the process that holds the lease takes the trainer along."""

    def strike(training: Training) -> None:
        kill([training.child])
        until_gone([training.trainer])

    survives(world, strike, run_is_lost=True)


@case
def trainer_killed(world: World) -> None:
    """kill -9 of the trainer, as by a kernel short of memory."""
    job_id = survives(world, lambda training: _kill(training), run_is_lost=True)
    assert world.runs(job_id)[0].outcome == "broke_off"


@case
def trainer_killed_in_every_stage(world: World) -> None:
    """A job of two stages loses its trainer in both."""
    with Sampler() as sampler:
        job_id = world.submit(TWO_STAGES)
        for step in (1, 3):
            kill([world.wait_for_training(job_id, step).trainer])
        world.system.wait_for(job_id, "succeeded")
    verdict = world.verdict(job_id, TWO_STAGES)
    assert verdict.is_clean, verdict.reasons()
    assert not sampler.overlaps, sampler.overlaps
    assert len(world.runs(job_id)) == 3


@case
def trainer_frozen(world: World) -> None:
    """A trainer that stands still for longer than the lease goes on, under the lease that its worker kept."""

    def strike(training: Training) -> None:
        freeze([training.trainer])
        wait_s(FROZEN_S)
        thaw([training.trainer])

    survives(world, strike, run_is_lost=False)


@case
def worker_frozen(world: World) -> None:
    """A whole worker stands still until another has taken its job over, and thaws while that one trains."""

    def strike(training: Training) -> None:
        tree = worker_tree(training.main)
        freeze(tree)
        second = _next_trainer(world, training)
        thaw(tree)
        until_gone([training.trainer], 30)
        assert second.trainer.is_running(), "the thawed worker ended the trainer of the run that took over"

    survives(world, strike, run_is_lost=True)


@case
def worker_frozen_but_not_its_trainer(world: World) -> None:
    """The processes that keep the lease stand still while the trainer goes on: it must end before another begins.

    The training outlasts the lease by far; a short one is done before anybody misses its worker.
    """

    def strike(training: Training) -> None:
        keepers = [training.main, training.child]
        freeze(keepers)
        try:
            _next_trainer(world, training)
        finally:
            thaw(keepers)

    survives(world, strike, run_is_lost=True, variant=LONGEST)


@case
def launcher_killed(world: World) -> None:
    """kill -9 of the launcher ends everything; a new one goes on where the job was."""
    survives(world, lambda _: restart_launcher(world.system), run_is_lost=True)


def _kill(training: Training) -> None:
    kill([training.trainer])


def _next_trainer(world: World, first: Training) -> Training:
    """The trainer of the run that takes over."""
    found = wait_until(lambda: world.training(first.job_id, besides=first.trainer.pid), PATIENCE_S, every_s=0.1)
    assert found is not None
    return found
