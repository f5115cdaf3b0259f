"""Receiving a data set: streamed to the storage, checked row by row, stored; what goes wrong leaves nothing behind."""

from collections.abc import AsyncGenerator
from typing import get_args

import anyio
import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import Request
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from api.access import Caller
from api.changes import changing
from api.errors import BadHttpRequest
from api.multipart import FileForm
from api.quotas import check_files, check_upload
from api.schemas.files import Purpose
from core import disk, files
from core.errors import BadData, BodyTooLarge, InvalidRequest, OutOfSpace, ServiceError
from core.file_store import Incoming
from core.files import NewFile
from core.idempotency import digest
from core.ids import new_id
from core.models import File
from core.rows import RowScan, form_of, scan
from core.settings import get_settings

WRITE_BYTES = 2**20
"""So much is collected before a thread writes it: what the api holds of an upload, whatever its size."""
FORM_BYTES = 100_000
"""What a form may hold besides its file."""
IDLE_S = 60.0
PURPOSES: tuple[str, ...] = get_args(Purpose)


class UploadStalled(ServiceError):
    """The sender of a file fell silent."""

    status, code = 408, "upload_stalled"


class Received(BaseModel):
    """What was sent."""

    filename: str
    purpose: str
    sha256: str


async def upload(request: Request, scans: CapacityLimiter, caller: Caller, idempotency_key: str | None) -> File:
    """The row of the file in the request's form."""
    _check_length(request.headers.get("content-length", ""))
    await check_upload(request, caller)
    with Incoming(new_id("file")) as incoming:
        received = await _receive(request, incoming)
        form, found = await anyio.to_thread.run_sync(_check_rows, incoming, limiter=scans)
        new = NewFile(
            id=incoming.file_id,
            project=caller.project,
            purpose=received.purpose,
            filename=received.filename,
            size_bytes=incoming.size_bytes,
            sha256=received.sha256,
            format=form,
            rows=found.rows,
            trainable_rows=found.trainable,
            idempotency_key=idempotency_key,
            body_sha256=digest(received),
        )
        # The row waits for the file, and the file for the row: only a crash in between leaves one for the sweep.
        async with changing(caller, caller.project) as session:
            added = await session.run_sync(files.add, new)
            if added.is_new:
                quotas = request.app.state.keys.quotas(caller.project)
                await session.run_sync(check_files, caller.project, quotas)
                caller.changed = incoming.file_id
                await anyio.to_thread.run_sync(incoming.publish, added.twin)
        return added.file


def _check_length(length: str) -> None:
    """Refuse at once what is too large, for the limit or for the disk."""
    if not length.isdigit():
        return
    _check_size(int(length) - FORM_BYTES)
    _, free_bytes = disk.capacity(get_settings().storage_path)
    if int(length) > free_bytes:
        raise OutOfSpace(
            f"the upload of {int(length):,} bytes does not fit on the disk of the storage, where {free_bytes:,} are "
            "free: free some space, then upload it again"
        )


async def _receive(request: Request, incoming: Incoming) -> Received:
    """Write the file as it arrives."""
    form = FileForm(request.headers.get("content-type", ""))
    pending, pending_bytes, seen_bytes = [], 0, 0
    body = request.stream()
    while chunk := await _next(body):
        seen_bytes += len(chunk)
        for part in form.feed(chunk):
            pending.append(part)
            pending_bytes += len(part)
        _check_fields(form.fields)
        _check_size(max(incoming.size_bytes + pending_bytes, seen_bytes - FORM_BYTES))
        if form.filename is not None and incoming.path is None:
            incoming.open(form.filename)
        if pending_bytes >= WRITE_BYTES:
            await anyio.to_thread.run_sync(incoming.write, b"".join(pending))
            pending, pending_bytes = [], 0
    filename = form.whole_file()
    if "purpose" not in form.fields:
        raise InvalidRequest(f"purpose is missing: it is one of {', '.join(PURPOSES)}", param="purpose")
    await anyio.to_thread.run_sync(incoming.write, b"".join(pending))
    sha256 = await anyio.to_thread.run_sync(incoming.finish)
    return Received(filename=filename, purpose=form.fields["purpose"], sha256=sha256)


async def _next(body: AsyncGenerator[bytes, None]) -> bytes:
    """What arrives next; nothing at the end."""
    try:
        with anyio.fail_after(IDLE_S):
            return await anext(body, b"")
    except TimeoutError:
        raise UploadStalled(f"nothing came for {IDLE_S:g} s in the middle of the upload: send it again") from None
    except ClientDisconnect:
        raise BadHttpRequest("the sender went away in the middle of the upload") from None


def _check_fields(fields: dict[str, str]) -> None:
    """Refuse a field that means nothing here as soon as it is read: the file may come after it."""
    unknown = sorted(fields.keys() - {"purpose"})
    if unknown:
        raise InvalidRequest(f"{unknown[0]} is not a known field: known here are file, purpose", param=unknown[0])
    if "purpose" in fields and fields["purpose"] not in PURPOSES:
        raise InvalidRequest(
            f"purpose is {fields['purpose'][:80]!r}: it is one of {', '.join(PURPOSES)}", param="purpose"
        )


def _check_size(size_bytes: int) -> None:
    limit_bytes = get_settings().max_file_bytes
    if size_bytes > limit_bytes:
        raise BodyTooLarge(
            f"the file is larger than the limit of {limit_bytes:,} bytes (TUNESMITH_MAX_FILE_BYTES): split it",
            param="file",
        )


def _check_rows(incoming: Incoming) -> tuple[str, RowScan]:
    """Read every row, as training would."""
    assert incoming.path is not None
    try:
        return form_of(incoming.path), scan(incoming.path)
    except BadData as error:
        raise BadData(error.message, param="file") from None
