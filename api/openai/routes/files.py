"""Files: `client.files` of OpenAI's SDK, over the files of `/files`."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from api.access import CallerDep
from api.deps import AfterId, IdempotencyKey, SessionDep
from api.routes import files as own
from api.schemas.files import FileDeleted, FileView
from api.schemas.lists import Page
from core import files

router = APIRouter(prefix="/files", tags=["openai: files"])
MOST_FILES = 10_000


@router.post("", openapi_extra=own.FORM, responses=own.REFUSALS)
async def create(request: Request, caller: CallerDep, idempotency_key: IdempotencyKey = None) -> FileView:
    """Upload a data set.  Every row is read before the answer; a file with a broken row is refused, and not kept."""
    return await own.create_file(request, caller, idempotency_key)


@router.get("", responses=own.ABSENT)
async def list_files(
    session: SessionDep,
    after: AfterId = None,
    limit: Annotated[int, Query(ge=1, le=MOST_FILES, description="entries at most")] = MOST_FILES,
    order: Literal["asc", "desc"] = "desc",
    purpose: Annotated[str | None, Query(max_length=100, description="only files for this")] = None,
) -> Page[FileView]:
    """The newest first, or the oldest."""
    rows = await session.run_sync(
        lambda sync: files.page(sync, after=after, limit=limit, purpose=purpose, oldest_first=order == "asc")
    )
    return Page.of([FileView.of(row) for row in rows], limit)


@router.get("/{file_id}", responses=own.ABSENT)
async def retrieve(file_id: str, session: SessionDep) -> FileView:
    return FileView.of(await session.run_sync(files.get, file_id))


@router.get("/{file_id}/content", responses=own.ABSENT, response_class=FileResponse)
async def content(file_id: str, caller: CallerDep) -> FileResponse:
    """The bytes as they were uploaded, or the CSV of a job's results."""
    return await own.get_content(file_id, caller)


@router.delete("/{file_id}", responses=own.REMOVALS)
async def delete(file_id: str, caller: CallerDep) -> FileDeleted:
    """Delete a file for good, unless a job that has not ended reads it."""
    return await own.delete_file(file_id, caller)
