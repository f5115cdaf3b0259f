"""Rule over the learning rate: it is what the stage's schedule plans for each optimiser step."""

import math

from core.health.findings import Finding, Step
from core.spec import StageSpec

_TOLERANCE = 1e-3  # of the schedule's highest rate


class LearningRate:
    """The rate is the one that the stage's schedule plans for the step."""

    def __init__(self, stage: StageSpec, steps: int) -> None:
        self.stage, self.steps = stage, steps

    def see(self, step: Step) -> Finding | None:
        plan = planned(self.stage, step.step, self.steps)
        if abs(step.learning_rate - plan) <= _TOLERANCE * self.stage.learning_rate:
            return None
        schedule = f"{self.stage.lr_scheduler} with {self.stage.warmup_steps} warm-up steps"
        return Finding(
            kind="learning_rate",
            step=step.step,
            figure=step.learning_rate,
            bound=plan,
            message=f"the learning rate of step {step.step} is {step.learning_rate:.3g}, where the schedule "
            f"({schedule}, {self.steps} steps) plans {plan:.3g}",
            advice="the training does not do what its spec says: look into the trainer's log (sft.log), and report it",
        )


def planned(stage: StageSpec, step: int, steps: int) -> float:
    """The rate of step `step` (from 1) of `steps`, as `transformers.get_scheduler` makes it.

    It rises in a straight line over the warm-up, whose first step has a rate of 0, then follows the schedule, which
    would reach 0 one step after the last.
    """
    done = step - 1
    if done < stage.warmup_steps:
        return stage.learning_rate * done / stage.warmup_steps
    progress = (done - stage.warmup_steps) / max(1, steps - stage.warmup_steps)
    match stage.lr_scheduler:
        case "cosine":
            return stage.learning_rate * max(0.0, 0.5 * (1 + math.cos(math.pi * progress)))
        case "linear":
            return stage.learning_rate * max(0.0, 1 - progress)
        case "constant":
            return stage.learning_rate
