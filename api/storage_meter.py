"""Measures what the storage holds, in a thread, one caller at a time, and no more often than it is worth."""

import heapq
import time
from collections.abc import Iterator
from operator import itemgetter

import anyio.to_thread
from anyio import CapacityLimiter

from api.schemas.storage import JobSize, StorageView
from core import disk, file_store, job_files, retention
from core.settings import get_settings

FRESH_S = 5.0
SHARE = 0.1
"""At most this share of the time is spent measuring, however many files there are."""
JOBS_SHOWN = 10


class StorageMeter:
    """The last measurement, and when the next one is due."""

    def __init__(self) -> None:
        self._one = CapacityLimiter(1)
        self._last: StorageView | None = None
        self._due_at_s = 0.0

    async def read(self) -> StorageView:
        """What the storage holds, as measured a short while ago at most."""
        return await anyio.to_thread.run_sync(self._read, limiter=self._one)

    def _read(self) -> StorageView:
        began_s = time.monotonic()
        if self._last is None or began_s >= self._due_at_s:
            self._last = measure()
            ended_s = time.monotonic()
            self._due_at_s = ended_s + max(FRESH_S, (ended_s - began_s) / SHARE)
        return self._last


def measure() -> StorageView:
    """Walk through all the files; nothing is held but sums and the largest jobs."""
    settings, jobs, models = get_settings(), job_files.jobs_root(), job_files.models_root()
    total_bytes, free_bytes = disk.capacity(settings.storage_path)
    jobs_bytes = models_bytes = 0

    def sizes() -> Iterator[tuple[str, int]]:
        nonlocal jobs_bytes, models_bytes
        for job_id in job_files.job_ids():
            of_job, of_models = disk.size_bytes(jobs / job_id), disk.size_bytes(models / job_id)
            jobs_bytes, models_bytes = jobs_bytes + of_job, models_bytes + of_models
            yield job_id, of_job + of_models

    largest = heapq.nlargest(JOBS_SHOWN, sizes(), key=itemgetter(1))
    return StorageView(
        total_bytes=total_bytes,
        free_bytes=free_bytes,
        jobs_bytes=jobs_bytes,
        models_bytes=models_bytes,
        files_bytes=sum(map(disk.unshared_bytes, (file_store.files_root(), file_store.incoming_root()))),
        data_bytes=disk.size_bytes(settings.data_root),
        cache_bytes=disk.size_bytes(settings.storage_path / "cache"),
        trash_bytes=disk.size_bytes(retention.trash()),
        largest_jobs=[JobSize(job_id=job_id, size_bytes=size) for job_id, size in largest],
        measured_at=int(time.time()),
    )
