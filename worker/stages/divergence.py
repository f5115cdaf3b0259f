"""Noticing that a training diverges: a loss or gradient norm that is no number, or a norm that explodes and stays so.

The rule for an exploding norm: above 1,000 and above 100 times the median of the norms before it, three steps in a
row.  One bad batch is no divergence (its gradient is clipped), and no norm is judged before ten were seen.
"""

import math
from collections import deque
from statistics import median

_ABOVE = 1e3
_TIMES_MEDIAN = 100
_IN_A_ROW = 3
_JUDGED_AFTER = 10


class DivergenceWatch:
    """Sees every optimiser step's loss and gradient norm (before clipping)."""

    def __init__(self) -> None:
        self.norms: deque[float] = deque(maxlen=50)
        self.exploded = 0

    @property
    def is_suspicious(self) -> bool:
        """Whether the last step may be the start of a divergence; a checkpoint of it is not to be trusted."""
        return self.exploded > 0

    def see(self, loss: float, norm: float | None) -> str | None:
        """Why this step means that the training has diverged, or None."""
        if not math.isfinite(loss):
            return f"the loss became {loss}"
        if norm is None:
            return None
        if not math.isfinite(norm):
            return f"the gradient norm became {norm}"
        if len(self.norms) >= _JUDGED_AFTER and norm > _ABOVE and norm > _TIMES_MEDIAN * (usual := median(self.norms)):
            self.exploded += 1
            if self.exploded >= _IN_A_ROW:
                return f"the gradient norm rose to {norm:.4g} from {usual:.4g} for {_IN_A_ROW} steps in a row"
            return None
        self.exploded = 0
        self.norms.append(norm)
        return None
