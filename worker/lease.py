"""Keeping a run's lease while it waits for something, and noticing that it should stop."""

import time
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from core import runs
from core.db import transaction
from core.errors import LeaseLost
from core.settings import get_settings
from worker.drain import DRAIN


class Cancelled(Exception):
    """The job's owner asked for its end."""


class Drained(Exception):
    """The worker is shutting down; another one goes on with the job."""


class LeaseKeeper:
    """Renews the lease from within every wait loop of the run."""

    def __init__(self, lease: runs.Lease) -> None:
        settings = get_settings()
        self.lease = lease
        self.lease_s, self.heartbeat_s = settings.lease_s, settings.heartbeat_s
        self.renewed_at = self.tried_at = time.monotonic()
        self.cancel_requested = False

    def tick(self) -> None:
        """Renew when it is time.

        While Postgres is away the run goes on, but only to 0.75 of the lease: then LeaseLost, so that its trainer
        is surely dead before another run can start.
        """
        now = time.monotonic()
        if now - self.tried_at < self.heartbeat_s:
            return
        self.tried_at = now
        try:
            with transaction() as session:
                self.cancel_requested = runs.renew(session, self.lease, self.lease_s)
            self.renewed_at = now
        except OperationalError as error:
            if time.monotonic() - self.renewed_at > 0.75 * self.lease_s:
                raise LeaseLost(f"job {self.lease.job_id}: Postgres was away too long to keep the lease") from error

    @property
    def stop_reason(self) -> Cancelled | Drained | None:
        """Why the run should stop now, if it should."""
        if self.cancel_requested:
            return Cancelled()
        return Drained() if DRAIN.is_set() else None

    def wait_until(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait for a condition under the lease; False at the time limit; raises when the run should stop."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            self.tick()
            if (reason := self.stop_reason) is not None:
                raise reason
            if time.monotonic() > deadline:
                return False
            time.sleep(0.25)
        return True
