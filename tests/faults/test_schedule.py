"""The order of the faults."""

from itertools import islice
from random import Random

from tests.faults.schedule import WEIGHTS, schedule


def test_the_same_seed_gives_the_same_faults() -> None:
    first, second = (list(islice(schedule(Random(7), 15), 100)) for _ in range(2))
    assert first == second
    assert first != list(islice(schedule(Random(8), 15), 100))


def test_every_kind_comes_before_any_comes_again() -> None:
    kinds = [planned.kind for planned in islice(schedule(Random(7), 15), len(WEIGHTS))]
    assert sorted(kinds) == sorted(WEIGHTS)


def test_faults_are_as_far_apart_as_asked_for() -> None:
    waits_s = [planned.after_s for planned in islice(schedule(Random(7), 15), 400)]
    assert 14 < sum(waits_s) / len(waits_s) < 16
