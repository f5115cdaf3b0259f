"""The scorecard of a job: what was measured on each of its models, and how they differ row by row."""

from typing import Any, Literal

from pydantic import Field

from core.cost import JobCost
from core.health import Health
from core.scorecard.figures import Frozen, Scores
from core.verdict import Verdict

Reason = Literal["stage_before", "live_before", "base", "asked"]
Difference = Literal["better", "worse", "no_difference"]
ALPHA = 0.05
"""A difference that chance alone makes less often than this is called one."""


class ModelAnswer(Frozen):
    """What one model answered, and the verdict."""

    calls: list[Any]
    content: str
    finish_reason: str
    correct: bool
    fault: str | None = Field(description="why it is wrong; null when it is right")


class Example(Frozen):
    """A row that one model gets right and the other does not."""

    id: str = Field(description="of the newer model's answer in `GET /jobs/{job_id}/answers`")
    kind: str
    question: str = Field(description="the user's last message")
    tools: list[str] = Field(description="the functions on offer")
    expected: list[Any] = Field(description="the accepted calls; empty where no call is right")
    older: ModelAnswer
    newer: ModelAnswer


class PairedFigures(Frozen):
    """Two models on the same `n` rows of a suite."""

    n: int
    won: int = Field(description="rows that only the newer model gets right")
    lost: int = Field(description="rows that only the older one gets right")
    p_value: float = Field(description="how often chance alone makes such a difference (McNemar's exact test)")
    difference: Difference = Field(description=f"`no_difference` unless `p_value` is below {ALPHA}")
    examples_won: tuple[Example, ...] = Field(description="the first of them")
    examples_lost: tuple[Example, ...]


class Side(Frozen):
    """One of two compared models."""

    name: str = Field(description="the stage's name, `base`, or the model's id where another job made it")
    model: str


class Comparison(Frozen):
    """A model against an older one, on the rows of each suite that both have answered."""

    reason: Reason = Field(description="why with this older one: `asked` for, or what it was to the newer one")
    older: Side
    newer: Side
    suites: dict[str, PairedFigures] = Field(description="empty where the two have no row in common")


class StageCard(Frozen):
    """One model of the job: the base, or what a stage made."""

    name: str = Field(description="`base`, or the stage's name")
    model: str
    measured_at: int = Field(description="Unix seconds")
    scores: Scores
    gate: Verdict | None = Field(None, description="what had to hold before it went live, and whether it did")


class Scorecard(Frozen):
    """The models of a job: base first, then the stages in their order, and how each differs from those before it."""

    object: Literal["job.scorecard"] = "job.scorecard"
    job_id: str
    base_model: str
    status: str = Field(description="of the job: until it has ended, later stages may be missing")
    headline: str | None = Field(description="the suite whose figures come first; null when the job has none")
    stages: tuple[StageCard, ...]
    comparisons: tuple[Comparison, ...]
    health: tuple[Health, ...] = Field((), description="of each stage's training, judged from its steps so far")
    cost: JobCost | None = Field(None, description="what the job took so far, and 1,000 answers of each model")

    @property
    def suites(self) -> list[str]:
        """The names of all suites, the headline first."""
        names = {name for stage in self.stages for name in stage.scores.suites}
        return sorted(names, key=lambda name: (name != self.headline, name))
