"""A program: Celery with a wall clock that is wrong by as many seconds as a file says, now and whenever that changes.

`python -m tests.faults.wrong_clock FILE CELERY_ARGUMENTS…` displaces `time.time` and Celery's own `now`, in which
all that a worker and beat do with the time of day is done.  The monotonic clock does not jump on a real machine
either.  Postgres and the stage programs keep the machine's clock.
"""

import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path


def displace(offset_s: Callable[[], float]) -> None:
    """Displace the clock of this process and of those it forks."""
    right = time.time
    time.time = lambda: right() + offset_s()  # before Celery and kombu take hold of it

    from celery import Celery

    right_now = Celery.now

    def now(self: Celery) -> datetime:
        moment: datetime = right_now(self) + timedelta(seconds=offset_s())
        return moment

    Celery.now = now


def main(file: Path, arguments: list[str]) -> None:
    """Run Celery so."""
    displace(lambda: float(file.read_text()))

    from celery.__main__ import main as celery

    sys.argv = ["celery", *arguments]
    celery()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
