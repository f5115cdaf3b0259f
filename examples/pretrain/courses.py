"""The courses of pre-training: copying and filling in forms, choosing among topics, telling whether a form fits."""

from dataclasses import dataclass

from examples.pretrain.text import CHOOSING, COPYING, DECIDING, FITTING, Mixture

WARM_UP_STEPS = 60
LAST_RATE = 0.02  # of the peak


@dataclass(frozen=True)
class Course:
    """A mixture of text, how much of it, and how fast to learn.

    `short_share` of the steps take rows of 256 tokens, which are 40% faster and enough to learn copying;
    the rest take 512, which hold whole menus. The learning rate falls from `decay_from` of the steps on.
    """

    name: str
    mixture: Mixture
    steps: int
    short_share: float
    peak_lr: float
    decay_from: float

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, a plateau, then a straight line down."""
        done = step / self.steps
        fall = 1.0 if done < self.decay_from else max(LAST_RATE, (1 - done) / (1 - self.decay_from))
        return self.peak_lr * min(1.0, (step + 1) / WARM_UP_STEPS) * fall

    def row_length(self, step: int) -> int:
        """Tokens per row."""
        return 256 if step < self.short_share * self.steps else 512


COURSES = (
    Course("copying", COPYING, steps=5860, short_share=0.5, peak_lr=3e-3, decay_from=0.5),
    Course("choosing", CHOOSING, steps=1040, short_share=0.0, peak_lr=2e-3, decay_from=1.0),
    Course("fitting", FITTING, steps=1900, short_share=0.0, peak_lr=2e-3, decay_from=0.4),
    Course("deciding", DECIDING, steps=6000, short_share=0.0, peak_lr=2e-3, decay_from=0.74),
)


def at(courses: tuple[Course, ...], step: int) -> tuple[Course, int]:
    """The course that a step of the whole training falls into, and its number there."""
    for course in courses:
        if step < course.steps:
            return course, step
        step -= course.steps
    raise IndexError(f"the courses end before step {step}")
