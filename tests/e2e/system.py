"""`tunesmith up` as a real process in a home of its own, and what is left of it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil
from openai import OpenAI

from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
START_S = 120


class RunningSystem:
    """Everything on this machine, on free ports, in `home`."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.data_root = home / "data"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("TUNESMITH_", "VLLM_")) and k not in _URLS}
        self.environment = {**clean, "TUNESMITH_HOME": str(home), **environment}
        self.process: subprocess.Popen[bytes] | None = None
        self._seen: set[psutil.Process] = set()

    def start(self) -> None:
        """Start, and wait until everything is healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli", "up"], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )
        wait_until(lambda: (self.home / "running.json").exists() or self.process_ended(), START_S)
        wait_until(self.healthy, START_S)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it as a person would, or worse."""
        if self.process is not None:
            self.look(self.process.pid)
            self.process.send_signal(how)
            self.process.wait(90)
            self.process = None

    def process_ended(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"`up` ended early:\n{(self.home / 'up.log').read_text()[-3000:]}")
        return False

    def healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").status_code == 200
        except httpx.TransportError:
            return self.process_ended()

    @property
    def url(self) -> str:
        """The api's URL."""
        return str(json.loads((self.home / "running.json").read_text())["api_url"])

    @property
    def key(self) -> str:
        return (self.home / "admin-key").read_text().strip()

    @property
    def http(self) -> httpx.Client:
        """A client with the key."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60)

    @property
    def openai(self) -> OpenAI:
        """The SDK, without retries: a failure is to be seen."""
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=120)

    def submit(self, spec: dict[str, Any]) -> str:
        """Post a job and return its id."""
        with self.http as http:
            answer = http.post("/jobs", json=spec)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        with self.http as http:
            job: dict[str, Any] = http.get(f"/jobs/{job_id}").json()
        return job

    def wait_for(self, job_id: str, *statuses: str, deadline_s: float = 300) -> dict[str, Any]:
        """Wait until the job is in one of the states; a failed job ends the wait with its error."""

        def reached() -> bool:
            job = self.job(job_id)
            assert job["status"] != "failed" or "failed" in statuses, job["error"]
            return job["status"] in statuses

        wait_until(reached, deadline_s)
        return self.job(job_id)

    def look(self, launcher_pid: int) -> None:
        """Remember every process that runs below the launcher now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            launcher = psutil.Process(launcher_pid)
            self._seen |= {launcher, *launcher.children(recursive=True)}

    def processes(self) -> dict[int, str]:
        """Every living process that was started for this home: pid and command line."""
        if self.process is not None:
            self.look(self.process.pid)
        found: dict[int, str] = {}
        for process in self._seen:
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                    found[process.pid] = " ".join(process.cmdline())
        return found


_URLS = ("DATABASE_URL", "REDIS_URL", "STORAGE_URL", "DATA_ROOT")
