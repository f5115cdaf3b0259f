"""What a job took and cost: training by the stage, its runs as a whole, and what 1,000 answers of each model cost.

A worker has one accelerator, so an hour of it is a GPU-hour; where it trains on the CPU, its hours count alike, as in
the preflight's estimate, and `device` says so.  Costs are at the price that is set now, and null where none is.

1,000 answers take `1000 * answer_tokens / tokens_per_s` seconds of the GPU: the speed is the measured one with eight
clients, the time for their prompts included, and the length is the mean of the model's own answers to the held-out
chat rows, or the measured size where there are none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.models import Evaluation, Job, Phase, Run
from core.settings import get_settings
from core.states import JobStatus
from core.training_time import device_kind

_ANSWERS = 1000


class Spent(BaseModel, frozen=True):
    """Time of a worker, and what it cost."""

    seconds: float
    gpu_hours: float
    cost: float | None

    @classmethod
    def of(cls, seconds: float, price: float | None) -> "Spent":
        """At so much for an hour."""
        hours = seconds / 3600
        cost = None if price is None else round(hours * price, 4)
        return cls(seconds=round(seconds, 1), gpu_hours=round(hours, 4), cost=cost)


class AnswerCost(BaseModel, frozen=True):
    """What 1,000 answers of `answer_tokens` tokens take when eight clients ask at a time."""

    answer_tokens: float
    tokens_per_s: float
    per_1000: Spent


class JobCost(BaseModel, frozen=True):
    """All that a job took; `training` and `answers` by the stage, the latter for each model that was measured."""

    device: str
    price_per_gpu_hour: float | None
    currency: str
    training: dict[str, Spent]
    total: Spent
    """All runs from their start to their end: preparing, training, merging, deploying and measuring."""
    answers: dict[str, AnswerCost]


def of_job(session: Session, job: Job) -> JobCost:
    """What the job has cost so far; a run that goes on counts until now."""
    settings = get_settings()
    price = settings.gpu_hour_price
    evaluations = session.scalars(select(Evaluation).where(Evaluation.job_id == job.id).order_by(Evaluation.created_at))
    costs = {one.stage: answer_cost(one.scores, price) for one in evaluations}
    return JobCost(
        device=device_kind(job.device),
        price_per_gpu_hour=price,
        currency=settings.currency,
        training={stage: Spent.of(seconds, price) for stage, seconds in _training_s(session, job)},
        total=Spent.of(_run_s(session, job), price),
        answers={stage: cost for stage, cost in costs.items() if cost is not None},
    )


def answer_cost(scores: Mapping[str, Any], price: float | None) -> AnswerCost | None:
    """From a model's scores; None where its speed was not measured."""
    speed, chat = scores.get("speed"), scores.get("chat")
    if speed is None or not speed["8"]["tokens_per_s"]:
        return None
    tokens_per_s = speed["8"]["tokens_per_s"]
    answer_tokens = (chat["answer_tokens"]["mean"] if chat else None) or speed["answer_tokens"]
    seconds = _ANSWERS * answer_tokens / tokens_per_s
    return AnswerCost(answer_tokens=answer_tokens, tokens_per_s=tokens_per_s, per_1000=Spent.of(seconds, price))


def _training_s(session: Session, job: Job) -> Sequence[tuple[str, float]]:
    """Seconds of each stage's training, over all runs, in order of the stages."""
    until = func.coalesce(Phase.ended_at, func.clock_timestamp())
    rows = session.execute(
        select(Phase.stage, func.sum(func.extract("epoch", until - Phase.started_at)))
        .where(Phase.job_id == job.id, Phase.status == JobStatus.TRAINING)
        .group_by(Phase.stage)
        .order_by(func.min(Phase.started_at))
    )
    return [(stage, float(seconds)) for stage, seconds in rows]


def _run_s(session: Session, job: Job) -> float:
    until = func.coalesce(Run.ended_at, func.clock_timestamp())
    seconds = func.sum(func.extract("epoch", until - Run.started_at))
    return float(session.scalar(select(seconds).where(Run.job_id == job.id)) or 0)
