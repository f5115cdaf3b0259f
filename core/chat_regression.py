"""Whether a stage has made a model worse at chat than the stage before: both measured on the same held-out rows.

The loss is compared row by row, since the same row is easy or hard for both models, and its tokens are not independent
of one another: a row is what was sampled.  The difference is that of the losses per token over all rows, so it is a
ratio of two sums, and its standard error that of a ratio estimator (Cochran 1977, chapter 6; for evaluations Miller
2024, arXiv:2411.00640).  Unlike a rank test it says how much, in the unit that a bound is set in; unlike a bootstrap it
is the same every time.  That answers stop, are empty or repeat themselves is compared by McNemar's test.
"""

import math
from collections.abc import Callable, Iterable, Mapping

from pydantic import BaseModel

from core.significance import Z95, compare

NOTABLE_LOSS_RISE = 0.05
"""Nats a token, a perplexity 5% higher: less is no regression, however sure it is."""
ALPHA = 0.01
"""Of each of the three shares; they are looked at together, and nobody asked which of them should change."""


class ChatRow(BaseModel, frozen=True):
    """One held-out row as one model does on it: its loss in nats, summed over `tokens`, and what its answer is like."""

    key: str
    """The same for the same row, whoever answers it."""
    nats: float
    tokens: int
    answer_tokens: int
    reference_tokens: int
    stopped: bool
    empty: bool
    repetitive: bool


class LossChange(BaseModel, frozen=True):
    """How much higher the loss is, in nats a token, with its 95% interval; below zero it has fallen."""

    value: float
    low: float
    high: float


class ShareChange(BaseModel, frozen=True):
    """Of the rows, how many became faulty and how many are so no longer; chance makes such a difference so often."""

    worse: int
    better: int
    p_value: float

    @property
    def is_worse(self) -> bool:
        """Whether the fault has become more frequent beyond chance."""
        return self.worse > self.better and self.p_value < ALPHA


class ChatRegression(BaseModel, frozen=True):
    """A model against the one before it, on the `rows` that both have answered."""

    before: str
    """The stage that it is compared with, or `base`."""
    rows: int
    loss: LossChange | None
    """None with fewer than two rows: one row says nothing about others."""
    unstopped: ShareChange
    empty: ShareChange
    repetitive: ShareChange

    def findings(self, max_loss_rise: float = NOTABLE_LOSS_RISE) -> list[str]:
        """What is worse beyond chance, in words; the loss, when its whole interval is above the bound."""
        found = []
        if self.loss is not None and self.loss.low > max_loss_rise:
            found.append(
                f"the held-out chat loss is {self.loss.value:.3f} higher than after {self.before} "
                f"({self.loss.low:.3f} to {self.loss.high:.3f}, over {self.rows} rows; bound {max_loss_rise:g})"
            )
        shares = {"do not stop": self.unstopped, "are empty": self.empty, "repeat themselves": self.repetitive}
        for fault, change in shares.items():
            if change.is_worse:
                found.append(
                    f"{change.worse} of {self.rows} chat answers {fault} and did not after {self.before}, "
                    f"{change.better} the other way round (p = {change.p_value:.2g})"
                )
        return found


def compare_chat(before: str, earlier: Iterable[ChatRow], later: Iterable[ChatRow]) -> ChatRegression | None:
    """The later model against the earlier one, which was measured at stage `before`; None without a common row."""
    known: Mapping[str, ChatRow] = {row.key: row for row in earlier}
    pairs = [(known[row.key], row) for row in later if row.key in known]
    if not pairs:
        return None
    return ChatRegression(
        before=before,
        rows=len(pairs),
        loss=_loss_change(pairs),
        unstopped=_share_change(pairs, lambda row: not row.stopped),
        empty=_share_change(pairs, lambda row: row.empty),
        repetitive=_share_change(pairs, lambda row: row.repetitive),
    )


def _loss_change(pairs: list[tuple[ChatRow, ChatRow]]) -> LossChange | None:
    """The difference of the losses per token, and the interval of a ratio of sums over rows."""
    rises = [(later.nats - earlier.nats, later.tokens) for earlier, later in pairs if later.tokens]
    n, tokens = len(rises), sum(count for _, count in rises)
    if n < 2:
        return None
    value = sum(rise for rise, _ in rises) / tokens
    spread = sum((rise - value * count) ** 2 for rise, count in rises)
    half = t95(n - 1) * math.sqrt(spread * n / (n - 1)) / tokens
    return LossChange(value=round(value, 4), low=round(value - half, 4), high=round(value + half, 4))


def _share_change(pairs: list[tuple[ChatRow, ChatRow]], is_faulty: Callable[[ChatRow], bool]) -> ShareChange:
    paired = compare((is_faulty(earlier), is_faulty(later)) for earlier, later in pairs)
    return ShareChange(worse=paired.won, better=paired.lost, p_value=paired.p_value)


def t95(degrees: int) -> float:
    """The two-sided 95% quantile of Student's t, by its expansion around the normal one (Abramowitz and Stegun 26.7.5).

    Good to 1% from 3 degrees of freedom on; below that the exact values.
    """
    if degrees <= 2:
        return (12.7062, 4.3027)[degrees - 1]
    z: float = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / float(degrees**power) for power, term in enumerate(terms, start=1))
