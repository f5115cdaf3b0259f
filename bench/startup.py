"""From `POST /jobs` to the first training step, against the same two programs started by hand.

By hand is `python -m worker.stages.prepare RUN_DIR && python -m worker.stages.sft RUN_DIR` over a directory with the
same `spec.json` and environment.  The two take turns, after one of each that is not counted and fills the caches.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import redis

from bench.services import HEADERS, Services
from cli.health import CeleryNode
from cli.migrate import PROJECT

FIGURES = ("start_overhead_s", "start_overhead_limit_s", "start_s", "start_by_hand_s")
BASE_MODEL = PROJECT / "examples" / "tiny-base"
ROWS = 64
RUN_TIMEOUT_S = 300
_WORKER = ["-m", "celery", "-A", "worker.app", "worker", "--loglevel", "warning", "-Q", "jobs", "-n", "gpu@%h"]
_ALONE = ["-P", "prefork", "-c", "1", "--without-gossip", "--without-mingle"]


def measure(services: Services, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Medians of both, and how far apart they are; in a database of its own, with nothing queued before its jobs."""
    with redis.Redis.from_url(services.env["REDIS_URL"]) as doorbells:
        doorbells.flushall()
    start = _Start(services.new_database("start"))
    start.by_system()
    start.by_hand()
    system, hand = [], []
    for number in range(repeats):
        system.append(start.by_system())
        hand.append(start.by_hand())
        say(f"start {number + 1}/{repeats}: {system[-1]:.2f} s from POST, {hand[-1]:.2f} s by hand")
    hand_s = median(hand)
    figures = (median(system) - hand_s, 2 + 0.05 * hand_s, median(system), hand_s)
    return {name: round(seconds, 3) for name, seconds in zip(FIGURES, figures, strict=True)}


class _Start:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.storage = services.home / "storage"
        rows = services.home / "data" / "rows.jsonl"
        rows.write_text("".join(json.dumps(_row(number)) + "\n" for number in range(ROWS)))
        self.url = services.start("api-start", "api")
        env = {**services.env, "PYTHONUNBUFFERED": "1"}
        node = CeleryNode("gpu", services.env["REDIS_URL"])
        services.start_child("worker", [*_WORKER, *_ALONE], env, node.answers)
        self.last_run_dir = Path()
        self.count = 0

    def by_system(self) -> float:
        """Seconds from the request to the first step; returns when the job has succeeded."""
        spec = {
            "base_model": str(BASE_MODEL),
            "stages": [
                {
                    "name": "chat",
                    "data": {"source": "rows.jsonl"},
                    "batch_size": 2,
                    "gradient_accumulation_steps": 1,
                    "max_seq_length": 256,
                    "max_steps": 2,
                }
            ],
            "evaluation": {"base": False},
            "deploy": {"when": "never"},
        }
        with httpx.Client(base_url=self.url, headers=HEADERS, timeout=30) as client:
            began = time.time()
            job_id = client.post("/jobs", json=spec).raise_for_status().json()["id"]
            while (job := client.get(f"/jobs/{job_id}").json())["status"] != "succeeded":
                if job["status"] == "failed" or time.time() - began > RUN_TIMEOUT_S:
                    raise RuntimeError(f"the job {job['status']} after {time.time() - began:.0f} s: {job['error']}")
                time.sleep(0.2)
        self.last_run_dir = self.storage / "jobs" / job_id / "chat" / f"run-{job['attempt']}"
        return _first_step_at(self.last_run_dir) - began

    def by_hand(self) -> float:
        """Seconds from starting the first program to the first step of the second one."""
        self.count += 1
        run_dir = self.services.home / f"by-hand-{self.count}"
        run_dir.mkdir()
        shutil.copy(self.last_run_dir / "spec.json", run_dir)
        env = {
            **self.services.env,
            "PYTHONUNBUFFERED": "1",
            "HF_HUB_OFFLINE": "1",
            "TRANSFORMERS_OFFLINE": "1",
            "UNSLOTH_DISABLE_STATISTICS": "1",
            "UNSLOTH_COMPILE_LOCATION": str(self.storage / "cache" / "unsloth"),
        }
        began = time.time()
        with (self.services.home / "log" / "by-hand.log").open("ab") as log:
            for name in ("prepare", "sft"):
                argv = [sys.executable, "-m", f"worker.stages.{name}", str(run_dir)]
                subprocess.run(argv, cwd=PROJECT, env=env, stdout=log, stderr=log, check=True, timeout=RUN_TIMEOUT_S)
        return _first_step_at(run_dir) - began


def _row(number: int) -> dict[str, Any]:
    question, answer = f"What is {number} plus one?", f"It is {number + 1}."
    return {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}


def _first_step_at(run_dir: Path) -> float:
    events = [json.loads(line) for line in (run_dir / "events.jsonl").read_text().splitlines()]
    return float(next(event["at"] for event in events if event["type"] == "step"))
