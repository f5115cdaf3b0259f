"""The file of a job's results: its training step by step, written when all else is done.

A disk that refuses it does not fail a job that has got so far.
"""

import logging

from sqlalchemy.orm import Session

from core import files, runs
from core.errors import OutOfSpace
from core.file_store import Incoming
from core.files import RESULTS, NewFile
from core.ids import new_id
from core.models import Job
from core.training_results import as_csv
from worker.lease import LeaseKeeper

log = logging.getLogger(__name__)
FILENAME = "step_metrics.csv"


def store(keeper: LeaseKeeper) -> None:
    """Write the file, unless an earlier run came as far as that."""

    def read(session: Session) -> tuple[Job, str] | None:
        job = runs.hold(session, keeper.lease)
        return None if files.results_of(session, [job.id]) else (job, as_csv(session, job))

    if (wanted := keeper.write(read)) is None:
        return
    try:
        _write(keeper, *wanted)
    except (OutOfSpace, OSError) as error:
        log.warning("results.not_written job_id=%s: %s", keeper.lease.job_id, error)


def _write(keeper: LeaseKeeper, job: Job, text: str) -> None:
    """Bytes first: until their row is committed the folder is locked, and a sweep removes one that never gets a row."""
    with Incoming(new_id("file")) as incoming:
        incoming.open(FILENAME)
        incoming.write(text.encode())
        sha256 = incoming.finish()
        incoming.publish(None)
        new = NewFile(
            id=incoming.file_id,
            project=job.project,
            purpose=RESULTS,
            filename=FILENAME,
            size_bytes=incoming.size_bytes,
            sha256=sha256,
            format="csv",
            rows=text.count("\n") - 1,
            trainable_rows=0,
            idempotency_key=None,
            body_sha256=sha256,
        )

        def add(session: Session) -> None:
            runs.hold(session, keeper.lease)
            if not files.results_of(session, [job.id]):  # or the answer to the commit got lost
                files.add_results(session, new, job.id)

        keeper.write(add)
