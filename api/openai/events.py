"""What happened to a job as OpenAI has it: its events as messages, and every logged step as metrics, the newest first.

The two come from tables of their own; a place in the list is a moment and the entry's id, so that paging goes by key.
"""

import re
from datetime import datetime
from typing import Any, Literal, NamedTuple, Self

from pydantic import BaseModel, Field
from sqlalchemy import collate, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from api.schemas.times import unix_seconds
from core.errors import NotFound
from core.job_steps import steps_before
from core.models import Event, Job, Metric

LEVELS: dict[str, Literal["info", "warn", "error"]] = {"info": "info", "warning": "warn", "error": "error"}
_ID = re.compile(r"ftevent-(?:(?P<event>\d{1,18})|(?P<stage>[A-Za-z0-9_.-]+)-step-(?P<step>\d{1,9}))")


class JobEvent(BaseModel):
    """Something that happened, or one step of training."""

    id: str
    object: Literal["fine_tuning.job.event"] = "fine_tuning.job.event"
    created_at: int
    level: Literal["info", "warn", "error"]
    message: str
    type: Literal["message", "metrics"]
    data: dict[str, Any] = Field(description="of metrics: step, total_steps, train_loss, …; of messages: their kind")

    @classmethod
    def of_event(cls, event: Event) -> Self:
        return cls(
            id=f"ftevent-{event.id}",
            created_at=unix_seconds(event.created_at),
            level=LEVELS[event.level],
            message=event.message,
            type="message",
            data={"event": event.type, **(event.data or {})},
        )

    @classmethod
    def of_metric(cls, metric: Metric, job: Job) -> Self:
        step, total = steps_before(job.plan)[metric.stage] + metric.step, job.plan["total_steps"]
        loss = "" if metric.loss is None else f": training loss={metric.loss:.4g}"
        data = {
            "step": step,
            "total_steps": total,
            "train_loss": metric.loss,
            "stage": metric.stage,
            "epoch": metric.epoch,
            "learning_rate": metric.learning_rate,
            "grad_norm": metric.grad_norm,
            "tokens": metric.tokens,
            "tokens_per_s": metric.tokens_per_s,
        }
        return cls(
            id=_metric_id(metric.stage, metric.step),
            created_at=unix_seconds(metric.at),
            level="info",
            message=f"Step {step}/{'?' if total is None else total}{loss}",
            type="metrics",
            data=data,
        )


class _Place(NamedTuple):
    """Where an entry stands in the list: at one moment, steps come after events, by stage and number."""

    at: datetime
    is_step: bool
    stage: str
    number: int


_STAGE = collate(Metric.stage, "C")
"""In the order in which Python has it."""


async def newest_events(session: AsyncSession, job: Job, after: str | None, limit: int) -> list[JobEvent]:
    """Up to `limit` entries, the newest first, behind the entry `after`."""
    events = select(Event).where(Event.job_id == job.id).order_by(Event.created_at.desc(), Event.id.desc())
    steps = select(Metric).where(Metric.job_id == job.id)
    steps = steps.order_by(Metric.at.desc(), _STAGE.desc(), Metric.step.desc())
    if after is not None:
        last = _place(await _entry(session, job.id, after))
        is_earlier_step = tuple_(Metric.at, _STAGE, Metric.step) < tuple_(last.at, last.stage, last.number)
        is_earlier_event = tuple_(Event.created_at, Event.id) < tuple_(last.at, last.number)
        events = events.where(Event.created_at <= last.at if last.is_step else is_earlier_event)
        steps = steps.where(is_earlier_step if last.is_step else Metric.at < last.at)
    found: list[Event | Metric] = [*await session.scalars(events.limit(limit))]
    found += await session.scalars(steps.limit(limit))
    newest = sorted(found, key=_place, reverse=True)[:limit]
    return [JobEvent.of_event(one) if isinstance(one, Event) else JobEvent.of_metric(one, job) for one in newest]


def _place(entry: Event | Metric) -> _Place:
    if isinstance(entry, Event):
        return _Place(entry.created_at, False, "", entry.id)
    return _Place(entry.at, True, entry.stage, entry.step)


async def _entry(session: AsyncSession, job_id: str, entry_id: str) -> Event | Metric:
    match = _ID.fullmatch(entry_id)
    entry: Event | Metric | None = None
    if match and match["event"]:
        entry = await session.get(Event, int(match["event"]))
    elif match:
        entry = await session.get(Metric, (job_id, match["stage"], int(match["step"])))
    if entry is None or entry.job_id != job_id:
        raise NotFound(f"after is {entry_id!r}: job {job_id} has no event of that id", param="after")
    return entry


def _metric_id(stage: str, step: int) -> str:
    return f"ftevent-{stage}-step-{step}"
