"""The proxies that are compared: ours, nginx as the ceiling, and LiteLLM, which people know.

Each is one process at work, on the loopback, before the same upstream.  One that is not there is left out.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.front import ALIAS
from bench.ports import free_port
from bench.services import KEY, without_settings
from cli.health import http_is_healthy
from cli.migrate import PROJECT
from cli.supervisor import Child, Supervisor

LITELLM = "1.100.5"
LITELLM_VENV = PROJECT / "var" / "bench" / f"litellm-{LITELLM}"
NGINX_CONF = """\
daemon off; pid {folder}/pid; error_log {folder}/error.log crit; worker_processes 1; user root;
events {{ worker_connections 512; }}
http {{
  access_log off; client_max_body_size 1m; client_body_buffer_size 1m; keepalive_requests 100000000;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream stub {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://stub; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """A running one."""

    name: str
    url: str
    key: str
    pid: int


@dataclass(frozen=True)
class Proxies:
    """Starts them, in a folder of their own."""

    folder: Path
    supervisor: Supervisor
    env: Mapping[str, str] = field(default_factory=lambda: without_settings(os.environ))

    def stub(self) -> Proxy:
        """The upstream that answers at once."""
        port = free_port()
        argv = [sys.executable, "-m", "bench.stub", str(port)]
        return self._start("direct", argv, port, "/v1/models", self.env)

    def ours(self, upstream: str) -> Proxy:
        """The gateway with keys, limits, metrics and the rewriting of names."""
        port = free_port()
        settings = {
            "TUNESMITH_ADMIN_KEY": "another-key",
            "TUNESMITH_INFERENCE_KEYS": f"a-third-key,{KEY}",
            "TUNESMITH_INFERENCE_PORT": str(port),
            "TUNESMITH_MAX_ANSWER_TOKENS": "4096",
            "TUNESMITH_MAX_CHOICES": "16",
        }
        argv = [sys.executable, "-m", "bench.front", upstream]
        return self._start("ours", argv, port, "/health", {**self.env, **settings})

    def nginx(self, upstream: str) -> Proxy | None:
        """With one worker that keeps its connections; None when it is not installed."""
        program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            return None
        folder, port = self.folder / "nginx", free_port()
        folder.mkdir()
        conf = folder / "nginx.conf"
        conf.write_text(NGINX_CONF.format(folder=folder, port=port, upstream=upstream.removeprefix("http://")))
        argv: list[str | Path] = [program, "-e", folder / "error.log", "-p", folder, "-c", conf]
        return self._start("nginx", argv, port, "/v1/models", self.env)

    def litellm(self, upstream: str) -> Proxy | None:
        """With its master key and nothing else; None when it is not installed (`install_litellm`)."""
        program = LITELLM_VENV / "bin" / "litellm"
        if not program.exists():
            return None
        port, config = free_port(), self.folder / "litellm.json"
        reached = {"model": "hosted_vllm/engine", "api_base": f"{upstream}/v1", "api_key": "stub"}
        models = [{"model_name": ALIAS, "litellm_params": reached}]
        config.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": f"sk-{KEY}"}}))
        argv: list[str | Path] = [
            program,
            "--config",
            config,
            "--host",
            "127.0.0.1",
            "--port",
            str(port),
            "--telemetry",
            "False",
        ]
        env = {**self.env, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}
        return self._start("litellm", argv, port, "/health/liveliness", env, f"sk-{KEY}")

    def _start(
        self, name: str, argv: Sequence[str | Path], port: int, path: str, env: Mapping[str, str], key: str = KEY
    ) -> Proxy:
        url, log = f"http://127.0.0.1:{port}", self.folder / "log" / f"{name}.log"
        child = Child(name, argv, log, PROJECT, env, lambda: http_is_healthy(url + path), start_timeout_s=120)
        self.supervisor.start(child)
        return Proxy(name, url, key, self.supervisor.pid(name))


def install_litellm(say: Callable[[str], None]) -> None:
    """Make its environment, once; say so when that is not possible here."""
    if (LITELLM_VENV / "bin" / "litellm").exists():
        return
    say(f"installing litellm {LITELLM} into {LITELLM_VENV}: about two minutes, once")
    pip = [str(LITELLM_VENV / "bin" / "pip"), "install", "--quiet", f"litellm[proxy]=={LITELLM}"]
    try:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(LITELLM_VENV)], check=True, capture_output=True)
        subprocess.run(pip, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as error:
        say(f"litellm is left out: it could not be installed ({str(error.stderr).strip()[-300:]})")
        shutil.rmtree(LITELLM_VENV)


def memory_mb(pid: int) -> float:
    """What the process and those below it hold in memory now, in MB."""
    statuses = [Path(f"/proc/{one}/status").read_text() for one in _with_children(pid)]
    return sum(int(status.partition("VmRSS:")[2].split()[0]) for status in statuses) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Seconds that the process and those below it have computed so far."""
    fields = [Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split() for one in _with_children(pid)]
    return sum(int(one[11]) + int(one[12]) for one in fields) / os.sysconf("SC_CLK_TCK")


def _with_children(pid: int) -> list[int]:
    children = [int(one) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for one in tasks.read_text().split()]
    return [pid, *(below for child in children for below in _with_children(child))]
