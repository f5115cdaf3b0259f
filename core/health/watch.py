"""All rules over one stage's training: step by step while it runs, and over all its steps at the end.

Both ways are the same code over the same steps, so a verdict never differs from what was reported before it.
"""

import math
from collections.abc import Iterable
from statistics import fmean, median
from typing import Protocol

from core.health.findings import Finding, Health, Kind, Step
from core.health.gradient import GradientNorm
from core.health.loss import LossRising, Memorising
from core.health.schedule import LearningRate
from core.health.spikes import Spikes
from core.spec import StageSpec

SHORTEST_WINDOW, LONGEST_WINDOW = 10, 50


class Rule(Protocol):
    """Sees every step in order, and says what is wrong with it, if anything is.

    Every bound is argued in docs/training-health.md.  A rule that compares asks for a difference that matters and one
    that chance does not make, so that neither a noisy loss nor a tiny one is called ill.
    """

    def see(self, step: Step) -> Finding | None: ...


class HealthWatch:
    """Sees the steps of one stage, of which there will be `steps`."""

    def __init__(self, stage: StageSpec, steps: int) -> None:
        self.stage = stage
        self.window = min(LONGEST_WINDOW, max(SHORTEST_WINDOW, steps // 10))
        self.rules: tuple[Rule, ...] = (
            LossRising(self.window),
            Memorising(self.window),
            GradientNorm(self.window, stage.warmup_steps),
            Spikes(),
            LearningRate(stage, steps),
        )
        self.findings: dict[Kind, Finding] = {}
        self.steps: list[Step] = []

    def see(self, step: Step) -> list[Finding]:
        """What this step shows for the first time.  A step that a resumed run repeats is not looked at again."""
        if self.steps and step.step <= self.steps[-1].step:
            return []
        self.steps.append(step)
        new = []
        for found in (rule.see(step) for rule in self.rules):
            if found is None:
                continue
            if (known := self.findings.get(found.kind)) is None:
                new.append(found)
                self.findings[found.kind] = found
            else:
                self.findings[found.kind] = known.model_copy(update={"times": known.times + 1})
        return new

    def health(self) -> Health:
        """The verdict on the steps so far."""
        losses = [step.loss for step in self.steps if step.loss is not None]
        norms = [step.grad_norm for step in self.steps if step.grad_norm is not None]
        size = self.window
        firsts = range(max(1, len(losses) - size + 1)) if losses else ()
        means = [fmean(losses[first : first + size]) for first in firsts]
        findings = tuple(self.findings.values())
        is_short = len(self.steps) < 2 * SHORTEST_WINDOW
        is_ill = any(finding.level == "warning" for finding in findings)
        return Health(
            stage=self.stage.name,
            status="unhealthy" if is_ill else "too_short" if is_short else "healthy",
            steps=len(self.steps),
            window=size,
            loss_first=_rounded(means[0] if means else None),
            loss_lowest=_rounded(min(means, default=None)),
            loss_last=_rounded(means[-1] if means else None),
            token_probability_first=_probability(means[0] if means else None),
            token_probability_last=_probability(means[-1] if means else None),
            grad_norm_median=_rounded(median(norms) if norms else None),
            grad_norm_max=_rounded(max(norms, default=None)),
            findings=findings,
        )


def verdict(steps: Iterable[Step], stage: StageSpec, planned_steps: int | None) -> Health:
    """The health of a stage's training, from its logged steps; the schedule needs to know how many are planned."""
    logged = list(steps)
    watch = HealthWatch(stage, planned_steps or len(logged))
    for step in logged:
        watch.see(step)
    return watch.health()


def _probability(loss: float | None) -> float | None:
    return None if loss is None else round(math.exp(-loss), 4)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
