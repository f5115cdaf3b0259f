"""The real gateway as a process that can be killed and started again, with its vLLM: for measurements and for tests."""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from subprocess import Popen
from typing import Any

import httpx

from bench.ports import free_port
from bench.waiting import wait_until
from cli.migrate import PROJECT
from cli.processes import finish, log_tail, spawn, terminate

ANSWERS_WITHIN_S = 20
STOPS_WITHIN_S = 40


class Gateway:
    """`python -m inference` on ports of its own, logging into `folder`; vLLM ends with it."""

    def __init__(self, env: Mapping[str, str], folder: Path, key: str) -> None:
        self.port, self.vllm_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.key = key
        self.log_dir = folder
        self.log_path = folder / "gateway.log"
        self._env = {
            **env,
            "TUNESMITH_INFERENCE_PORT": str(self.port),
            "VLLM_PORT": str(self.vllm_port),
            "TUNESMITH_LOG_DIR": str(folder),
            "TUNESMITH_GATE_TIMEOUT_S": "150",
        }
        # As `tunesmith up` does: vLLM would compile its libraries anew at every start.
        self._env.pop("PYTHONDONTWRITEBYTECODE", None)
        self._process: Popen[bytes] | None = None

    def start(self, **env: str) -> None:
        """Start it, with further variables, and wait until it answers (vLLM may take longer).

        It ends with the thread that calls this.
        """
        argv = [sys.executable, "-m", "inference"]
        self._process = spawn(
            argv, log=self.log_path, cwd=PROJECT, env={**self._env, **env}, death_signal=signal.SIGKILL
        )
        wait_until(self._answers_or_ended, ANSWERS_WITHIN_S)
        if self._process.poll() is not None:
            raise RuntimeError(f"the gateway ended while starting; the end of its log:\n{log_tail(self.log_path)}")

    def log(self) -> str:
        """What it has logged so far."""
        return self.log_path.read_text()

    def health(self) -> dict[str, Any] | None:
        """What `/health` says, or None while nothing listens."""
        try:
            body: dict[str, Any] = httpx.get(
                f"{self.url}/health", headers={"authorization": f"Bearer {self.key}"}, timeout=5
            ).json()
        except httpx.TransportError:
            return None
        return body

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

    def kill_vllm(self) -> None:
        """kill -9 of vLLM's API server."""
        os.kill(self.vllm_parents()[0], signal.SIGKILL)

    def kill(self) -> None:
        """kill -9 of the gateway alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """SIGTERM, as an orderly shutdown sends."""
        if self._process is not None:
            terminate(self._process, signal.SIGTERM)
            finish(self._process, STOPS_WITHIN_S)

    def _answers_or_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self.health() is not None


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
