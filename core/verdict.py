"""What a gate found out about a model: every condition with its figure, its bound, and whether it held.

It is kept with the model (`Model.gate`), and told with the events `gate.passed` and `gate.failed`.
"""

from collections.abc import Iterable
from typing import Self

from pydantic import BaseModel, ConfigDict, Field


class Condition(BaseModel):
    """One thing that must hold.  `passed` is null where it could not be judged, which fails nothing."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="`merge.…`, `SUITE.METRIC`, `chat.loss` or `live`")
    passed: bool | None
    text: str = Field(description="what was found and what is asked for, as a sentence")
    figure: float | None = None
    low: float | None = Field(None, description="lower end of the figure's 95% interval")
    high: float | None = Field(None, description="upper end of it")
    bound: float | None = Field(None, description="what is asked of the figure, or of the end of its interval")
    n: int | None = Field(None, description="how many rows, tokens or modules the figure is of")


class Verdict(BaseModel):
    """All conditions; a model passes when none has failed."""

    model_config = ConfigDict(frozen=True)

    passed: bool
    conditions: tuple[Condition, ...]

    @classmethod
    def of(cls, conditions: Iterable[Condition]) -> Self:
        found = tuple(conditions)
        return cls(passed=all(each.passed is not False for each in found), conditions=found)

    @property
    def failures(self) -> list[str]:
        """What did not hold, each with its figure and its bound."""
        return [each.text for each in self.conditions if each.passed is False]
