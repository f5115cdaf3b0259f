"""What a project may have: checked before something is added to it.

Requests that come at the same moment are each judged by what there was before them, so together they may go over a
quota by as many as they are.  A project without quotas costs nothing: whether it has any is known in memory.
"""

from fastapi import Request
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.access import Caller
from api.db import transaction
from api.storage_meter import StorageMeter
from core import files
from core.errors import QuotaExceeded
from core.models import Job
from core.projects import Quotas
from core.states import JobStatus


async def check_job(request: Request, caller: Caller) -> None:
    """QuotaExceeded when the project can have no further job."""
    quotas = request.app.state.keys.quotas(caller.project)
    if quotas is None:
        return
    if quotas.max_queued is not None:
        async with transaction(caller.project) as session:
            queued = select(func.count()).select_from(Job).where(Job.status == JobStatus.QUEUED)
            waiting = await session.scalar(queued) or 0
        if waiting >= quotas.max_queued:
            raise QuotaExceeded(
                f"project {caller.project!r} has {waiting} queued jobs and may have {quotas.max_queued} (max_queued): "
                "wait until one has begun, cancel one, or have the quota raised"
            )
    await _check_storage(request, caller, quotas)


async def check_upload(request: Request, caller: Caller) -> None:
    """QuotaExceeded when the project's part of the storage is full."""
    quotas = request.app.state.keys.quotas(caller.project)
    if quotas is not None:
        await _check_storage(request, caller, quotas)


def check_files(session: Session, project: str, quotas: Quotas | None) -> None:
    """QuotaExceeded when the project's files, with those just added, take up more than they may."""
    if quotas is None or quotas.file_bytes is None:
        return
    size_bytes = files.size_bytes(session)
    if size_bytes > quotas.file_bytes:
        raise QuotaExceeded(
            f"project {project!r} would have {size_bytes:,} bytes of files and may have {quotas.file_bytes:,} "
            "(file_bytes): delete some (GET /files), or have the quota raised",
            param="file",
        )


async def _check_storage(request: Request, caller: Caller, quotas: Quotas) -> None:
    if quotas.storage_bytes is None:
        return
    meter = request.app.state.storage_meter
    assert isinstance(meter, StorageMeter)
    has = await meter.read(caller.project)
    size_bytes = has.jobs_bytes + has.models_bytes + has.files_bytes
    if size_bytes >= quotas.storage_bytes:
        raise QuotaExceeded(
            f"project {caller.project!r} takes up {size_bytes:,} bytes of the storage and may take up "
            f"{quotas.storage_bytes:,} (storage_bytes): remove models (DELETE /v1/models/…) or files, have jobs keep "
            "less, or have the quota raised"
        )
