"""The system under test: started in a home of its own, killed and started again, asked through the api and its rows."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import redis
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from core.db import new_engine
from core.models import Job
from core.processes import bound_to_this_process
from core.settings import Settings
from tests.faults.census import Census
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
START_S = 180
PATIENCE_S = 600
"""For a job to end, also on a machine that is busy with something else: generous, as nothing is measured by it."""
SETTINGS = {
    "TUNESMITH_LEASE_S": "6",
    "TUNESMITH_HEARTBEAT_S": "1",
    "TUNESMITH_REAP_EVERY_S": "2",
    "TUNESMITH_DOORBELL_EVERY_S": "5",
    "TUNESMITH_WATCH_S": "0.3",
    "TUNESMITH_MAX_FAILURES": "1000",
    "OMP_NUM_THREADS": "1",  # sums come in the same order on every machine, so results can be compared bit by bit
}
LEASE_S = float(SETTINGS["TUNESMITH_LEASE_S"])
"""Short times, so that a fault's consequences are seen soon; what they are is no part of what is tested."""


class FaultySystem:
    """One launcher and everything below it."""

    def __init__(self, home: Path, workers: int = 2, **settings: str) -> None:
        self.home, self.workers = home.absolute(), workers
        ours = {str(f.validation_alias) for f in Settings.model_fields.values() if f.validation_alias}
        kept = {k: v for k, v in os.environ.items() if k not in ours and not k.startswith("TUNESMITH_")}
        self.environment = {**kept, **SETTINGS, "TUNESMITH_HOME": str(self.home), **settings}
        self.storage, self.data_root = self.home / "storage", self.home / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._engine: tuple[str, Engine] | None = None
        self._lock = threading.Lock()
        self.beside: set[int] = set()
        """Workers that a case started by itself."""

    def start(self) -> None:
        """Start everything and wait until all of it is healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        log = self.home / "launcher.log"
        before = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.launcher", str(self.workers)],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=bound_to_this_process(signal.SIGTERM),
            )

        def ready() -> bool:
            said = log.read_bytes()[before:]
            assert self._process is not None
            assert self._process.poll() is None, f"the launcher ended early:\n{said[-3000:].decode(errors='replace')}"
            return b"launcher: ready" in said

        wait_until(ready, START_S, every_s=0.1)

    def stop(self) -> None:
        """Stop as a person would."""
        self._forget_engine()
        if self._process is not None:
            with _gone_is_fine():
                self._thaw()
            self._process.send_signal(signal.SIGINT)
            self._process.wait(90)
            self._process = None

    def kill_launcher(self) -> None:
        """kill -9 of the launcher; returns when everything below it is gone too."""
        if self._process is None:
            return
        below = psutil.Process(self._process.pid).children(recursive=True) if self._process.poll() is None else []
        self._process.kill()
        self._process.wait()
        self._process = None
        _, alive = psutil.wait_procs(below, timeout=20)
        assert not alive, f"a killed launcher left {[p.pid for p in alive]} behind"

    def census(self) -> Census:
        """The processes as they are now; none while the launcher is down."""
        process = self._process
        return Census(process.pid if process is not None else None, self.beside)

    def _thaw(self) -> None:
        for process in psutil.Process(self._process.pid).children(recursive=True) if self._process else []:
            with _gone_is_fine():
                process.resume()

    # The api, as a client that does not give up.

    @property
    def url(self) -> str:
        """Where the api was last said to be; another port perhaps after the launcher was started again."""
        return str(json.loads((self.home / "running.json").read_text())["api_url"])

    def request(self, method: str, path: str, *, patience_s: float = 180, **arguments: Any) -> httpx.Response:
        """The first answer that is not a 5xx; connection errors and 5xx are tried again, as good clients do."""
        key = (self.home / "admin-key").read_text().strip()
        headers = {"Authorization": f"Bearer {key}", **arguments.pop("headers", {})}
        deadline = time.monotonic() + patience_s
        while True:
            try:
                answer = httpx.request(method, self.url + path, headers=headers, timeout=15, **arguments)
                if answer.status_code < 500:
                    return answer
                problem = f"{answer.status_code} {answer.text[:200]}"
            except (httpx.TransportError, FileNotFoundError) as error:
                problem = f"{type(error).__name__}: {error}"
            assert time.monotonic() < deadline, f"{method} {path} got no answer in {patience_s:g} s, last: {problem}"
            time.sleep(0.25)

    def submit(self, spec: dict[str, Any], key: str) -> str:
        """Post a job until it is answered with 2xx, under one Idempotency-Key; returns its id."""
        answer = self.request("POST", "/jobs", json=spec, headers={"Idempotency-Key": key})
        assert answer.is_success, answer.text
        return str(answer.json()["id"])

    # The rows and the broker, as an operator sees them.

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction on the system's database, committed at its end."""
        with sessionmaker(self._current_engine(), expire_on_commit=False).begin() as session:
            yield session

    def rows(self, read: Callable[[Session], Any], patience_s: float = 60) -> Any:
        """What `read` finds, tried again while Postgres is away."""
        deadline = time.monotonic() + patience_s
        while True:
            try:
                with self.session() as session:
                    return read(session)
            except (OperationalError, LookupError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def job(self, job_id: str) -> Job:
        """The job's row."""
        job: Job = self.rows(lambda session: session.get_one(Job, job_id))
        return job

    def wait_for(self, job_id: str, *statuses: str, deadline_s: float = PATIENCE_S) -> Job:
        """Wait until the job is in one of the states; one that has ended otherwise ends the wait."""

        def reached() -> Job | None:
            job = self.job(job_id)
            ended = job.status in {"succeeded", "failed", "cancelled"} and job.status not in statuses
            assert not ended, f"job {job_id} {job.status}: {job.error}"
            return job if job.status in statuses else None

        found = wait_until(reached, deadline_s, every_s=0.1)
        assert found is not None
        return found

    def redis(self) -> "redis.Redis":
        """The broker."""
        return redis.Redis.from_url(self.service_environment()["REDIS_URL"], socket_timeout=5)

    def _current_engine(self) -> Engine:
        url = self.service_environment()["DATABASE_URL"]
        with self._lock:
            if self._engine is None or self._engine[0] != url:
                self._forget_engine()
                self._engine = (url, new_engine(url))
            return self._engine[1]

    def _forget_engine(self) -> None:
        if self._engine is not None:
            self._engine[1].dispose()
        self._engine = None

    def service_environment(self) -> dict[str, str]:
        """The environment that the launcher gives its services, read from one of them."""
        census = self.census()
        for process in (*census.ops(), *census.workers(), *census.gateway(), *census.api()):
            with _gone_is_fine():
                environment: dict[str, str] = process.environ()
                if "DATABASE_URL" in environment:
                    return environment
        raise LookupError("none of the services runs")


@contextmanager
def _gone_is_fine() -> Iterator[None]:
    try:
        yield
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return
