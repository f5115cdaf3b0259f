"""Follows a job as server-sent events: polls by key about once a second, and holds no session in between."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from api import queries
from api.db import transaction
from api.errors import DATABASE_AWAY
from api.schemas.events import EventView
from core.models import Event, Job
from core.states import FINAL

log = logging.getLogger("api")
POLL_S = 1.0
PAGE = 500
KEEP_ALIVE_S = 15.0
"""A comment goes out this often, so that proxies keep the connection and a client that left is noticed."""


async def follow(job_id: str, after: int, within: str | None, is_stopping: Callable[[], bool]) -> AsyncIterator[str]:
    """The job's events behind event `after` and its progress, until it has ended or the server stops."""
    shown: dict[str, Any] | None = None
    sent_at = time.monotonic()
    while not is_stopping():
        try:
            job, events = await _poll(job_id, after, within)
        except DATABASE_AWAY as error:
            log.warning("stream.waiting job_id=%s the database is away: %s", job_id, error)
            await asyncio.sleep(POLL_S)
            continue
        chunks = [_sse("event", EventView.of(event).model_dump_json(), event.id) for event in events]
        after = events[-1].id if events else after
        if job.progress is not None and job.progress != shown:
            shown = job.progress
            chunks.append(_sse("progress", json.dumps({"stage": job.stage, **shown})))
        is_behind = len(events) == PAGE
        is_over = job.status in FINAL and not is_behind
        if is_over:
            chunks.append(_sse("done", json.dumps({"status": job.status})))
        if not chunks and time.monotonic() - sent_at > KEEP_ALIVE_S:
            chunks.append(": still here\n\n")
        if chunks:
            yield "".join(chunks)
            sent_at = time.monotonic()
        if is_over:
            return
        if not is_behind:
            await asyncio.sleep(POLL_S)


async def _poll(job_id: str, after: int, within: str | None) -> tuple[Job, list[Event]]:
    """The job first: once it is final, every event it will ever have can be read after it."""
    async with transaction(within) as session:
        job = await queries.get_job(session, job_id)
        return job, await queries.events_after(session, job_id, after, PAGE)


def _sse(kind: str, data: str, event_id: int | None = None) -> str:
    head = "" if event_id is None else f"id: {event_id}\n"
    return f"{head}event: {kind}\ndata: {data}\n\n"
