"""The mass run: jobs posted one after another while faults of every kind come at random, then the verdict on all."""

import threading
import time
import uuid
from dataclasses import dataclass, field
from random import Random

from kombu.exceptions import OperationalError as BrokerAway
from redis import RedisError
from sqlalchemy import func, select

from core.models import Job
from core.states import FINAL
from tests.faults.cases.serving import has_vllm, live_model, serves
from tests.faults.faults import Faults, Later
from tests.faults.sampler import Sampler
from tests.faults.schedule import schedule
from tests.faults.verdict import Promise, Verdict, judge, recoveries
from tests.faults.workload import VARIANTS
from tests.faults.world import World

_WEIGHTS = {"short-one": 4, "short-two": 4, "two-stages": 1}
SETTLE_S = 300
"""With no more faults, some job must end at least this often; else those left are lost."""


@dataclass
class MassResult:
    """What was done, and the verdict."""

    promises: list[Promise]
    wanted: int
    faults: dict[str, int]
    verdict: Verdict
    recovered_s: list[float]
    minutes: float
    longest_overlap_s: float


@dataclass
class _Poster:
    """Posts jobs, at most `ahead` of those that have ended, until there are enough or it is told to stop."""

    world: World
    rng: Random
    wanted: int
    ahead: int
    promises: list[Promise] = field(default_factory=list)
    failure: BaseException | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        try:
            while len(self.promises) < self.wanted and not self.stop.wait(0.5):
                if unfinished(self.world) < self.ahead:
                    variant = self.rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
                    key = uuid.UUID(int=self.rng.getrandbits(128)).hex
                    self.promises.append(Promise(self.world.system.submit(VARIANTS[variant], key), variant))
        except BaseException as error:
            self.failure = error
            raise


def run(world: World, wanted: int, seed: int, limit_minutes: float, every_s: float) -> MassResult:
    """Post `wanted` jobs under faults, stop both when the time is over, and judge once everything has settled.

    A model is live from the start, where there is a vLLM; the endpoint must serve it again at the end.
    """
    rng, served = Random(seed), live_model(world) if has_vllm() else None
    began = time.monotonic()
    poster = _Poster(world, Random(seed + 1), wanted, ahead=3 * world.system.workers)
    thread = threading.Thread(target=poster.run, name="poster", daemon=True)
    with Sampler() as sampler:
        thread.start()
        counts = _faults(world, Faults(world.system, rng), rng, poster, began + 60 * limit_minutes, every_s)
        poster.stop.set()
        thread.join()
        _settle(world)
    if served is not None:
        serves(world, served)
    minutes = (time.monotonic() - began) / 60
    if poster.failure is not None:
        raise poster.failure
    world.prepare(sorted({promise.variant for promise in poster.promises}))
    system = world.system
    verdict = system.rows(
        lambda session: judge(session, system.storage, poster.promises, world.references, sampler.overlaps)
    )
    recovered = system.rows(lambda session: recoveries(session, world.hits))
    longest = max(sampler.longest_s.values(), default=0.0)
    return MassResult(poster.promises, wanted, counts, verdict, recovered, minutes, longest)


def _faults(world: World, faults: Faults, rng: Random, poster: _Poster, until: float, every_s: float) -> dict[str, int]:
    """Strike by the schedule until all jobs have ended or the time is over; returns how often each kind did."""
    counts: dict[str, int] = {}
    undo: list[Later] = []
    plan = schedule(rng, every_s)
    planned = next(plan)
    due = time.monotonic() + planned.after_s
    while time.monotonic() < until and poster.failure is None:
        undo = _undone(undo)
        if time.monotonic() >= due:
            if _strike(world, faults, planned.kind, undo):
                counts[planned.kind] = counts.get(planned.kind, 0) + 1
                _say_progress(world, planned.kind, sum(counts.values()), len(poster.promises), poster.wanted)
            planned = next(plan)
            due = time.monotonic() + planned.after_s
        if len(poster.promises) == poster.wanted and unfinished(world) == 0:
            break
        time.sleep(0.25)
    while undo:
        undo = _undone(undo)
        time.sleep(0.1)
    return counts


def _strike(world: World, faults: Faults, kind: str, undo: list[Later]) -> bool:
    """One fault; False when what it is aimed at was down."""
    at_s = time.time()
    try:
        hit, later = faults.strike(kind)
    except (RedisError, BrokerAway, LookupError) as error:
        world.say(f"fault {kind} missed: {error}")
        return False
    world.hit(kind, hit, at_s)
    if later is not None:
        undo.append((time.monotonic() + later[0], later[1]))
    return True


def _undone(undo: list[Later]) -> list[Later]:
    """Undo what is due, and return the rest."""
    now = time.monotonic()
    for due, action in undo:
        if due <= now:
            action()
    return [later for later in undo if later[0] > now]


def unfinished(world: World) -> int:
    """How many jobs have not ended."""
    query = select(func.count()).select_from(Job).where(Job.status.not_in(FINAL))
    return int(world.system.rows(lambda session: session.scalar(query), patience_s=120))


def _settle(world: World) -> None:
    """Wait until every job has ended, as long as some job still does."""
    left, changed = unfinished(world), time.monotonic()
    while left and time.monotonic() - changed < SETTLE_S:
        time.sleep(1)
        if (now := unfinished(world)) != left:
            world.say(f"settling: {now} jobs have not ended")
            left, changed = now, time.monotonic()


def _say_progress(world: World, kind: str, faults: int, posted: int, wanted: int) -> None:
    world.say(f"fault {faults} {kind}; posted {posted} of {wanted}, {unfinished(world)} have not ended")
