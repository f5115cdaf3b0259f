"""Faults of the queue: doorbells lost and repeated, and races for one job."""

from random import Random

from api.admission import plan
from core import jobs
from core.spec import JobSpec
from tests.faults.cases.registry import case, has_result, nothing_runs
from tests.faults.faults import MANY, kill_valkey_and_its_file, ring, wait_s
from tests.faults.workload import SHORT, VARIANTS
from tests.faults.world import World
from tests.waiting import wait_until

TRIES = 12


@case
def doorbell_lost(world: World) -> None:
    """A job that is posted while Valkey is down is answered with 2xx, and claimed."""
    kill_valkey_and_its_file(world.system)
    _is_claimed(world, world.submit(SHORT[0]))


@case
def crash_between_commit_and_doorbell(world: World) -> None:
    """A job whose row was committed by a process that then died, before it could ring, is claimed."""
    spec = JobSpec.model_validate(VARIANTS[SHORT[0]])
    with world.system.session() as session:
        job_id = jobs.create(session, spec, plan(spec, {})).id
    _is_claimed(world, job_id)


@case
def doorbell_duplicated(world: World) -> None:
    """Many doorbells for one job make one run of it."""
    job_id = world.submit(SHORT[0])
    ring(world.system, MANY)
    world.wait_for_training(job_id, step=1)
    ring(world.system, MANY)
    world.system.wait_for(job_id, "succeeded")
    has_result(world, job_id, SHORT[0])
    assert len(world.runs(job_id)) == 1


@case
def cancel_during_claim(world: World) -> None:
    """A job that is cancelled around the moment of its claim is cancelled, and nothing of it runs on."""
    rng = Random(1)
    for attempt in range(TRIES):
        job_id = world.submit(SHORT[attempt % 2])
        wait_s(rng.uniform(0, 0.4))
        answer = world.system.request("POST", f"/jobs/{job_id}/cancel")
        assert answer.is_success, answer.text
        world.system.wait_for(job_id, "cancelled", deadline_s=120)
        nothing_runs(world, job_id)
        assert all(run.outcome == "cancelled" for run in world.runs(job_id))


@case
def two_workers_one_job(world: World) -> None:
    """Every worker hears of the same job at once, and one of them gets it."""
    for attempt in range(TRIES):
        job_id = world.submit(SHORT[attempt % 2])
        ring(world.system, 4)
        wait_until(lambda job_id=job_id: world.programs_of(job_id), 120, every_s=0.05)  # type: ignore[misc]
        assert len(world.programs_of(job_id)) == 1
        world.system.request("POST", f"/jobs/{job_id}/cancel")
        world.system.wait_for(job_id, "cancelled", deadline_s=120)
        assert len(world.runs(job_id)) == 1


def _is_claimed(world: World, job_id: str) -> None:
    """Some worker hears of the job in the end; more of it is not needed here."""
    wait_until(lambda: world.runs(job_id), 120, every_s=0.2)
    answer = world.system.request("POST", f"/jobs/{job_id}/cancel")
    assert answer.is_success, answer.text
    world.system.wait_for(job_id, "cancelled", deadline_s=120)
