"""How a job's training went, step by step, as the CSV that OpenAI's API has for it.

One row a step, counted through all stages.  A cell is empty where nothing was measured: the accuracies always are, and
the validation loss is known of the last step of a stage, whose model was measured on the held-out chat rows.
"""

import csv
import io
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.job_steps import steps_before
from core.models import Evaluation, Job, Metric

COLUMNS = ("step", "train_loss", "train_accuracy", "valid_loss", "valid_mean_token_accuracy")


def as_csv(session: Session, job: Job) -> str:
    """The header and a row for every step."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for stage, before in steps_before(job.plan).items():
        steps = session.execute(
            select(Metric.step, Metric.loss).where(Metric.job_id == job.id, Metric.stage == stage).order_by(Metric.step)
        ).all()
        measured = session.get(Evaluation, (job.id, stage))
        for step, loss in steps:
            valid_loss = validation_loss(measured) if step == steps[-1].step else None
            table.writerow([before + step, _cell(loss), "", _cell(valid_loss), ""])
    return text.getvalue()


def validation_loss(measured: Evaluation | None) -> float | None:
    """The loss of a model on the held-out chat rows, if it was measured on any."""
    loss: dict[str, Any] | None = None if measured is None else (measured.scores.get("chat") or {}).get("loss")
    return None if loss is None else float(loss["value"])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"
