"""How long a job takes on each device that a worker has: its training, and everything around it."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from core.architecture import Architecture
from core.durations import Span, history, phases_of
from core.estimate import Found, Pace
from core.memory import backend_of
from core.models import Job
from core.states import JobStatus
from core.training_time import computed_tokens_per_s, measured_tokens_per_s, training_span

REFERENCE_CARDS = ("NVIDIA L4", "NVIDIA A100", "NVIDIA H100")
"""Of these the time is computed where no worker is there."""


def paces(session: Session, found: Found) -> list[Pace]:
    """One for each device that a worker has; for the reference cards where there is none."""
    around = _around(session, found)
    measured = measured_tokens_per_s(session, found.spec.base_model)
    devices = sorted({worker.device for worker in found.workers}) or list(REFERENCE_CARDS)
    return [_pace(device, found.tokens(), found.architecture, measured, around) for device in devices]


def _pace(
    device: str, tokens: int | None, architecture: Architecture | None, measured: dict[str, Span], around: Span
) -> Pace:
    if tokens is None:
        return Pace(device, None, "the tokens of some stage are not known")
    backend = backend_of(device)
    if (speed := measured.get("cpu" if backend == "cpu" else device)) is not None:
        source = f"measured: {speed.low:.0f} to {speed.high:.0f} tokens/s in earlier jobs on this base model"
        return Pace(device, training_span(tokens, [speed]) + around, source)
    speed = computed_tokens_per_s(architecture, device, backend) if architecture is not None else None
    if speed is None:
        return Pace(device, None, "no earlier job on this base model, and no known speed of this device")
    source = f"computed, not measured: {speed.low:.0f} to {speed.high:.0f} tokens/s by operations and peak speed"
    return Pace(device, training_span(tokens, [speed]) + around, source)


def _around(session: Session, found: Found) -> Span:
    """Seconds of all phases but training, as they took in earlier jobs on the base, or a wide span."""
    known = history(session, found.spec.base_model)
    phases = phases_of(Job(spec=found.spec.model_dump(mode="json")))
    spans: Sequence[Span | None] = [known.span(phase, None) for phase in phases if phase[0] != JobStatus.TRAINING]
    return sum((span for span in spans if span is not None), Span(0, 0))
