"""The housekeeping task begins the sweep and returns, so that leases are reaped while things are deleted."""

import threading

import pytest

from core import retention
from core.db import transaction
from core.job_files import models_root
from core.queue import OPS, RETAIN, celery_app
from core.settings import get_settings
from tests.core.kept_files import CHAT, ended_job
from tests.waiting import wait_until
from worker import tasks

pytestmark = pytest.mark.usefixtures("database")


def sweeps() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "retention"]


def test_the_task_removes_what_is_no_longer_kept() -> None:
    job_id = ended_job(merged="last")
    tasks.retain()
    wait_until(lambda: not sweeps())
    assert not (models_root() / job_id / CHAT).exists()
    assert list(retention.trash().iterdir()) == []


def test_the_task_returns_at_once_and_begins_no_second_sweep() -> None:
    job_id = ended_job(merged="last")
    with transaction() as session:
        retention.mark(session, job_id)  # holds the locks that the sweep has to wait for
        tasks.retain()
        tasks.retain()
        assert len(sweeps()) == 1
    wait_until(lambda: not sweeps())
    assert not (models_root() / job_id / CHAT).exists()


def test_beat_asks_for_it_on_the_housekeeping_queue() -> None:
    conf = celery_app().conf
    entry = conf.beat_schedule["retain"]
    assert (entry["task"], entry["schedule"].seconds) == (RETAIN, get_settings().retain_every_s)
    assert RETAIN not in conf.task_routes
    assert conf.task_default_queue == OPS
