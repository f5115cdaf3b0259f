"""How long a job's work takes, from how long the same phases took before.

A span runs from the fastest to the slowest that was seen, with a tenth on either side; a phase never seen before
makes it wide, and a training speed never measured leaves it out.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Text, func, literal_column, select
from sqlalchemy.orm import Session

from core.models import Job, Phase
from core.states import WORKING, JobStatus

_JOBS_OF_HISTORY = 20
_UNSEEN_PHASE = (1.0, 120.0)  # seconds: a phase of this kind was never measured
_SLACK = 0.1


@dataclass(frozen=True)
class Span:
    """Seconds, at best and at worst."""

    low: float
    high: float

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.high + other.high)

    def json(self, start: datetime) -> list[int]:
        """Unix seconds of both ends, counted from `start`."""
        return [round((start + timedelta(seconds=s)).timestamp()) for s in (self.low, self.high)]


PhaseKey = tuple[JobStatus, str]


@dataclass(frozen=True)
class History:
    """Seconds that phases took: of training by the step, of everything else as a whole."""

    seconds: dict[PhaseKey, list[float]]

    def span(self, key: PhaseKey, steps: int | None) -> Span | None:
        """How long the phase will take; None for training at a speed that nobody knows."""
        status, _ = key
        seen = self.seconds.get(key) or [
            s for (other, _), all_s in self.seconds.items() if other == status for s in all_s
        ]
        if status == JobStatus.TRAINING:
            if not seen or steps is None:
                return None
            seen = [s * steps for s in seen]
        return Span(min(seen) * (1 - _SLACK), max(seen) * (1 + _SLACK)) if seen else Span(*_UNSEEN_PHASE)


def phases_of(job: Job) -> list[PhaseKey]:
    """The phases of a whole run of the job, in order."""
    deploy, evaluation = job.spec["deploy"]["when"], job.spec["evaluation"]
    names = [stage["name"] for stage in job.spec["stages"]]
    phases: list[PhaseKey] = [(JobStatus.PREPARING, "")]
    if deploy == "each_stage" and evaluation["base"]:
        phases += [(JobStatus.DEPLOYING, "base"), (JobStatus.EVALUATING, "base")]
    for name in names:
        phases += [(JobStatus.TRAINING, name), (JobStatus.MERGING, name)]
        if deploy == "each_stage" or (deploy == "last_stage" and name == names[-1]):
            phases += [(JobStatus.DEPLOYING, name), (JobStatus.EVALUATING, name)]
    return phases


def history(session: Session, base_model: str) -> History:
    """What the latest jobs on the same base model took."""
    # Both spelled as in their index: what came as a parameter would match the index in some plans only.
    base, succeeded = literal_column("(jobs.spec ->> 'base_model')", Text), literal_column("'succeeded'", Text)
    latest = select(Job.id).where(Job.status == succeeded, base == base_model)
    latest = latest.order_by(Job.seq.desc()).limit(_JOBS_OF_HISTORY)
    seconds = func.sum(func.extract("epoch", Phase.ended_at - Phase.started_at))
    rows = session.execute(
        select(Phase.status, Phase.stage, seconds, Job.plan)
        .join(Job, Job.id == Phase.job_id)
        .where(Job.id.in_(latest), Phase.ended_at.is_not(None))
        .group_by(Job.id, Phase.status, Phase.stage)
    )
    found: dict[PhaseKey, list[float]] = {}
    for status, stage, total, plan in rows:
        steps = _steps(plan, stage) if status == JobStatus.TRAINING else 1
        if steps:
            found.setdefault((JobStatus(status), stage), []).append(float(total) / steps)
    return History(found)


def remaining(job: Job, known: History, elapsed_s: float) -> Span | None:
    """How long the job still needs, `elapsed_s` into its present phase; None when its training speed is unknown."""
    phases = phases_of(job)
    spans: list[Span | None] = []
    key = (JobStatus(job.status), "" if job.status == JobStatus.PREPARING else job.stage or "")
    if job.status in WORKING and key in phases:
        phases = phases[phases.index(key) + 1 :]
        spans.append(_rest_of_phase(job, known, key, elapsed_s))
    elif job.checkpoint is not None:
        phases = phases[_first_phase_left(phases, job.checkpoint["stage"]) :]
    speed = _own_speed(job)
    for phase in phases:
        steps = _steps(job.plan, phase[1])
        if phase[0] == JobStatus.TRAINING and phase not in known.seconds and speed is not None and steps:
            spans.append(Span(speed * steps * (1 - _SLACK), speed * steps * (1 + 5 * _SLACK)))
        else:
            spans.append(known.span(phase, steps))
    return None if any(span is None for span in spans) else sum((s for s in spans if s), Span(0, 0))


def _rest_of_phase(job: Job, known: History, key: PhaseKey, elapsed_s: float) -> Span | None:
    eta_s = (job.progress or {}).get("eta_s")
    if eta_s is not None:
        return Span(eta_s * (1 - _SLACK), eta_s * (1 + _SLACK) + 1)
    whole = known.span(key, _steps(job.plan, key[1]))
    return None if whole is None else Span(max(0.0, whole.low - elapsed_s), max(1.0, whole.high - elapsed_s))


def _first_phase_left(phases: list[PhaseKey], stage: str) -> int:
    training = (JobStatus.TRAINING, stage)
    return phases.index(training) if training in phases else 0


def _own_speed(job: Job) -> float | None:
    """Seconds per step as the job itself shows them now."""
    progress = job.progress or {}
    left = progress.get("max_steps", 0) - progress.get("step", 0)
    return progress["eta_s"] / left if progress.get("eta_s") is not None and left > 0 else None


def _steps(plan: dict[str, Any], stage: str) -> int | None:
    return next((one["steps"] for one in plan["stages"] if one["name"] == stage), None)
