"""How models go live, and what must hold before one does."""

from typing import Literal

from pydantic import Field

from core.spec.base import Name, Spec
from core.spec.evaluation import HELD_OUT


class DrainSpec(Spec):
    """How a new model waits for the answers that are under way, while new requests are held back."""

    timeout_s: float | None = Field(
        None, gt=0, le=86_400, description="longest wait; TUNESMITH_DRAIN_TIMEOUT_S when absent"
    )
    on_timeout: Literal["wait", "blue_green", "fail"] = Field(
        "wait",
        description="when answers still run then: wait for their end (which the endpoint's time limit bounds), let "
        "them end on the old weights while a second vLLM takes the new requests, or keep the old model",
    )


class SplitSpec(Spec):
    """A trial: a share of the alias's requests goes to the new model, which then takes all of them or none."""

    percent: int = Field(10, ge=1, le=99, description="of the alias's requests")
    min_requests: int = Field(100, ge=1, description="answers of the new model before it may take all requests")
    max_s: float = Field(3600, gt=0, le=7 * 86_400, description="then it is judged by what there is")
    max_error_rate: float = Field(0.02, ge=0, le=1, description="how far its share of errors may exceed the old one's")
    max_latency_ratio: float = Field(1.5, ge=1, description="of its median time to first token by the old one's")
    check_share: float = Field(0.1, ge=0, le=1, description="of its answers to requests with tools that are checked")
    max_bad_calls: float = Field(0.05, ge=0, le=1, description="share of those that call what was not offered")


SuiteMetric = Literal[
    "function_name_accuracy",
    "function_name_and_args_accuracy",
    "lenient_function_name_and_args_accuracy",
    "no_call_accuracy",
    "no_call_precision",
    "stop_rate",
]


class FloorSpec(Spec):
    """The least that a metric of a suite must be.  The lower end of its 95% interval counts: few rows prove little."""

    suite: Name = HELD_OUT
    metric: SuiteMetric = "function_name_and_args_accuracy"
    low: float = Field(gt=0, lt=1, description="of the interval's lower end, which no number of rows brings to 1")


class ConditionsSpec(Spec):
    """What must hold for one model."""

    floors: tuple[FloorSpec, ...] = Field((), max_length=32)
    max_chat_loss_rise: float | None = Field(
        None,
        ge=0,
        description="nats a token that the held-out chat loss may be above that of the stage before, by the upper "
        "end of the difference's 95% interval",
    )
    no_regression: bool = Field(
        False, description="not worse than what is live on the rows that both answered: one-sided McNemar test at 5%"
    )
    not_comparable: Literal["fail", "pass"] = Field(
        "fail", description="what `no_regression` does when what is live answered none of the rows and cannot be asked"
    )

    @property
    def ask_for_something(self) -> bool:
        """Whether there is a condition that can fail."""
        return bool(self.floors) or self.max_chat_loss_rise is not None or self.no_regression


class GateSpec(ConditionsSpec):
    """What must hold before a model goes live: its own conditions for the job's last model, `stages` for earlier ones.

    With a gate, an earlier stage's model that has no conditions of its own is measured, and goes live only where
    nothing else is.
    """

    stages: dict[Name, ConditionsSpec] = Field(default_factory=dict, max_length=8)


ServeAs = Literal["merged", "adapter"]


class DeploySpec(Spec):
    """Which models go live on the endpoint, how they are served, and how one takes the place of another."""

    when: Literal["each_stage", "last_stage", "never"] = "each_stage"
    serve_as: ServeAs = Field(
        "merged", description="merged: its weights replace those served; adapter: beside others on the served base"
    )
    drain: DrainSpec = DrainSpec()
    gate: GateSpec | None = Field(None, description="what must hold before a model goes live; nothing when absent")
    split: SplitSpec | None = Field(None, description="try it on a share of the requests first; not when absent")
