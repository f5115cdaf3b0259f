"""When a job will start and end, as ranges, in every queued and running job; written by beat.

The queue is played through as claims would take it, once with every job at its fastest and once at its slowest.
The first forecast of a job is kept, and judged when the job succeeds.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.durations import Span, history, remaining
from core.events import add_event
from core.models import Job, Phase, Project, Worker
from core.states import HELD, JobStatus

QUEUE_SHOWN = 500
"""So many queued jobs get a position and a start; those behind them change too much to be worth a figure."""
_ALIVE_FOR = timedelta(seconds=60)


@dataclass
class Waiting:
    """A queued job in the simulation of the queue."""

    job_id: str
    project: str
    priority: int
    memory_bytes: int
    work_s: float | None


@dataclass
class Seat:
    """A worker in the simulation: when it is free, and for whom it works until then."""

    memory_bytes: int
    free_s: float
    project: str | None


def starts(queue: Sequence[Waiting], seats: Sequence[Seat], weights: dict[str, float]) -> dict[str, float]:
    """Seconds until each queued job starts, as claims would take them: priority, fair share, age; no patience turns.

    Jobs behind one of unknown length, on a worker that would run it, are left out.
    """
    queue, seats = list(queue), [Seat(seat.memory_bytes, seat.free_s, seat.project) for seat in seats]
    found: dict[str, float] = {}
    while queue and seats:
        seat = min(seats, key=lambda one: one.free_s)
        now_s, seat.project = seat.free_s, None
        fitting = [one for one in queue if one.memory_bytes <= seat.memory_bytes]
        if not fitting:
            seats.remove(seat)
            continue
        busy = [other.project for other in seats if other.free_s > now_s]
        best = min(fitting, key=lambda one: (-one.priority, busy.count(one.project) / weights.get(one.project, 1.0)))
        queue.remove(best)
        found[best.job_id] = now_s
        if best.work_s is None:
            seats.remove(seat)
        else:
            seat.free_s, seat.project = now_s + best.work_s, best.project
    return found


def write(session: Session) -> None:
    """Put a fresh forecast into every running job and into the first of the queue."""
    now: datetime = session.execute(select(func.now())).scalar_one()
    running = list(session.scalars(select(Job).where(Job.status.in_(HELD))))
    order = (Job.priority.desc(), Job.seq)
    queued = list(
        session.scalars(select(Job).where(Job.status == JobStatus.QUEUED).order_by(*order).limit(QUEUE_SHOWN))
    )
    histories = {name: history(session, name) for name in {job.spec["base_model"] for job in (*running, *queued)}}
    began = _phases_began(session, running)
    left = {
        job.id: remaining(job, histories[job.spec["base_model"]], (now - began.get(job.id, now)).total_seconds())
        for job in (*running, *queued)
    }
    for job in running:
        _store(job, now, {"end": _json(left[job.id], now)})
    workers = list(session.scalars(select(Worker).where(Worker.seen_at > now - _ALIVE_FOR)))
    weights = {project.name: project.weight for project in session.scalars(select(Project))}
    best, worst = (
        starts([_waiting(job, work_s.get(job.id)) for job in queued], _seats(workers, running, work_s), weights)
        for work_s in (
            {job_id: span.low for job_id, span in left.items() if span},
            {job_id: span.high for job_id, span in left.items() if span},
        )
    )
    for position, job in enumerate(queued, start=1):
        low, high = best.get(job.id), worst.get(job.id)
        start = Span(min(low, high), max(low, high)) if low is not None and high is not None else None
        work = left[job.id]
        end = start + work if start is not None and work is not None else None
        _store(job, now, {"position": position, "start": _json(start, now), "end": _json(end, now)})


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


def _phases_began(session: Session, jobs: Iterable[Job]) -> dict[str, datetime]:
    ids = [job.id for job in jobs]
    is_open = (Phase.job_id.in_(ids), Phase.ended_at.is_(None))
    rows = session.execute(select(Phase.job_id, Phase.started_at).where(*is_open))
    return {row.job_id: row.started_at for row in rows}


def _seats(workers: Sequence[Worker], running: Sequence[Job], left_s: dict[str, float]) -> list[Seat]:
    """Workers that will be free at a known time."""
    projects = {job.id: job.project for job in running}
    return [
        Seat(one.memory_bytes, left_s.get(one.job_id, 0.0) if one.job_id else 0.0, projects.get(one.job_id or ""))
        for one in workers
        if one.job_id is None or one.job_id in left_s or one.job_id not in projects
    ]


def _waiting(job: Job, work_s: float | None) -> Waiting:
    return Waiting(job.id, job.project, job.priority, job.memory_bytes, work_s)


def _json(span: Span | None, now: datetime) -> list[int] | None:
    return None if span is None else span.json(now)


def _store(job: Job, now: datetime, forecast: dict[str, Any]) -> None:
    """Keep the first one that names an end, so that it can be judged."""
    made = {"made_at": round(now.timestamp()), **forecast}
    first = (job.forecast or {}).get("first") or (made if made.get("end") else None)
    job.forecast = {**made, "first": first}
