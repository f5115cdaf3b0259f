"""The real gateway as a process, with what a test does to it."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import openai

from bench import gateway_process
from bench.gateway_process import free_port
from core import deployments
from core.db import transaction
from core.models import Deployment
from core.states import DeploymentStatus
from tests.waiting import wait_until

__all__ = ["Gateway", "alive", "ask_for", "deploy", "free_port", "kill", "outcome"]
ALIAS = "tunesmith"
LIVE_WITHIN_S = 150
ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED)


class Gateway(gateway_process.Gateway):
    """`python -m inference` on ports of its own."""

    @property
    def client(self) -> openai.OpenAI:
        """An OpenAI client that never retries, so that every failure shows."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=150)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST with the key."""
        return httpx.post(
            f"{self.url}{path}", json=body, headers={"authorization": f"Bearer {self.key}", **headers}, timeout=150
        )


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """kill -9."""
    os.kill(pid, signal.SIGKILL)


def ask_for(model_id: str, path: Path, job_id: str | None = None) -> str:
    """Register the model and ask for it to be live; the deployment's id."""
    with transaction() as session:
        deployments.register_model(
            session, model_id, stage="base", base_model=str(path), location=str(path), manifest={}
        )
        return deployments.request(session, ALIAS, model_id, job_id).id


def outcome(deployment_id: str) -> Deployment | None:
    """The deployment once it is live or failed."""
    with transaction() as session:
        found = deployments.get(session, deployment_id)
        return found if found.status in ENDED else None


def deploy(model_id: str, path: Path) -> Deployment:
    """Ask for the model and wait for what becomes of it."""
    deployment_id = ask_for(model_id, path)
    found = wait_until(lambda: outcome(deployment_id), LIVE_WITHIN_S, 0.05)
    assert found is not None
    return found
