"""The real gateway as a process, with what a test does to it."""

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import openai

from bench import gateway_process
from core import deployments, model_registry
from core.db import transaction
from core.models import Deployment
from core.spec import DeploySpec
from core.states import DeploymentStatus
from tests.waiting import wait_until

ALIAS = "tunesmith"
LIVE_WITHIN_S = 150
VLLM_KEY = "the-key-of-vllm"
MERGED = DeploySpec()
ENDED = (DeploymentStatus.LIVE, DeploymentStatus.FAILED)


class Gateway(gateway_process.Gateway):
    """`python -m inference` on ports of its own."""

    @property
    def client(self) -> openai.OpenAI:
        """An OpenAI client that never retries, so that every failure shows."""
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=150)

    def model_ids(self) -> list[str]:
        """The names that it lists."""
        with self.client as client:
            return [model.id for model in client.models.list().data]

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        """POST with the key."""
        return httpx.post(
            f"{self.url}{path}", json=body, headers={"authorization": f"Bearer {self.key}", **headers}, timeout=150
        )

    def ask_vllm(self, path: str, body: Any) -> httpx.Response:
        """POST to vLLM itself, past the gateway."""
        headers = {"authorization": f"Bearer {VLLM_KEY}"}
        return httpx.post(f"http://127.0.0.1:{self.vllm_port}{path}", json=body, headers=headers, timeout=150)


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
    made_by: tuple[str | None, str] = (None, "base"),
) -> None:
    """Make a model folder known; `made_by` is a job and its stage."""
    with transaction() as session:
        model_registry.register_model(
            session,
            model_id,
            job_id=made_by[0],
            stage=made_by[1],
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
