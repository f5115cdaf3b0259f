"""What happened to a job: a list, or a stream that follows the job to its end."""

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from api import queries
from api.access import CallerDep
from api.db import transaction
from api.event_stream import follow
from api.schemas.errors import ErrorBody
from api.schemas.events import EventView
from api.schemas.lists import Page
from core.states import FINAL

router = APIRouter(prefix="/jobs/{job_id}/events", tags=["jobs"], responses={404: {"model": ErrorBody}})
EventId = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="id of an event; starts behind it")]
STREAM = "text/event-stream"


@router.get(
    "",
    response_model=Page[EventView],
    responses={200: {"content": {STREAM: {}}}, 204: {"description": "Nothing more will happen: stop reconnecting"}},
)
async def list_events(
    job_id: str,
    request: Request,
    caller: CallerDep,
    after: EventId = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**63 - 1, description="where a stream resumes")] = None,
) -> Page[EventView] | Response:
    """A list, the oldest first; with `Accept: text/event-stream` a stream that ends with the job.

    The stream sends `event` for each entry (its id is the SSE id), `progress` when the job's progress changes, and
    `done` with the final state.
    """
    streams = STREAM in request.headers.get("accept", "")
    behind = last_event_id if streams and last_event_id is not None else after or 0
    async with transaction(caller.within) as session:  # not held while the stream runs
        job = await queries.get_job(session, job_id)
        rows = await queries.events_after(session, job_id, behind, limit + 1)
    if not streams:
        return Page.of([EventView.of(row) for row in rows], limit)
    if last_event_id is not None and job.status in FINAL and not rows:
        return Response(status_code=204)  # browsers reconnect to a stream that ended, unless told so
    stream = follow(job_id, behind, caller.within, is_stopping=request.app.state.is_stopping)
    return StreamingResponse(
        stream, media_type=STREAM, headers={"cache-control": "no-store", "x-accel-buffering": "no"}
    )
