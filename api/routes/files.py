"""Files: uploading, listing, reading, downloading and deleting data sets."""

import logging
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse

from api.access import CallerDep
from api.changes import changing
from api.db import transaction
from api.deps import AfterId, IdempotencyKey, Limit, SessionDep
from api.schemas.errors import ErrorBody
from api.schemas.files import FileDeleted, FilePurpose, FileView
from api.schemas.lists import Page
from api.uploads import PURPOSES, upload
from core import file_sweep, files
from core.file_store import files_root, stored_path

log = logging.getLogger("api")
router = APIRouter(prefix="/files", tags=["files"])
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file", "purpose"],
                    "properties": {
                        "file": {"type": "string", "format": "binary", "description": "rows in any known form"},
                        "purpose": {"type": "string", "enum": list(PURPOSES)},
                    },
                }
            }
        },
    }
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "No form, or one that breaks off"},
    408: {"model": ErrorBody, "description": "Nothing came for a minute"},
    413: {"model": ErrorBody, "description": "The file is over the limit (TUNESMITH_MAX_FILE_BYTES)"},
    507: {"model": ErrorBody, "description": "The disk of the storage is full"},
}
ABSENT: dict[int | str, dict[str, Any]] = {404: {"model": ErrorBody, "description": "No such file"}}
REMOVALS: dict[int | str, dict[str, Any]] = {
    **ABSENT,
    409: {"model": ErrorBody, "description": "A job that has not ended reads the file"},
}


@router.post("", status_code=201, openapi_extra=FORM, responses=REFUSALS)
async def create_file(request: Request, caller: CallerDep, idempotency_key: IdempotencyKey = None) -> FileView:
    """Upload a data set.  Every row is read before the answer; a file with a broken row is refused, and not kept."""
    view = FileView.of(await upload(request, request.app.state.scans, caller, idempotency_key))
    log.info("file.created file_id=%s bytes=%d rows=%d", view.id, view.bytes, view.rows)
    return view


@router.get("", responses=ABSENT)
async def list_files(
    session: SessionDep,
    after: AfterId = None,
    limit: Limit = 20,
    purpose: Annotated[FilePurpose | None, Query(description="only files for this")] = None,
) -> Page[FileView]:
    """The newest first."""
    rows = await session.run_sync(lambda sync: files.page(sync, after=after, limit=limit, purpose=purpose))
    return Page.of([FileView.of(row) for row in rows], limit)


@router.get("/{file_id}", responses=ABSENT)
async def get_file(file_id: str, session: SessionDep) -> FileView:
    return FileView.of(await session.run_sync(files.get, file_id))


@router.get("/{file_id}/content", responses=ABSENT, response_class=FileResponse)
async def get_content(file_id: str, caller: CallerDep) -> FileResponse:
    """The bytes as they were uploaded; `Range` asks for a part of them."""
    async with transaction(caller.within) as session:  # closed before the file is sent, which may take long
        file = await session.run_sync(files.get, file_id)
    path = await anyio.to_thread.run_sync(stored_path, files_root(), file_id)
    headers = {"x-content-type-options": "nosniff"}  # and never shown: whoever uploaded it chose what it holds
    return FileResponse(path, media_type="application/octet-stream", filename=file.filename, headers=headers)


@router.delete("/{file_id}", responses=REMOVALS)
async def delete_file(file_id: str, caller: CallerDep) -> FileDeleted:
    """Delete a file for good.  Jobs that have ended keep their models, but cannot be tried again."""
    async with changing(caller, caller.within) as session:
        await session.run_sync(files.delete, file_id)
    await anyio.to_thread.run_sync(file_sweep.remove, file_id)
    log.info("file.deleted file_id=%s", file_id)
    return FileDeleted(id=file_id)
