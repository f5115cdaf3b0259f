"""Rule over single steps: none stands far above those before it, in its loss or its gradient norm."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

from core.health.findings import Finding, Step

_NATS, _NORM, _TIMES_NORM = 1.0, 2.0, 10.0
_SIGMAS = 6.0
_REMEMBERED, _LEAST_BEFORE = 40, 20
_NORMAL = 1.4826  # times the median distance from the median is a normal distribution's standard deviation


class Spikes:
    """One step whose loss, or gradient norm, stands far above those of the steps before it."""

    def __init__(self) -> None:
        self.losses: deque[float] = deque(maxlen=_REMEMBERED)
        self.norms: deque[float] = deque(maxlen=_REMEMBERED)

    def see(self, step: Step) -> Finding | None:
        found = _spike(step, "loss", step.loss, self.losses, least_more=_NATS)
        norm = _spike(step, "gradient norm", step.grad_norm, self.norms, least=_NORM, least_times=_TIMES_NORM)
        return found or norm


def _spike(
    step: Step,
    name: str,
    value: float | None,
    before: deque[float],
    *,
    least: float = 0.0,
    least_more: float = 0.0,
    least_times: float = 1.0,
) -> Finding | None:
    """Judge the value by those `before` it, then add it to them."""
    if value is None:
        return None
    earlier = list(before)
    before.append(value)
    if len(earlier) < _LEAST_BEFORE:
        return None
    usual = median(earlier)
    bound = max(least, usual + least_more, usual * least_times, _by_chance(earlier))
    if value <= bound:
        return None
    return Finding(
        kind="spike",
        step=step.step,
        figure=round(value, 4),
        bound=round(bound, 4),
        message=f"the {name} of step {step.step} is {value:.3g}, where {usual:.3g} is usual",
        advice="one bad batch does little harm, as its gradient is cut to 1; look for rows that are unlike the others, "
        "and lower learning_rate where there are many such steps",
    )


def _by_chance(values: Sequence[float]) -> float:
    """How high the next value may be by chance: six deviations of the logarithms, as losses and norms are skewed.

    Median and median distance stand for mean and deviation, so that a spike does not hide the next one.
    """
    logs = [math.log(max(value, 1e-9)) for value in values]
    usual = median(logs)
    return math.exp(usual + _SIGMAS * _NORMAL * median(abs(log - usual) for log in logs))
