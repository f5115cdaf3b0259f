"""Faults of the services around a running trainer: the api, the clock, Postgres, Valkey."""

import time
from collections.abc import Callable

from sqlalchemy import text

from tests.faults.cases.registry import case, has_result, survives
from tests.faults.faults import kill, kill_valkey_and_its_file, restart_postgres, until_gone
from tests.faults.system import LEASE_S
from tests.faults.workload import SHORT
from tests.faults.world import Training, World
from tests.waiting import wait_until

NOTICED_S = 60


@case
def api_killed(world: World) -> None:
    """A training does not notice that the api is gone, and the api comes back."""

    def strike(_: Training) -> None:
        kill(world.system.census().api())
        assert world.system.request("GET", "/jobs").is_success

    survives(world, strike, run_is_lost=False)


@case
def beat_killed(world: World) -> None:
    """Without its clock the service still notices that a worker is gone."""

    def strike(training: Training) -> None:
        assert kill(world.system.census().beat()) == 1
        kill([training.main])
        wait_until(lambda: world.runs(training.job_id)[0].outcome is not None, NOTICED_S, every_s=0.5)

    survives(world, strike, run_is_lost=True)


@case
def ops_worker_killed(world: World) -> None:
    """Housekeeping dies together with a worker, and comes back in time to notice that."""

    def strike(training: Training) -> None:
        kill([*world.system.census().ops(), training.main])

    survives(world, strike, run_is_lost=True)


@case
def postgres_killed(world: World) -> None:
    """kill -9 of Postgres: the server recovers, and the run keeps its lease if it was away for a moment only."""
    _postgres_away(world, lambda: _assert_one(kill(world.system.census().postgres())))


@case
def postgres_restarted(world: World) -> None:
    """A restart of Postgres in good order."""
    _postgres_away(world, lambda: restart_postgres(world.system))


@case
def valkey_killed(world: World) -> None:
    """kill -9 of Valkey, its file kept; then another job is heard of."""
    survives(world, lambda _: _assert_one(kill(world.system.census().valkey())), run_is_lost=False)
    _another_job(world)


@case
def valkey_killed_without_its_file(world: World) -> None:
    """kill -9 of Valkey, its file lost; then another job is heard of."""
    survives(world, lambda _: kill_valkey_and_its_file(world.system), run_is_lost=False)
    _another_job(world)


def _postgres_away(world: World, strike: Callable[[], None]) -> None:
    """The run outlives what is well below its lease; on a slow machine Postgres may take longer to come back."""
    away_s: list[float] = []

    def strike_and_wait(_: Training) -> None:
        servers = world.system.census().postgres()
        began = time.monotonic()
        strike()
        until_gone(servers, 30)
        world.system.rows(lambda session: session.execute(text("SELECT 1")))
        away_s.append(time.monotonic() - began)

    job_id = survives(world, strike_and_wait, run_is_lost=None)
    if away_s[0] < LEASE_S / 2:
        assert len(world.runs(job_id)) == 1, f"Postgres was away for {away_s[0]:.1f} s only, yet the run was lost"


def _assert_one(count: int) -> None:
    assert count == 1


def _another_job(world: World) -> None:
    job_id = world.submit(SHORT[0])
    world.system.wait_for(job_id, "succeeded")
    has_result(world, job_id, SHORT[0])
