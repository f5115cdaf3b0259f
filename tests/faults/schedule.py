"""Which fault comes when: drawn from a seed, so that a run can be repeated."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

WEIGHTS = {
    "trainer_kill": 4,
    "worker_kill": 3,
    "child_kill": 3,
    "worker_freeze": 2,
    "api_kill": 2,
    "ops_kill": 2,
    "beat_kill": 1,
    "gateway_kill": 1,
    "vllm_kill": 1,
    "launcher_kill": 1,
    "postgres_restart": 1,
    "postgres_kill": 1,
    "valkey_kill": 1,
    "valkey_kill_no_file": 1,
    "doorbells_many": 1,
    "doorbells_lost": 1,
}


@dataclass(frozen=True)
class Planned:
    """A fault, so many seconds after the one before."""

    after_s: float
    kind: str


def schedule(rng: Random, every_s: float) -> Iterator[Planned]:
    """Faults without end, `every_s` apart on average.

    Every kind comes once, in random order, before any comes again by its weight: so that short runs miss none.
    """
    kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
    first = rng.sample(kinds, len(kinds))
    while True:
        kind = first.pop() if first else rng.choices(kinds, weights)[0]
        yield Planned(rng.uniform(0.5, 1.5) * every_s, kind)
