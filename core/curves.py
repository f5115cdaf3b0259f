"""Curves over the steps of a training, in few points that hide nothing: of each the least, the mean, the greatest."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Metric


@dataclass(frozen=True)
class Bucket:
    """Neighbouring steps, `first` to `last`, and their values."""

    first: int
    last: int
    low: float
    mean: float
    high: float


def loss_curve(session: Session, job_id: str, stage: str, points: int = 300) -> list[Bucket]:
    """The training loss of a stage in up to so many buckets of as many steps each, steps without a loss left out."""
    of_stage = (Metric.job_id == job_id, Metric.stage == stage)
    steps = session.scalar(select(func.max(Metric.step)).where(*of_stage)) or 0
    size = max(1, -(-steps // points))
    number = (Metric.step - 1) // size
    query = (
        select(*(each(Metric.step) for each in (func.min, func.max)))
        .add_columns(*(each(Metric.loss) for each in (func.min, func.avg, func.max)))
        .where(*of_stage, Metric.loss.is_not(None))
        .group_by(number)
        .order_by(number)
    )
    return [Bucket(*row) for row in session.execute(query)]
