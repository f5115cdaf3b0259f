"""The real gateway as a process, with what a test does to it."""

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import openai

from core import deployments
from core.db import transaction
from core.models import Deployment
from core.spec import DeploySpec
from core.states import DeploymentStatus
from tests.waiting import wait_until

ALIAS = "tunesmith"
ROOT = Path(__file__).parents[2]
LIVE_WITHIN_S = 150
MERGED = DeploySpec()
ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED)


def free_port() -> int:
    """A port that nobody listens on now, and that the kernel gives to no outgoing connection before it is used."""
    while True:
        port = random.randrange(15_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


class Gateway:
    """`python -m inference` on ports of its own."""

    def __init__(self, env: Mapping[str, str], folder: Path, key: str) -> None:
        self.port, self.vllm_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = key
        self.log_dir = folder
        self._env = {
            **env,
            "TUNESMITH_INFERENCE_PORT": str(self.port),
            "VLLM_PORT": str(self.vllm_port),
            "TUNESMITH_LOG_DIR": str(folder),
            "TUNESMITH_GATE_TIMEOUT_S": "150",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> openai.OpenAI:
        """An OpenAI client that never retries, so that every failure shows."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=150)

    def start(self, **env: str) -> None:
        """Start it, with further variables, and wait until it answers (vLLM may take longer)."""
        self.log_dir.mkdir(exist_ok=True)
        with (self.log_dir / "gateway.log").open("ab") as log:
            command = [sys.executable, "-m", "inference"]
            self._process = subprocess.Popen(command, cwd=ROOT, env={**self._env, **env}, stdout=log, stderr=log)
        wait_until(lambda: self.health() is not None, 20)

    def log(self) -> str:
        """What it has logged so far."""
        return (self.log_dir / "gateway.log").read_text()

    def health(self) -> dict[str, Any] | None:
        """What `/health` says, or None while nothing listens."""
        try:
            body: dict[str, Any] = httpx.get(f"{self.url}/health", timeout=5).json()
        except httpx.TransportError:
            return None
        return body

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST with the key."""
        return httpx.post(
            f"{self.url}{path}", json=body, headers={"authorization": f"Bearer {self.key}", **headers}, timeout=150
        )

    def vllm_parents(self) -> list[int]:
        """The API server of every vLLM of this gateway."""
        assert self._process is not None
        marker = f"tunesmith_vllm.serve\0{self._process.pid}\0".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    if marker in (entry / "cmdline").read_bytes():
                        found.append(int(entry.name))
                except OSError:
                    continue
        return found

    def vllm_pids(self) -> list[int]:
        """Every process of this gateway's vLLM, the API server first."""
        found = self.vllm_parents()
        return [*found, *(child for pid in found for child in descendants(pid))]

    def kill(self) -> None:
        """kill -9 of the gateway alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """SIGTERM, as an orderly shutdown sends."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(40)


def descendants(pid: int) -> list[int]:
    """The processes below a process."""
    try:
        children = [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    except OSError:
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


def register(
    model_id: str,
    path: Path,
    *,
    base_id: str | None = None,
    adapter_rank: int | None = None,
    canary: dict[str, Any] | None = None,
) -> None:
    """Make a model folder known."""
    with transaction() as session:
        deployments.register_model(
            session,
            model_id,
            stage="base",
            base_model=str(path),
            location=str(path),
            manifest={},
            base_id=base_id,
            adapter_rank=adapter_rank,
            canary=canary,
        )


def ask_for(
    model_id: str, path: Path, job_id: str | None = None, *, alias: str = ALIAS, how: DeploySpec = MERGED
) -> str:
    """Ask for the model to be live, registered first if it is not; the deployment's id."""
    register(model_id, path)
    with transaction() as session:
        return deployments.request(session, alias, model_id, job_id, how=how).id


def status_of(deployment_id: str) -> DeploymentStatus:
    """Where the deployment is now."""
    with transaction() as session:
        return DeploymentStatus(deployments.get(session, deployment_id).status)


def ended(deployment_id: str, within_s: float = LIVE_WITHIN_S) -> Deployment:
    """The deployment once it is live or failed."""

    def look() -> Deployment | None:
        with transaction() as session:
            found = deployments.get(session, deployment_id)
            return found if found.status in ENDED else None

    found = wait_until(look, within_s, 0.05)
    assert found is not None
    return found


def deploy(model_id: str, path: Path, *, alias: str = ALIAS, how: DeploySpec = MERGED) -> Deployment:
    """Ask for the model and wait for what becomes of it."""
    return ended(ask_for(model_id, path, alias=alias, how=how))
