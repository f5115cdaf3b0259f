"""The list of directed cases, and what most of them share: a job that must survive one fault."""

from collections.abc import Callable

from tests.faults.sampler import Sampler
from tests.faults.verdict import BROKEN
from tests.faults.workload import LONG
from tests.faults.world import Training, World
from tests.waiting import wait_until

Case = Callable[[World], None]
CASES: dict[str, Case] = {}
LOST_STEPS = 2
"""A checkpoint is saved after every step: the one that runs is lost, and the one before when it was being saved."""


class Skipped(Exception):
    """The machine does not allow the case; the message says why."""


def case(function: Case) -> Case:
    """Register a case under its function's name."""
    CASES[function.__name__] = function
    return function


def survives(world: World, strike: Callable[[Training], None], *, run_is_lost: bool | None, variant: str = LONG) -> str:
    """Train, strike, and require the undisturbed result, once.

    With `run_is_lost` a second run must have made it, with False the first one; with None either may.
    """
    with Sampler() as sampler:
        job_id = world.submit(variant)
        training = world.wait_for_training(job_id)
        world.hit("case", world.programs_of(job_id))
        strike(training)
        world.system.wait_for(job_id, "succeeded")
    has_result(world, job_id, variant)
    assert not sampler.overlaps, sampler.overlaps
    runs = world.runs(job_id)
    if run_is_lost:
        assert len(runs) == 2, f"the job needed {[(run.attempt, run.outcome) for run in runs]}"
        assert runs[0].outcome in BROKEN, runs[0].outcome
    elif run_is_lost is False:
        assert len(runs) == 1, f"nothing was lost, yet: {[(run.attempt, run.outcome, run.reason) for run in runs]}"
    return job_id


def has_result(world: World, job_id: str, variant: str) -> None:
    """The job succeeded once with the undisturbed job's result, and trained hardly a step twice."""
    verdict = world.verdict(job_id, variant)
    assert verdict.is_clean, verdict.reasons()
    lost_runs = len(world.runs(job_id)) - 1
    assert verdict.redone_steps <= LOST_STEPS * lost_runs, f"{verdict.redone_steps} steps were trained again"


def nothing_runs(world: World, job_id: str) -> None:
    """No stage program of the job is left."""
    wait_until(lambda: not world.programs_of(job_id), 10, every_s=0.1)
