"""A thread that looks, several times a second, whether one job is being trained twice at once."""

import threading
import time

from tests.faults.census import live_programs

EVERY_S = 0.3
THAW_GRACE_S = 2.0
"""A frozen trainer that thaws after another run began lives until its worker wakes and ends it; what it may still
write is fenced, so so much time together is no fault.  Anything longer is."""


class Sampler:
    """Use as a context; `overlaps` then names the jobs that two live programs worked on for longer than the grace."""

    def __init__(self) -> None:
        self.longest_s: dict[str, float] = {}
        self.samples = 0
        self._since: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def __enter__(self) -> "Sampler":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def overlaps(self) -> dict[str, str]:
        """Job and what was seen."""
        return {
            job_id: f"two live programs at once for {seconds:.1f} s"
            for job_id, seconds in self.longest_s.items()
            if seconds > THAW_GRACE_S
        }

    def _run(self) -> None:
        while not self._stop.wait(EVERY_S):
            self.take(live_programs(), time.monotonic())

    def take(self, live: dict[int, tuple[str, str]], now_s: float) -> None:
        """Count one sample."""
        self.samples += 1
        jobs = [job_id for job_id, _ in live.values()]
        double = {job_id for job_id in jobs if jobs.count(job_id) > 1}
        for job_id in double:
            since = self._since.setdefault(job_id, now_s)
            self.longest_s[job_id] = max(self.longest_s.get(job_id, 0.0), now_s - since)
        self._since = {job_id: since for job_id, since in self._since.items() if job_id in double}
