"""Axes: round values between the ends of a range, and where a value lies on the paper."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` lie from `start` to `end` on the paper."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Where a value lies; one beyond the ends at the end."""
        span = self.high - self.low
        share = (min(max(value, self.low), self.high) - self.low) / span if span else 0.5
        return self.start + share * (self.end - self.start)


def round_values(low: float, high: float, most: int = 5) -> list[float]:
    """Up to `most + 1` multiples of 1, 2 or 5 times a power of ten, the first and last of which enclose the range."""
    span = high - low
    if span <= 0:
        low, high = low - 0.5, high + 0.5
        span = 1.0
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * each for each in (1, 2, 5, 10, 20) if _count(low, high, power * each) <= most)
    first = math.floor(low / step + 1e-9)
    return [round((first + n) * step, 10) for n in range(_count(low, high, step) + 1)]


def _count(low: float, high: float, step: float) -> int:
    """Steps that enclose the range."""
    return math.ceil(high / step - 1e-9) - math.floor(low / step + 1e-9)
