"""Celery: two queues of doorbells.  A message carries no work, so losing or repeating one is harmless.

`jobs` tells a GPU worker that something may be claimable; `ops` holds short, idempotent housekeeping.  The broker
settings keep a doorbell from ringing twice for one long task; docs/architecture.md has the measurement.
"""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from celery import Celery
from celery.schedules import schedule
from kombu.exceptions import OperationalError

from core.clock import steady_clock
from core.settings import get_settings

JOBS, OPS = "jobs", "ops"
CLAIM = "worker.claim"
REAP = "worker.reap"
RING = "worker.ring"
FORECAST = "worker.forecast"
RETAIN = "worker.retain"
PREFLIGHT = "worker.preflight"
_AT_ONCE = {"interval_start": 0, "interval_step": 0, "interval_max": 0}


@lru_cache
def celery_app() -> Celery:
    """The Celery application; `worker.tasks` registers the tasks by these names."""
    settings, now = get_settings(), steady_clock()
    app = Celery("tunesmith", broker=celery_broker_url(settings.redis_url), backend=None)
    app.conf.update(
        task_default_queue=OPS,
        task_routes={CLAIM: {"queue": JOBS}},
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=False,
        task_publish_retry=False,
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_max_tasks_per_child=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={"visibility_timeout": 3600, "socket_timeout": 10, "socket_connect_timeout": 3},
        # In memory, and by a clock that never jumps: no wrong time of day is kept, or read back at the next start.
        beat_scheduler="celery.beat:Scheduler",
        beat_schedule={
            "reap": _every(settings.reap_every_s, REAP, now),
            "forecast": _every(settings.reap_every_s, FORECAST, now),
            "ring": _every(settings.reap_every_s, RING, now),
            "preflight": _every(settings.reap_every_s, PREFLIGHT, now),
            "retain": _every(settings.retain_every_s, RETAIN, now),
        },
    )
    return app


def _every(seconds: float, task: str, now: Callable[[], datetime]) -> dict[str, Any]:
    """An entry of beat's schedule.  No message expires: the hosts' clocks need not agree."""
    return {"task": task, "schedule": schedule(seconds, nowfun=now)}


def celery_broker_url(redis_url: str) -> str:
    """REDIS_URL as kombu spells it: a Unix socket is `redis+socket://` there and `unix://` in redis-py."""
    if redis_url.startswith("unix://"):
        return "redis+socket://" + redis_url.removeprefix("unix://")
    return redis_url


@lru_cache
def _ringer() -> Celery:
    """An application for ringing alone, whose connections give up soon; those of the workers retry for 6 s first."""
    app = Celery("tunesmith.doorbell", broker=celery_broker_url(get_settings().redis_url), backend=None)
    app.conf.update(
        task_ignore_result=True,
        broker_transport_options={"socket_timeout": 3, "socket_connect_timeout": 3, "max_retries": 1, **_AT_ONCE},
        task_publish_retry_policy={"max_retries": 1, **_AT_ONCE},
    )
    return app


def ring(task: str = CLAIM, queue: str = JOBS) -> bool:
    """Ring a doorbell, that of the jobs if no other; False when the broker is away (beat rings again later)."""
    try:
        _ringer().send_task(task, queue=queue)
    except OperationalError:
        return False
    return True
