"""Measures what the storage holds, in a thread, one caller at a time, and no more often than it is worth."""

import heapq
import time
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import ARRAY, Text, any_, literal, select

from api.db import transaction
from api.schemas.storage import JobSize, StorageView
from core import disk, file_store, files, job_files, retention
from core.models import Job
from core.settings import get_settings

FRESH_S = 5.0
SHARE = 0.1
"""At most this share of the time is spent measuring, however many files there are."""
JOBS_SHOWN = 10


@dataclass(frozen=True)
class Own:
    """What a project has in the storage."""

    job_ids: set[str]
    files_bytes: int


class StorageMeter:
    """The last measurement of each project, under None that of all of it; and when the next one is due."""

    def __init__(self) -> None:
        self._one = CapacityLimiter(1)
        self._last: dict[str | None, tuple[StorageView, float]] = {}

    async def read(self, within: str | None) -> StorageView:
        """What the storage holds of the project, or with None at all, as measured a short while ago at most."""
        last, due_at_s = self._last.get(within, (None, 0.0))
        if last is not None and time.monotonic() < due_at_s:
            return last
        own = None if within is None else await _of_project(within)
        return await anyio.to_thread.run_sync(self._read, within, own, limiter=self._one)

    def _read(self, within: str | None, own: Own | None) -> StorageView:
        began_s = time.monotonic()
        last, due_at_s = self._last.get(within, (None, 0.0))
        if last is not None and began_s < due_at_s:
            return last
        measured = measure(own)
        ended_s = time.monotonic()
        self._last[within] = measured, ended_s + max(FRESH_S, (ended_s - began_s) / SHARE)
        return measured


async def _of_project(project: str) -> Own:
    """The jobs of the project that have something on disk, and what its files take up."""
    on_disk = await anyio.to_thread.run_sync(lambda: list(job_files.job_ids()))
    async with transaction(project) as session:
        jobs = await session.scalars(select(Job.id).where(Job.id == any_(literal(on_disk, ARRAY(Text)))))
        return Own(set(jobs), await session.run_sync(files.size_bytes))


def measure(own: Own | None = None) -> StorageView:
    """Walk through all the files, or those of a project's jobs; nothing is held but sums and the largest jobs."""
    settings, jobs, models = get_settings(), job_files.jobs_root(), job_files.models_root()
    total_bytes, free_bytes = disk.capacity(settings.storage_path)
    jobs_bytes = models_bytes = 0

    def sizes() -> Iterator[tuple[str, int]]:
        nonlocal jobs_bytes, models_bytes
        for job_id in job_files.job_ids() if own is None else own.job_ids:
            of_job, of_models = disk.size_bytes(jobs / job_id), disk.size_bytes(models / job_id)
            jobs_bytes, models_bytes = jobs_bytes + of_job, models_bytes + of_models
            yield job_id, of_job + of_models

    largest = heapq.nlargest(JOBS_SHOWN, sizes(), key=itemgetter(1))
    return StorageView(
        total_bytes=total_bytes,
        free_bytes=free_bytes,
        jobs_bytes=jobs_bytes,
        models_bytes=models_bytes,
        files_bytes=_files_bytes() if own is None else own.files_bytes,
        data_bytes=disk.size_bytes(settings.data_root) if own is None else None,
        cache_bytes=disk.size_bytes(settings.storage_path / "cache") if own is None else None,
        trash_bytes=disk.size_bytes(retention.trash()) if own is None else None,
        largest_jobs=[JobSize(job_id=job_id, size_bytes=size) for job_id, size in largest],
        measured_at=int(time.time()),
    )


def _files_bytes() -> int:
    return sum(map(disk.unshared_bytes, (file_store.files_root(), file_store.incoming_root())))
