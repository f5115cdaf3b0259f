"""The Celery tasks: thin, idempotent, without arguments; the work is in plain functions."""

import logging
import math
import os
import threading
import time
from collections.abc import Callable

from celery import Celery

from core import file_sweep, forecast, jobs, preflights, projects, retention, runs, workers
from core.claims import fits_another
from core.db import transaction
from core.errors import Conflict
from core.queue import CLAIM, FORECAST, PREFLIGHT, REAP, RETAIN, RING, ring
from core.settings import get_settings
from worker import preflight, preflight_program, presence
from worker.runner import run_job

log = logging.getLogger(__name__)
_RETAIN = "retention"
KEEPS_AWAY_S = 1.0
"""Long enough for another worker to hear the doorbell; and so often, at most, one worker passes it on."""


def register(app: Celery) -> None:
    """Register every task under the name that `core.queue` gives it."""
    app.task(name=CLAIM)(claim)
    app.task(name=PREFLIGHT)(preflight.begin)  # not spaced: every ring is somebody who waits
    for name, task in {REAP: reap, RING: ring_due, FORECAST: write_forecasts, RETAIN: retain}.items():
        app.task(name=name)(spaced(task, get_settings().reap_every_s / 2))


def spaced(task: Callable[[], None], apart_s: float) -> Callable[[], None]:
    """The task, but for messages that follow one another too soon: those that piled up while nobody listened."""
    last_s = -math.inf

    def run() -> None:
        nonlocal last_s
        if time.monotonic() - last_s >= apart_s:
            last_s = time.monotonic()
            task()

    return run


def claim() -> None:
    """Answer a doorbell: claim the best queued job, if there is one, and run it to its end.

    A doorbell for a larger worker is passed on: it rings again, and this worker keeps away from it for a moment.
    """
    device = presence.own_device()
    with transaction() as session:
        lease = runs.claim(session, presence.name(os.getppid()), device, get_settings().lease_s)
        is_for_another = lease is None and fits_another(session, device)
    if is_for_another and ring():
        time.sleep(KEEPS_AWAY_S)
    if lease is None:
        return
    log.info("job.claimed job_id=%s attempt=%d", lease.job_id, lease.attempt)
    run_job(lease)
    ring_due()


def reap() -> None:
    """Requeue the jobs of workers that are gone, and pause those of projects that have used up their hours."""
    with transaction() as session:
        lost = runs.reap(session, get_settings().max_failures)
    if lost:
        log.warning("job.requeued count=%d", lost)
        ring_due()
    with transaction() as session:
        workers.forget_gone(session)
        spent = projects.over_budget(session)
    for job_id in spent:
        _pause(job_id, "Paused: the project has used up its GPU hours; raise them, then resume the job")


def _pause(job_id: str, reason: str) -> None:
    """Pause the job, unless it ended just now."""
    try:
        with transaction() as session:
            jobs.pause(session, job_id, reason)
    except Conflict as error:
        log.info("job.not_paused job_id=%s: %s", job_id, error)


def ring_due() -> None:
    """Ring once for every queued job whose doorbell may have been lost."""
    with transaction() as session:
        due = runs.due_doorbells(session, get_settings().doorbell_every_s)
    for _ in range(due):
        ring()


def write_forecasts() -> None:
    """Tell every queued and running job when it will start and end."""
    with transaction() as session:
        forecast.write(session)


def retain() -> None:
    """Begin to remove what is no longer kept, unless that is under way.

    In a thread: deleting a terabyte takes minutes, and this process must go on reaping leases.
    """
    if _RETAIN not in {thread.name for thread in threading.enumerate()}:
        threading.Thread(target=_sweep, name=_RETAIN, daemon=True).start()


def _sweep() -> None:
    """The edge of the thread: whatever goes wrong is logged, and the next sweep tries again."""
    try:
        retention.sweep()
        with transaction() as session:
            preflights.sweep(session, get_settings().preflight_keep_days * 86_400)
        preflight_program.sweep_folders()
        file_sweep.sweep()
    except Exception:
        log.exception("retention.failed")
