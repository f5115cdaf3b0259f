"""A few directed cases, against the real system with two workers; `make faults` runs all of them."""

from collections.abc import Iterator

import pytest

from tests.faults.cases import CASES
from tests.faults.system import FaultySystem
from tests.faults.world import World

CHEAPEST = ("crash_between_commit_and_doorbell", "cancel_during_claim", "two_workers_one_job")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    system = FaultySystem(tmp_path_factory.mktemp("faults"))
    system.start()
    yield World(system, print)
    system.stop()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CHEAPEST)
def test_a_fault_breaks_no_promise(world: World, name: str) -> None:
    CASES[name](world)
