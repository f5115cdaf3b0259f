"""A worker's sign of life, from its main process: the name, the device, and when it was last seen."""

import logging
import os
import socket
import time
from dataclasses import replace

from sqlalchemy.exc import OperationalError

from core import workers
from core.db import engine, transaction
from core.machine import Device, device
from core.memory import GIB
from core.settings import get_settings

log = logging.getLogger(__name__)
takes_jobs = False
_shown_at = -workers.SHOWN_EVERY_S


def show() -> None:
    """Write the sign of life when it is time; called by Celery every two seconds."""
    global _shown_at
    if not takes_jobs or time.monotonic() - _shown_at < workers.SHOWN_EVERY_S:
        return
    _shown_at = time.monotonic()
    try:
        with transaction() as session:
            workers.show(session, name(os.getpid()), own_device())
    except OperationalError as error:
        log.warning("presence.failed the database is away: %s", error)
    finally:
        engine().dispose()  # the processes that run jobs are forked from this one, and must not share a connection


def name(main_pid: int) -> str:
    """The worker's name: as set, or the host and its main process, which stays while those that run jobs change."""
    return get_settings().worker_name or f"{socket.gethostname()}:{main_pid}"


def own_device() -> Device:
    """What this worker trains on, with the memory that it may fill."""
    settings = get_settings()
    found, limit_gb = device(settings.visible_gpus), settings.worker_memory_gb
    return found if limit_gb is None else replace(found, memory_bytes=round(limit_gb * GIB))
