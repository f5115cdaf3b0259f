"""When a job will start and end, as ranges, in every queued and running job; written by beat.

The queue is played through as claims would take it, once with every job at its fastest and once at its slowest.
The first forecast of a job is kept, and judged when the job succeeds.

Reading and playing lock nothing.  Writing is one statement in the claims' turn, so that no claim passes over a job
because its forecast is being written, and rows that somebody else holds are left for the next round.
"""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from core import projects, workers
from core.claims import take_turn
from core.durations import Span, history, remaining
from core.events import add_event
from core.memory import GIB
from core.models import Job, Phase, Project, Worker
from core.simulation import UNKNOWN_S, Seat, Share, Waiting, Work, play
from core.states import HELD, STOPPING, WORKING, JobStatus

QUEUE_SHOWN = 500
"""So many queued jobs get a position and a start; those behind them change too much to be worth a figure."""
_ROUNDS_SHOWN = 3
_STOPS_WITHIN = Span(0, 30)  # seconds, for a job that was asked to stop

# Of each project the first ones in its order, taken in turn by its weight: a crowd leaves room for the others.
_QUEUE = text("""
SELECT jobs.*
FROM projects
CROSS JOIN LATERAL (
    SELECT id, row_number() OVER (ORDER BY priority DESC, seq) / projects.weight AS turn
    FROM jobs
    WHERE project = projects.name AND status = 'queued'
    ORDER BY priority DESC, seq
    LIMIT :limit
) AS head
JOIN jobs ON jobs.id = head.id
WHERE (name = ANY(:closed)) = :is_closed
ORDER BY jobs.priority DESC, head.turn, jobs.seq
LIMIT :limit
""")
_STORE = text("""
WITH made AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:made AS jsonb)) AS made(id text, status text, forecast jsonb)
), free AS MATERIALIZED (
    SELECT jobs.id FROM jobs JOIN made ON made.id = jobs.id AND made.status = jobs.status
    FOR NO KEY UPDATE OF jobs SKIP LOCKED
)
UPDATE jobs SET forecast = made.forecast || jsonb_build_object('first', coalesce(
    nullif(jobs.forecast -> 'first', CAST('null' AS jsonb)),
    CASE WHEN made.forecast ->> 'end' IS NOT NULL THEN made.forecast END
))
FROM made JOIN free USING (id)
WHERE jobs.id = made.id
""")


@dataclass(frozen=True)
class _Scene:
    """Everything that a round of forecasts is made from."""

    now: datetime
    running: list[Job]
    queued: list[Job]
    workers: list[Worker]
    shares: dict[str, Share]
    left: dict[str, Span | None]

    @property
    def largest_bytes(self) -> int:
        """Memory of the largest worker."""
        return max((worker.memory_bytes for worker in self.workers), default=0)

    def play(self, pick: Callable[[Span], float]) -> dict[str, float]:
        """When each job starts, if the work takes what is picked of its span; without a worker, in which order."""
        work_s = {job_id: pick(span) for job_id, span in self.left.items() if span is not None}
        ends = {job.id: work_s.get(job.id, UNKNOWN_S) for job in self.running}
        seats = [Seat(one.memory_bytes, ends.get(one.job_id or "", 0.0)) for one in self.workers]
        at_work = [Work(job.project, ends[job.id]) for job in self.running]
        queue = sorted(self.queued, key=lambda job: (-job.priority, job.seq))
        waiting = [self._waiting(job, work_s.get(job.id)) for job in queue]
        return play(waiting, seats or [Seat(math.inf, UNKNOWN_S)], at_work, self.shares)

    def _waiting(self, job: Job, work_s: float | None) -> Waiting:
        wait_s = (job.not_before - self.now).total_seconds() if job.not_before else 0.0
        return Waiting(job.id, job.project, job.priority, job.memory_bytes, work_s, wait_s)

    def why(self, job: Job, rank: int | None, start: Span | None) -> str | None:
        """What keeps a queued job back, other than those before it; None when its start is known."""
        if not self.workers:
            return "no worker is there"
        if job.memory_bytes > self.largest_bytes:
            return f"no worker has {job.memory_bytes / GIB:.4g} GB: the largest has {self.largest_bytes / GIB:.4g} GB"
        if job.not_before is not None and job.not_before > self.now:
            return f"not before {job.not_before.astimezone(UTC):%H:%M:%S} UTC: backing off after a failure"
        if start is not None:
            return None
        if rank is None:
            return f"the budget of project {job.project} will be used up before its turn"
        return "the work before it, whose length is not known yet"


def write(session: Session) -> None:
    """Put a fresh forecast into every running job and into the first of the queue; to be committed at once."""
    made = _make(session)
    take_turn(session)
    session.execute(_STORE, {"made": json.dumps(made)})


def shown(job: Job, round_s: float, now: datetime | None = None) -> dict[str, Any]:
    """What of the job's forecast still holds; nothing when it is older than three rounds."""
    forecast = job.forecast or {}
    age_s = (now or datetime.now(UTC)).timestamp() - forecast.get("made_at", -math.inf)
    if age_s > _ROUNDS_SHOWN * round_s:
        return {}
    if job.status == JobStatus.QUEUED:
        return forecast
    return {"end": forecast.get("end")} if job.status in WORKING else {}


def judge(session: Session, job: Job) -> None:
    """When the job has succeeded: record how far its first forecast was off."""
    first = (job.forecast or {}).get("first")
    if first is None or first.get("end") is None:
        return
    now: datetime = session.execute(select(func.clock_timestamp())).scalar_one()
    low, high = first["end"]
    ended = now.timestamp()
    off_s = round(ended - high if ended > high else min(0.0, ended - low), 1)
    data = {"expected_end": [low, high], "made_at": first["made_at"], "ended_at": round(ended), "off_s": off_s}
    verdict = f"{abs(off_s):g} s {'after' if off_s > 0 else 'before'}" if off_s else "within"
    add_event(session, job.id, "forecast.judged", f"The job ended {verdict} the range forecast at first", data=data)


def _make(session: Session) -> list[dict[str, Any]]:
    """The forecasts as `_STORE` takes them, each for the status that its job was seen in."""
    limits = list(session.scalars(select(Project).order_by(Project.last_claim_at)))
    shares, closed = _shares(session, limits)
    scene = _look(session, shares, closed)
    made = [_made(scene, job, end=scene.left[job.id]) for job in scene.running if job.status not in STOPPING]
    held_back = session.scalars(select(Job).from_statement(_QUEUE), _part(closed, is_closed=True))
    made += [_made(scene, job, waiting_for=closed[job.project]) for job in held_back]
    best, worst = scene.play(lambda span: span.low), scene.play(lambda span: span.high)
    ranks = {job_id: rank for rank, job_id in enumerate(best, start=1)}
    for job in scene.queued:
        low, high = (starts.get(job.id, UNKNOWN_S) for starts in (best, worst))
        start = Span(min(low, high), max(low, high)) if max(low, high) < UNKNOWN_S else None
        rank, work = ranks.get(job.id), scene.left[job.id]
        end = start + work if start is not None and work is not None else None
        why = scene.why(job, rank, start)
        made.append(_made(scene, job, position=rank, start=start, end=end, waiting_for=why))
    return made


def _made(
    scene: _Scene,
    job: Job,
    *,
    position: int | None = None,
    start: Span | None = None,
    end: Span | None = None,
    waiting_for: str | None = None,
) -> dict[str, Any]:
    times = {name: span and span.json(scene.now) for name, span in (("start", start), ("end", end))}
    made_at = round(scene.now.timestamp())
    forecast = {"made_at": made_at, "position": position, "waiting_for": waiting_for, **times}
    return {"id": job.id, "status": job.status, "forecast": forecast}


def _look(session: Session, shares: dict[str, Share], closed: dict[str, str]) -> _Scene:
    now: datetime = session.execute(select(func.now())).scalar_one()
    running = list(session.scalars(select(Job).where(Job.status.in_(HELD))))
    queued = list(session.scalars(select(Job).from_statement(_QUEUE), _part(closed, is_closed=False)))
    known = {name: history(session, name) for name in {job.spec["base_model"] for job in (*running, *queued)}}
    began = _phases_began(session, running)
    left: dict[str, Span | None] = {}
    for job in (*running, *queued):
        elapsed_s = (now - began.get(job.id, now)).total_seconds()
        left[job.id] = (
            _STOPS_WITHIN if job.status in STOPPING else remaining(job, known[job.spec["base_model"]], elapsed_s)
        )
    return _Scene(now, running, queued, workers.alive(session), shares, left)


def _part(closed: dict[str, str], *, is_closed: bool) -> dict[str, Any]:
    return {"limit": QUEUE_SHOWN, "closed": list(closed), "is_closed": is_closed}


def _shares(session: Session, limits: list[Project]) -> tuple[dict[str, Share], dict[str, str]]:
    """Every project's share, and why some get nothing at all; the projects come in the order of their last claims."""
    running_s = projects.running_s(session)
    shares: dict[str, Share] = {}
    closed: dict[str, str] = {}
    for turn, project in enumerate(limits):
        left_s = projects.left_s(project, running_s)
        shares[project.name] = Share(project.weight, project.max_running, left_s, turn)
        if project.max_running == 0:
            closed[project.name] = f"project {project.name} may run 0 jobs at once"
        elif left_s <= 0:
            closed[project.name] = f"budget of project {project.name} is used up: {project.gpu_hours:g} GPU hours"
    return shares, closed


def _phases_began(session: Session, jobs: Iterable[Job]) -> dict[str, datetime]:
    ids = [job.id for job in jobs]
    is_open = (Phase.job_id.in_(ids), Phase.ended_at.is_(None))
    rows = session.execute(select(Phase.job_id, Phase.started_at).where(*is_open))
    return {row.job_id: row.started_at for row in rows}
