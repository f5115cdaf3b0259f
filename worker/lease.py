"""Keeping a run's lease while it waits for something, and noticing that it should stop."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core import runs
from core.db import may_pass, transaction
from core.errors import LeaseLost
from core.settings import get_settings
from core.states import STOPPING, JobStatus
from worker.drain import DRAIN

_WATCHED_EVERY_S = 0.25
Result = TypeVar("Result")


class Stopped(Exception):
    """The run should end early: its owner wants that, or the worker is shutting down."""


class LeaseKeeper:
    """Renews the lease, and looks for a wish to stop, from within every wait loop of the run."""

    def __init__(self, lease: runs.Lease) -> None:
        self.lease, self.settings = lease, get_settings()
        self.renewed_at = self.tried_at = self.looked_at = time.monotonic()
        self.status = JobStatus.PREPARING
        self.has_killed = False

    def tick(self) -> None:
        """Look, or renew, when it is time.

        While Postgres is away the run goes on, but only to 0.75 of the lease: then LeaseLost, so that its trainer
        is surely dead before another run can start.
        """
        now = time.monotonic()
        try:
            if now - self.tried_at >= self.settings.heartbeat_s:
                self.tried_at = self.looked_at = now
                with transaction() as session:
                    self.status = runs.renew(session, self.lease, self.settings.lease_s)
                self.renewed_at = now
            elif now - self.looked_at >= self.settings.watch_s:
                self.looked_at = now
                with transaction() as session:
                    self.status = runs.look(session, self.lease)
        except OperationalError as error:
            if self.is_overdue:
                raise LeaseLost(f"job {self.lease.job_id}: Postgres was away too long to keep the lease") from error

    def write(self, change: Callable[[Session], Result], patience_s: float = 0) -> Result:
        """Make the change in a transaction of its own; while Postgres is away, wait for it as long as the lease allows.

        A run that should stop waits for `patience_s` only: Stopped.  A commit whose answer got lost is made again, so
        the change must bear that.
        """
        patient_until = time.monotonic() + patience_s
        while True:
            try:
                with transaction() as session:
                    return change(session)
            except OperationalError as error:
                if not may_pass(error):
                    raise
            self.tick()
            if time.monotonic() >= patient_until:
                self.stop_if_asked()
            time.sleep(0.25)

    @contextlib.contextmanager
    def guarding(self, process_group: int) -> Iterator[None]:
        """Kill the process group once the lease is overdue, even while this thread waits for a Postgres gone silent."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(_WATCHED_EVERY_S):
                if self.is_overdue:
                    self.has_killed = True
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process_group, signal.SIGKILL)
                    return

        watchdog = threading.Thread(target=watch, name="lease-watchdog", daemon=True)
        watchdog.start()
        try:
            yield
        finally:
            over.set()
            watchdog.join()

    @property
    def is_overdue(self) -> bool:
        """Whether the last renewal is so long ago that what the run has started must be dead soon."""
        return time.monotonic() - self.renewed_at > 0.75 * self.settings.lease_s

    @property
    def is_draining(self) -> bool:
        """Whether the worker is shutting down."""
        return DRAIN.is_set()

    @property
    def stop_reason(self) -> str | None:
        """Why the run should stop now, if it should."""
        if self.status in STOPPING:
            return f"the job is {self.status}"
        if self.has_killed:
            return "the lease could not be renewed in time, so its program was killed"
        return "the worker is shutting down" if self.is_draining else None

    def stop_if_asked(self) -> None:
        """Stopped when the run should stop."""
        if (reason := self.stop_reason) is not None:
            raise Stopped(reason)

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition under the lease; False at the time limit; Stopped when the run should stop."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.tick()
            self.stop_if_asked()
            if time.monotonic() > deadline:
                return False
            time.sleep(0.25)
        return True
