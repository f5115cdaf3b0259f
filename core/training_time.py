"""How long a stage's training takes, in seconds at best and at worst, and where that figure comes from.

Measured where earlier jobs on the same base say how many tokens a second such a worker learns; otherwise from the
operations that a token costs and what the device does in a second, which is marked as such and a wide range.
"""

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Text, func, literal_column, select
from sqlalchemy.orm import Session

from core.architecture import Architecture
from core.durations import Span
from core.memory import Backend
from core.models import Job, Metric

_JOBS = 20
_SLACK = 0.1
_TERAFLOPS = {
    # Dense BF16 (FP16 for the T4) with 32-bit sums, as the makers' data sheets state.
    "T4": 65, "L4": 121, "A10": 125, "A100": 312, "L40S": 362, "H100": 989, "H200": 989,
    "RTX 3090": 71, "RTX 4090": 165, "RTX A6000": 155,
}  # fmt: skip
_UTILISATION = (0.15, 0.5)
"""Share of a card's peak that LoRA training of one GPU reaches, as published for QLoRA trainers."""
_CORE_GIGAFLOPS = (15, 150)
"""Of one core of a CPU in BF16: without and with instructions for it."""


def measured_tokens_per_s(session: Session, base_model: str) -> dict[str, Span]:
    """Useful tokens a second of the latest jobs on the base, slowest and fastest, by the device that they ran on."""
    # Both spelled as in their index (`core.durations.history`).
    base, succeeded = literal_column("(jobs.spec ->> 'base_model')", Text), literal_column("'succeeded'", Text)
    latest = select(Job.id, Job.device).where(Job.status == succeeded, base == base_model)
    jobs = latest.order_by(Job.seq.desc()).limit(_JOBS).subquery()
    speeds = session.execute(
        select(jobs.c.device, func.percentile_cont(0.5).within_group(Metric.tokens_per_s))
        .join(Metric, Metric.job_id == jobs.c.id)
        .where(Metric.tokens_per_s > 0)
        .group_by(jobs.c.id, jobs.c.device, Metric.stage)
    )
    found: dict[str, list[float]] = {}
    for device, tokens_per_s in speeds:
        found.setdefault(device_kind(device), []).append(float(tokens_per_s))
    return {kind: Span(min(seen) * (1 - _SLACK), max(seen) * (1 + _SLACK)) for kind, seen in found.items()}


def device_kind(device: dict[str, Any] | None) -> str:
    """What one device has in common with others as fast: a GPU's name, or `cpu`."""
    return str(device["name"]) if device and device.get("backend") == "cuda" else "cpu"


def computed_tokens_per_s(architecture: Architecture, device: str, backend: Backend) -> Span | None:
    """Tokens a second by arithmetic, padding included; None for a device whose speed is not known."""
    flops = _flops_per_s(device, backend)
    if flops is None:
        return None
    # Forward and backward through frozen weights are 2 + 2 a weight; checkpointing on the GPU goes forward again.
    per_token = (6 if backend == "cuda" else 4) * architecture.parameters
    return Span(flops.low / per_token, flops.high / per_token)


def training_span(tokens: int, tokens_per_s: Iterable[Span]) -> Span:
    """Seconds for so many tokens."""
    speeds = list(tokens_per_s)
    return Span(tokens / max(s.high for s in speeds), tokens / min(s.low for s in speeds))


def _flops_per_s(device: str, backend: Backend) -> Span | None:
    if backend == "cpu":
        cores = re.search(r"(\d+) (?:cores|threads)", device)
        number = int(cores[1]) if cores else 1
        return Span(number * _CORE_GIGAFLOPS[0] * 1e9, number * _CORE_GIGAFLOPS[1] * 1e9)
    known = [name for name in _TERAFLOPS if re.search(rf"\b{re.escape(name)}\b", device)]
    if not known:
        return None
    peak = _TERAFLOPS[max(known, key=len)] * 1e12
    return Span(peak * _UTILISATION[0], peak * _UTILISATION[1])
