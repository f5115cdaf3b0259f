"""The Celery tasks: thin, idempotent, without arguments; the work is in plain functions."""

import logging
import os
import socket

from celery import Celery

from core import runs
from core.db import transaction
from core.queue import CLAIM, REAP, RING, ring
from core.settings import get_settings
from worker.runner import run_job

log = logging.getLogger(__name__)


def register(app: Celery) -> None:
    """Register every task under the name that `core.queue` gives it."""
    app.task(name=CLAIM)(claim)
    app.task(name=REAP)(reap)
    app.task(name=RING)(ring_due)


def claim() -> None:
    """Answer a doorbell: claim the best queued job, if there is one, and run it to its end."""
    settings = get_settings()
    worker = settings.worker_name or f"{socket.gethostname()}:{os.getpid()}"
    with transaction() as session:
        lease = runs.claim(session, worker, settings.lease_s)
    if lease is None:
        return
    log.info("job.claimed job_id=%s attempt=%d", lease.job_id, lease.attempt)
    run_job(lease)
    ring_due()


def reap() -> None:
    """Requeue the jobs of workers that are gone."""
    with transaction() as session:
        lost = runs.reap(session, get_settings().max_attempts)
    if lost:
        log.warning("job.requeued count=%d", lost)
        ring_due()


def ring_due() -> None:
    """Ring once for every queued job whose doorbell may have been lost."""
    with transaction() as session:
        due = runs.due_doorbells(session, get_settings().doorbell_every_s)
    for _ in range(due):
        ring()
