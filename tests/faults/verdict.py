"""Judging what faults did to jobs: lost, succeeded twice, a wrong result, work done again, time to recover."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.models import Run
from tests.faults.evidence import JobResult, StageResult, read_result

BROKEN = ("lease_expired", "broke_off", "drained")
"""Outcomes of a run that another one has to take over from."""


@dataclass(frozen=True)
class Promise:
    """A job that the api answered with 2xx, of a variant whose undisturbed result is known."""

    job_id: str
    variant: str


@dataclass(frozen=True)
class Hit:
    """A fault that found a trainer of the job running."""

    job_id: str
    at_s: float
    fault: str


@dataclass
class Verdict:
    """Every broken promise, each with its job and reason."""

    lost: list[str] = field(default_factory=list)
    duplicate_success: list[str] = field(default_factory=list)
    wrong_result: list[str] = field(default_factory=list)
    steps: int = 0
    redone_steps: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        return not (self.lost or self.duplicate_success or self.wrong_result)

    @property
    def redone_steps_pct(self) -> float:
        """Steps that were trained more than once, in percent of the steps asked for."""
        return round(100 * self.redone_steps / self.steps, 2) if self.steps else 0.0

    def reasons(self) -> list[str]:
        """All of them, as lines."""
        return [*self.lost, *self.duplicate_success, *self.wrong_result]


def judge(
    session: Session,
    storage: Path,
    promises: Iterable[Promise],
    references: Mapping[str, JobResult],
    overlaps: Mapping[str, str] | None = None,
) -> Verdict:
    """Compare each promised job with the undisturbed one of its variant; `overlaps` are jobs trained twice at once."""
    verdict = Verdict()
    for promise in promises:
        result = read_result(session, storage, promise.job_id)
        if result is None:
            verdict.lost.append(f"{promise.job_id}: there is no such row")
            continue
        _judge_one(verdict, promise, result, references[promise.variant])
    verdict.wrong_result += [f"{job_id}: {what}" for job_id, what in (overlaps or {}).items()]
    return verdict


def _judge_one(verdict: Verdict, promise: Promise, result: JobResult, reference: JobResult) -> None:
    job_id = promise.job_id
    if result.status != "succeeded":
        verdict.lost.append(f"{job_id}: {result.status} {result.error or ''}".rstrip())
    if result.succeeded_runs > 1 or result.success_events > 1:
        verdict.duplicate_success.append(
            f"{job_id}: {result.succeeded_runs} runs succeeded, {result.success_events} success events"
        )
    verdict.duplicate_success += [
        f"{job_id}: {count} merged models of stage {stage}" for stage, count in result.models.items() if count > 1
    ]
    steps = sum(len(stage.steps) for stage in reference.stages.values())
    verdict.steps += steps
    verdict.redone_steps += max(0, result.trained_steps - steps)
    if result.status == "succeeded":
        if result.succeeded_runs == 0:
            verdict.wrong_result.append(f"{job_id}: succeeded, but none of its runs did")
        for stage, expected in reference.stages.items():
            verdict.wrong_result += [f"{job_id} {stage}: {what}" for what in differences(result, stage, expected)]


def differences(result: JobResult, stage: str, expected: StageResult) -> list[str]:
    """How a stage's result differs from the undisturbed one."""
    found = result.stages.get(stage)
    if found is None:
        return ["there is no merged model"]
    wrong = []
    if not found.model or found.model != expected.model:
        wrong.append("the merged model's tensors differ from the undisturbed job's")
    if found.adapter is not None and expected.adapter is not None and found.adapter != expected.adapter:
        wrong.append("the adapter differs from the undisturbed job's")
    if found.steps != expected.steps:
        wrong.append(f"metrics have the steps {found.steps}, not {expected.steps}")
    elif found.losses != expected.losses:
        wrong.append(f"the losses {found.losses} differ from {expected.losses}")
    return wrong


def recoveries(session: Session, hits: Iterable[Hit]) -> list[float]:
    """Seconds from each fault that broke a run off to the job's next run."""
    by_job: dict[str, list[Hit]] = {}
    for hit in hits:
        by_job.setdefault(hit.job_id, []).append(hit)
    found = []
    for job_id, of_job in by_job.items():
        runs = session.scalars(select(Run).where(Run.job_id == job_id).order_by(Run.attempt)).all()
        for run, successor in pairwise(runs):
            ended = run.ended_at or datetime.max.replace(tzinfo=UTC)
            during = [h.at_s for h in of_job if run.started_at.timestamp() <= h.at_s <= ended.timestamp()]
            if during and run.outcome in BROKEN:
                found.append(successor.started_at.timestamp() - max(during))
    return found


def summary_s(recovered: list[float]) -> dict[str, float | int | None]:
    """The figures of recovery times."""
    if not recovered:
        return {"median": None, "max": None, "count": 0}
    return {"median": round(median(recovered), 2), "max": round(max(recovered), 2), "count": len(recovered)}
