"""The clock that never jumps."""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Self

import pytest

from core.clock import steady_clock
from core.queue import celery_app
from tests.waiting import wait_until


class SetBack(datetime):
    """The time of day as a machine tells it whose clock was set back by a day."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return super().now(tz) - timedelta(days=1)


def test_it_tells_the_time_and_goes_on() -> None:
    now = steady_clock()
    first = now()
    assert abs(first - datetime.now(UTC)) < timedelta(seconds=5)
    wait_until(lambda: now() > first, 5)


def test_it_does_not_notice_that_the_machines_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    now = steady_clock()
    first = now()
    monkeypatch.setattr("core.clock.datetime", SetBack)
    assert timedelta(0) <= now() - first < timedelta(seconds=60)


def test_beat_plans_by_it() -> None:
    for entry in celery_app().conf.beat_schedule.values():
        due, _ = entry["schedule"].is_due(entry["schedule"].now() - timedelta(seconds=entry["schedule"].seconds + 1))
        assert due
        assert entry["schedule"].nowfun is not None
