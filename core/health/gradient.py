"""Rule over the gradient norm: it stays within a band.

`worker.stages.divergence` stops a training whose norm explodes; this one tells of far less.
"""

from collections import deque
from statistics import fmean, median

from core.health.findings import Finding, Step

MOST_NORM, LEAST_NORM = 10.0, 1e-4
_LEFT_TO_LEARN = 0.05


class GradientNorm:
    """The median of a window's gradient norms, before clipping to 1, once the training is under way.

    Norms of the warm-up and of the first window say what the model was like before: 17 in jobs that went well.
    """

    def __init__(self, window: int, warmup_steps: int) -> None:
        self.begins = max(window, warmup_steps)
        self.norms: deque[float] = deque(maxlen=window)
        self.losses: deque[float] = deque(maxlen=window)

    def see(self, step: Step) -> Finding | None:
        if step.step <= self.begins or step.loss is None or step.grad_norm is None:
            return None
        self.norms.append(step.grad_norm)
        self.losses.append(step.loss)
        if len(self.norms) < (self.norms.maxlen or 0):
            return None
        usual = median(self.norms)
        if usual > MOST_NORM:
            message = f"the gradient norm is {usual:.3g} in the median of {len(self.norms)} steps, and is cut to 1"
            return _norm(step, usual, MOST_NORM, message, "start a new job with a lower learning_rate or more warm-up")
        if usual < LEAST_NORM and fmean(self.losses) > _LEFT_TO_LEARN:
            message = f"the gradient norm is {usual:.3g} in the median of {len(self.norms)} steps: next to nothing is "
            advice = "look whether the rows hold tokens to learn (`GET /jobs/{job_id}/preview`), or raise learning_rate"
            return _norm(step, usual, LEAST_NORM, message + "learned, though there is something to learn", advice)
        return None


def _norm(step: Step, figure: float, bound: float, message: str, advice: str) -> Finding:
    return Finding(
        kind="gradient_norm", step=step.step, figure=float(f"{figure:.4g}"), bound=bound, message=message, advice=advice
    )
