"""How sure a share is, and whether two models differ: the interval of a proportion, and a test of paired verdicts."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Paired:
    """Two models' verdicts on the same `n` rows: `won` are right only by the newer one, `lost` only by the older.

    `p_value` is how often chance alone makes a difference as large as this, in either direction (McNemar's exact test).
    """

    n: int
    won: int
    lost: int
    p_value: float


def rate(outcomes: Iterable[bool]) -> dict[str, Any] | None:
    """`{"value", "n", "low", "high"}`: a share with its 95% Wilson interval, or None without any outcome."""
    values = list(outcomes)
    if not values:
        return None
    low, high = wilson(sum(values), len(values))
    share = sum(values) / len(values)
    return {"value": round(share, 4), "n": len(values), "low": round(low, 4), "high": round(high, 4)}


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95% score interval of a proportion (Wilson 1927), which also holds near 0 and 1."""
    share, z2 = successes / n, Z95 * Z95
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def compare(verdicts: Iterable[tuple[bool, bool]]) -> Paired:
    """The older and the newer model's verdict on each row that both answered."""
    pairs = list(verdicts)
    won, lost = pairs.count((False, True)), pairs.count((True, False))
    return Paired(n=len(pairs), won=won, lost=lost, p_value=mcnemar(won, lost))


def mcnemar(won: int, lost: int) -> float:
    """The two-sided exact p-value of McNemar's test: were they equal, each differing row would be a fair coin."""
    n = won + lost
    tail = sum(math.comb(n, k) for k in range(min(won, lost) + 1))
    return min(1.0, 2 * tail / (1 << n))
