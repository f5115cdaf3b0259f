"""Preflights: what a job comes to in rows, memory, time and money, and what it trains on, before it trains."""

import asyncio
import time
from typing import Annotated

from fastapi import APIRouter, Body, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from api import queries
from api.access import CallerDep
from api.admission import admit
from api.changes import changing
from api.db import first_row, transaction
from api.deps import SessionDep
from api.doorbell import ring_for_preflight
from api.errors import render
from api.examples import JOB_EXAMPLES
from api.preview_page import page
from api.schemas.errors import ErrorBody
from api.schemas.preflights import PreflightView, PreviewView
from core import preflights
from core.errors import JobRefused, Problem
from core.models import Preflight
from core.spec import JobSpec
from core.states import PreflightStatus

router = APIRouter(prefix="/jobs", tags=["preflight"])
NOT_THERE: dict[int | str, dict[str, object]] = {404: {"model": ErrorBody}}
NO_SAMPLES: dict[int | str, dict[str, object]] = {**NOT_THERE, 409: {"model": ErrorBody}}
HTML: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/html": {}}, "description": "A page; with `Accept: application/json` the same as JSON"}
}
_LOOK_EVERY_S = 0.1


@router.post(
    "/preflight",
    response_model=PreflightView,
    responses={202: {"model": PreflightView, "description": "Not ended yet: GET /jobs/preflight/{id} has it later"}},
)
async def preflight_job(
    spec: Annotated[JobSpec, Body(openapi_examples=JOB_EXAMPLES)],
    request: Request,
    response: Response,
    caller: CallerDep,
    wait_s: Annotated[float, Query(ge=0, le=60, description="how long to wait for the report")] = 30,
    supersedes: Annotated[str | None, Query(max_length=100, description="an earlier preflight to be cancelled")] = None,
) -> Response | PreflightView:
    """Find out what a job comes to, without making it.  One that cannot run is refused with all its problems."""
    await admit(spec, request.app.state.scans, caller.project)
    async with changing(caller, caller.project) as session:
        asked = await session.run_sync(lambda sync: preflights.ask(sync, spec, caller.project, supersedes))
        caller.changed = asked.id
    # At once, not after the answer: it is waited for here.
    await ring_for_preflight()
    await _ended(asked.id, wait_s, request)
    async with transaction(caller.project) as session:
        found = await session.run_sync(lambda sync: preflights.get(sync, asked.id))
    where = f"/jobs/preflight/{found.id}"
    if found.status == PreflightStatus.REFUSED:
        refusal = render(_refusal(found, where))
        refusal.headers["location"] = where
        return refusal
    response.headers["location"] = where
    response.status_code = 202 if found.status in preflights.OPEN else 200
    return PreflightView.of(found)


@router.get("/preflight/{preflight_id}", responses=NOT_THERE)
async def get_preflight(preflight_id: str, session: SessionDep) -> PreflightView:
    return PreflightView.of(await session.run_sync(preflights.get, preflight_id))


@router.get("/preflight/{preflight_id}/preview", response_model=PreviewView, responses={**HTML, **NO_SAMPLES})
async def preview_preflight(preflight_id: str, request: Request, session: SessionDep) -> Response | PreviewView:
    """Sample rows as they would be trained on, token by token."""
    found = await session.run_sync(lambda sync: preflights.get(sync, preflight_id, with_preview=True))
    return _shown(found, request)


@router.get("/{job_id}/preflight", responses=NOT_THERE)
async def get_job_preflight(job_id: str, session: SessionDep) -> PreflightView:
    """What the job came to, found out as its first phase."""
    return PreflightView.of(await _of_job(session, job_id))


@router.get("/{job_id}/preview", response_model=PreviewView, responses={**HTML, **NO_SAMPLES})
async def preview_job(job_id: str, request: Request, session: SessionDep) -> Response | PreviewView:
    """Sample rows as the job trains on them, token by token."""
    return _shown(await _of_job(session, job_id, with_preview=True), request)


async def _of_job(session: AsyncSession, job_id: str, *, with_preview: bool = False) -> Preflight:
    await queries.get_job(session, job_id)
    return await session.run_sync(lambda sync: preflights.of_job(sync, job_id, with_preview=with_preview))


async def _ended(preflight_id: str, wait_s: float, request: Request) -> None:
    """Wait until the preflight has ended, for so long at most; no connection is held meanwhile."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline and not request.app.state.is_stopping():
        row = await first_row("SELECT status FROM preflights WHERE id = %(id)s", {"id": preflight_id})
        if row is None or row.status not in preflights.OPEN:
            return
        await asyncio.sleep(_LOOK_EVERY_S)  # the next look is a new one, so nothing is set that could be waited for


def _refusal(found: Preflight, where: str) -> JobRefused:
    problems = [Problem(message=one["message"], param=one["param"], code=one["code"]) for one in found.problems or []]
    messages = "; ".join(problem["message"] for problem in problems)
    refusal = JobRefused(f"{messages} (GET {where} has the report)", param=problems[0]["param"] if problems else None)
    refusal.problems = tuple(problems)
    return refusal


def _shown(found: Preflight, request: Request) -> Response | PreviewView:
    preview = PreviewView.of(found, preflights.preview_of(found))
    accepted = request.headers.get("accept", "")
    return preview if "application/json" in accepted and "text/html" not in accepted else page(preview)
