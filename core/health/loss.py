"""Rules over the loss: that it does not rise, and does not fall because rows are learned by heart."""

import math
from collections import deque
from collections.abc import Sequence
from statistics import fmean

from core.health.findings import Finding, Step

LOW_LOSS = 0.3
_RISE_NATS, _RISE_SHARE = 0.2, 0.2
_ERRORS, _ERRORS_OF_LOWEST = 4.0, 6.0
"""Standard errors of the difference of two means; more where one of them is the lowest of many, and so low by luck."""
_START = 3


class LossRising:
    """The mean loss of a window against the lowest of those before it that it shares no step with, and the first steps.

    The first steps, whose rates are low, tell what the loss was before a high rate undid the model.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.start: list[float] = []
        self.losses: deque[float] = deque(maxlen=window)
        self.earlier: deque[tuple[float, float]] = deque(maxlen=window)
        self.lowest: tuple[float, float] | None = None

    def see(self, step: Step) -> Finding | None:
        if step.loss is None:
            return None
        if len(self.start) < _START:
            self.start.append(step.loss)
            return None
        self.losses.append(step.loss)
        if len(self.losses) < self.window:
            return None
        mean, spread = fmean(self.losses), _variance(self.losses)
        if len(self.earlier) == self.window:
            self.lowest = min(self.earlier[0], self.lowest or self.earlier[0])
        self.earlier.append((mean, spread))
        error2 = spread / self.window
        start_error = math.sqrt(error2 + max(spread, _variance(self.start)) / _START)
        found = self._above(step, mean, fmean(self.start), _ERRORS * start_error, "in its first steps")
        if found is None and self.lowest is not None:
            low, low_spread = self.lowest
            error = math.sqrt(error2 + low_spread / self.window)
            found = self._above(step, mean, low, _ERRORS_OF_LOWEST * error, "at its lowest")
        return found

    def _above(self, step: Step, mean: float, low: float, chance: float, when: str) -> Finding | None:
        bound = low + max(_RISE_NATS, _RISE_SHARE * low, chance)
        if mean <= bound:
            return None
        return Finding(
            kind="loss_rising",
            step=step.step,
            figure=round(mean, 4),
            bound=round(bound, 4),
            message=f"the loss rises: {mean:.3f} over the last {self.window} steps, and {low:.3f} {when}",
            advice="start a new job with a lower learning_rate or more warmup_steps; where it rises in a later epoch "
            "only, with fewer epochs",
        )


class Memorising:
    """A low loss on rows that were trained on before: in the first epoch it is only worth a note.

    There every row is new when its loss is taken, so the loss says how well the model does on unseen rows.
    """

    def __init__(self, window: int) -> None:
        self.losses: deque[float] = deque(maxlen=window)
        self.unseen: float | None = None

    def see(self, step: Step) -> Finding | None:
        if step.loss is None:
            return None
        if step.epoch > 1 and self.unseen is None:
            self.unseen = fmean(list(self.losses)[-max(1, len(self.losses) // 4) :] or [step.loss])
            self.losses.clear()
        self.losses.append(step.loss)
        if len(self.losses) < (self.losses.maxlen or 0):
            return None
        mean = fmean(self.losses)
        if mean >= LOW_LOSS:
            return None
        figures = {"step": step.step, "figure": round(mean, 4), "bound": LOW_LOSS}
        probability = f"the correct token has a probability of {math.exp(-mean):.0%}"
        if self.unseen is None:
            return Finding(
                kind="low_loss",
                level="note",
                **figures,
                message=f"the loss fell under {LOW_LOSS} within the first epoch ({probability}): the rows are easy, or "
                "much alike",
                advice="nothing if held-out rows do as well; otherwise look for near-duplicates in the data",
            )
        if mean > self.unseen / 2:
            return None
        return Finding(
            kind="memorising",
            **figures,
            message=f"the loss on rows that were seen before is {mean:.3f} ({probability}), and was {self.unseen:.3f} "
            "when they were new: the model learns them by heart",
            advice="start a new job with fewer epochs, more rows, a lower learning_rate or some lora.dropout",
        )


def _variance(values: Sequence[float]) -> float:
    """`statistics.variance` in floats alone: its exact fractions would take seconds for a long training."""
    mean = fmean(values)
    return sum((value - mean) ** 2 for value in values) / (len(values) - 1)
