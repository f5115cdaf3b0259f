"""The service's own processes as the supervisor runs them: api, gateway, GPU worker, housekeeping and its clock."""

import sys
from collections.abc import Callable

from cli.health import CeleryNode, http_is_healthy
from cli.migrate import PROJECT
from cli.supervisor import Child
from core.queue import JOBS, OPS
from core.settings import Settings

_CELERY = (sys.executable, "-m", "celery", "-A", "worker.app")
_WORKER = (*_CELERY, "worker", "--loglevel", "warning")
_ALONE = ("--without-gossip", "--without-mingle")


def service_children(settings: Settings) -> list[Child]:
    """Every process, for settings whose URLs and ports are final; they may start together."""
    env = {**settings.environment(), "PYTHONUNBUFFERED": "1"}
    # Many container images set it.  Every program would compile its libraries anew at its start: 8 s for a training.
    env.pop("PYTHONDONTWRITEBYTECODE", None)

    def child(name: str, argv: list[str], healthy: Callable[[], bool], stop_timeout_s: float) -> Child:
        log = settings.log_dir / f"{name}.log"
        return Child(name, argv, log, PROJECT, env, healthy, stop_timeout_s=stop_timeout_s)

    api_health = f"http://{settings.api_host}:{settings.api_port}/health"
    gateway_health = f"{settings.inference_url}/health"
    # A job keeps the GPU worker for hours, so housekeeping has a process of its own; and so has its clock, which
    # nobody would start again if it were a child of a worker.
    gpu = [*_WORKER, "-Q", JOBS, "-n", "gpu@%h", "-P", "prefork", "-c", "1", *_ALONE]
    ops = [*_WORKER, "-Q", OPS, "-n", "ops@%h", "-P", "solo", *_ALONE]
    beat = [*_CELERY, "beat", "--loglevel", "warning", "--pidfile="]
    return [
        child("api", [sys.executable, "-m", "api"], lambda: http_is_healthy(api_health), 15),
        # The gateway takes vLLM along, which finishes its answers first.
        child("inference", [sys.executable, "-m", "inference"], lambda: http_is_healthy(gateway_health), 45),
        child("worker", gpu, CeleryNode("gpu", settings.redis_url).answers, 30),
        child("ops", ops, CeleryNode("ops", settings.redis_url).answers, 15),
        child("beat", beat, lambda: True, 5),
    ]
