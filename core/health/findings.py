"""What is said about a training: a finding names the rule, the step, the figure and its bound, and what to do."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["loss_rising", "memorising", "low_loss", "gradient_norm", "spike", "learning_rate"]


class Step(BaseModel):
    """One logged optimiser step, as the rules read it; `loss` and `grad_norm` are null where they were no numbers."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    step: int
    epoch: float
    loss: float | None
    grad_norm: float | None
    """Before clipping."""
    learning_rate: float


class Finding(BaseModel):
    """What one rule found."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    level: Literal["warning", "note"] = "warning"
    step: int = Field(description="where it was found first")
    figure: float
    bound: float = Field(description="what the figure was compared with")
    message: str
    advice: str = Field(description="what to do")
    times: int = Field(1, description="steps at which the rule found it")


class Health(BaseModel):
    """The verdict on a stage's training.  Losses are means over a window of steps, in nats per learned token.

    The probability of the correct token is exp(-loss): the geometric mean of what the model gave each of them.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    status: Literal["healthy", "unhealthy", "too_short"] = Field(
        description="unhealthy: there is a warning; too_short: none, but too few steps to compare any with others"
    )
    steps: int = Field(description="logged so far")
    window: int = Field(description="steps in a window")
    loss_first: float | None
    loss_lowest: float | None
    loss_last: float | None
    token_probability_first: float | None
    token_probability_last: float | None
    grad_norm_median: float | None
    grad_norm_max: float | None
    findings: tuple[Finding, ...]

    @property
    def warnings(self) -> list[Kind]:
        """The rules that warn."""
        return [finding.kind for finding in self.findings if finding.level == "warning"]

    def summary(self) -> str:
        """The verdict in a sentence."""
        says = {"healthy": "was healthy", "too_short": "was too short to judge", "unhealthy": "was not healthy"}
        verdict = ", ".join([f"The training of {self.stage} {says[self.status]}", *self.warnings])
        if self.token_probability_first is None or self.token_probability_last is None:
            return verdict
        return (
            f"{verdict}: the probability of the correct token went from {self.token_probability_first:.0%} to "
            f"{self.token_probability_last:.0%}"
        )
