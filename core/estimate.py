"""The report of a preflight is made: what each stage needs, whether it fits, how long it takes, what to beware of."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from core.architecture import Architecture
from core.durations import Span
from core.fitting import COMMON_CARDS_GB, USABLE, Need, change_to_fit
from core.job_warnings import JobWarning, StageFacts, warnings_of
from core.lora import trainable_parameters
from core.memory import GIB, Backend, backend_of, longest_batch
from core.preflight_report import MemoryParts, MemoryReport, Report, StageReport, TimeReport, Verdict
from core.preparation import Preparation
from core.spec import JobSpec, StageSpec


@dataclass(frozen=True)
class WorkerSeen:
    """A worker's name, device and memory."""

    name: str
    device: str
    memory_bytes: int


@dataclass(frozen=True)
class Found:
    """What is known of a job: the model, its prepared stages, and the workers that there are."""

    spec: JobSpec
    architecture: Architecture | None
    preparations: dict[str, Preparation]
    workers: Sequence[WorkerSeen]

    @property
    def exact(self) -> Architecture | None:
        """The model's sizes, unless they are an estimate."""
        return self.architecture if self.architecture is not None and self.architecture.is_exact else None

    def needs(self) -> list[Need]:
        """What each stage needs memory for."""
        if self.architecture is None:
            return []
        return [self._need(number, stage, self.architecture) for number, stage in enumerate(self.spec.stages)]

    def _need(self, number: int, stage: StageSpec, architecture: Architecture) -> Need:
        prepared = self.preparations.get(stage.name)
        batch = longest_batch(stage, prepared.rows, prepared.longest) if prepared else longest_batch(stage)
        return Need(number, stage, architecture, batch)

    def tokens(self) -> int | None:
        """Tokens that the whole job goes through; None while some stage's are not known."""
        if self.preparations.keys() != {stage.name for stage in self.spec.stages}:
            return None
        return sum(_tokens(stage, self.preparations[stage.name]) for stage in self.spec.stages)


@dataclass(frozen=True)
class Pace:
    """How long a job takes on a device, and how that is known; `span` is None where it is not."""

    device: str
    span: Span | None
    source: str


def make(found: Found, paces: Sequence[Pace], price: float | None, currency: str) -> Report:
    """The report of what was found."""
    needs = found.needs()
    stages = [_stage(found, number, stage, needs) for number, stage in enumerate(found.spec.stages)]
    steps = [stage.steps for stage in stages if stage.steps is not None]
    workers = [
        _verdict(found, needs, one.name, one.memory_bytes / GIB, backend_of(one.device), usable=1)
        for one in found.workers
    ]
    cards = [_verdict(found, needs, f"{gb} GB card", gb, "cuda", usable=USABLE) for gb in COMMON_CARDS_GB]
    return Report(
        base_parameters=found.exact.parameters if found.exact else None,
        architecture_source=found.architecture.source if found.architecture else None,
        stages=stages,
        total_steps=sum(steps) if len(steps) == len(stages) else None,
        workers=[verdict for verdict in workers if verdict is not None],
        cards=[verdict for verdict in cards if verdict is not None],
        times=[_time(pace, price) for pace in paces],
        price_per_gpu_hour=price,
        currency=currency,
        warnings=[*_warnings(found), *_no_worker(workers)],
    )


def _stage(found: Found, number: int, stage: StageSpec, needs: Sequence[Need]) -> StageReport:
    prepared = found.preparations.get(stage.name)
    backends: list[Backend] = ["cuda", "cpu"]
    return StageReport(
        name=stage.name,
        preparation=prepared,
        masked_tokens=prepared.masked_tokens if prepared else None,
        steps=prepared.steps if prepared else None,
        trainable_parameters=trainable_parameters(found.exact, stage.lora) if found.exact else None,
        memory=[_memory(needs[number], backend, is_measured=prepared is not None) for backend in backends]
        if needs
        else [],
    )


def _memory(need: Need, backend: Backend, *, is_measured: bool) -> MemoryReport:
    memory = need.memory(backend)
    return MemoryReport(
        backend=backend,
        parts_gb=MemoryParts(**{name: round(size / GIB, 3) for name, size in asdict(memory).items()}),
        total_gb=round(memory.total / GIB, 2),
        rows=need.batch.rows,
        longest=need.batch.longest,
        basis="longest prepared row" if is_measured else "max_seq_length",
    )


def _verdict(
    found: Found, needs: Sequence[Need], name: str, memory_gb: float, backend: Backend, usable: float
) -> Verdict | None:
    """Of the hungriest stage; None where the model's sizes are not known at all."""
    if not needs and found.spec.memory_gb is None:
        return None
    room_gb = memory_gb * usable
    if found.spec.memory_gb is not None:
        needed_gb, changes = found.spec.memory_gb, []
    else:
        needed_gb = max(need.memory(backend).total for need in needs) / GIB
        changes = [change for need in needs if (change := change_to_fit(need, backend, room_gb * GIB)) is not None]
    return Verdict(
        name=name,
        memory_gb=round(memory_gb, 2),
        backend=backend,
        needed_gb=round(needed_gb, 2),
        fits=needed_gb <= room_gb,
        changes=changes,
    )


def _time(pace: Pace, price: float | None) -> TimeReport:
    if pace.span is None:
        return TimeReport(device=pace.device, seconds=None, source=pace.source, gpu_hours=None, cost=None)
    hours = (pace.span.low / 3600, pace.span.high / 3600)
    return TimeReport(
        device=pace.device,
        seconds=(round(pace.span.low), round(pace.span.high)),
        source=pace.source,
        gpu_hours=(round(hours[0], 3), round(hours[1], 3)),
        cost=None if price is None else (round(hours[0] * price, 2), round(hours[1] * price, 2)),
    )


def _warnings(found: Found) -> list[JobWarning]:
    exact = found.exact
    warnings: list[JobWarning] = []
    for number, stage in enumerate(found.spec.stages):
        prepared = found.preparations.get(stage.name)
        facts = StageFacts(
            number=number,
            stage=stage,
            steps=prepared.steps if prepared else None,
            preparation=prepared,
            trainable=trainable_parameters(exact, stage.lora) if exact else None,
            parameters=found.architecture.parameters if found.architecture else None,
        )
        warnings += warnings_of(facts)
    return warnings


def _no_worker(workers: Sequence[Verdict | None]) -> list[JobWarning]:
    known = [verdict for verdict in workers if verdict is not None]
    if not known or any(verdict.fits for verdict in known):
        return []
    largest = max(known, key=lambda verdict: verdict.memory_gb)
    message = (
        f"no worker that is there can train the job: the largest, {largest.name}, has {largest.memory_gb:g} GB and the "
        f"job needs {largest.needed_gb:g} GB, so it would wait, or run out of memory; "
    )
    what = "; ".join(largest.changes) or "lower memory_gb, or start a larger worker"
    return [JobWarning(code="no_worker_fits", message=message + what, param=None)]


def _tokens(stage: StageSpec, prepared: Preparation) -> int:
    """Tokens of all epochs, or of as many steps as the stage may take."""
    whole = stage.model_copy(update={"max_steps": None}).steps(prepared.rows)
    return round(prepared.tokens * stage.epochs * prepared.steps / max(1, whole))
