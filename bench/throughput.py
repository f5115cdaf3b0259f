"""`POST /jobs` and `GET /jobs/{id}` of the api, of the same application with nothing stored, and of plain psycopg."""

import json
from collections.abc import Callable
from statistics import median
from typing import Any

import httpx

from bench import load, raw
from bench.load import Load, Report
from bench.raw import StoredJob
from bench.services import HEADERS, Services, psycopg_url

CONNECTIONS = 16
JOB = {"base_model": "Qwen/Qwen2.5-3B", "metadata": {"team": "bench"}}
READ = 200
"""So many different jobs are read in turn."""


def measure(services: Services, rounds: int, seconds: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Rounds of floor, ours and raw, first for POST and then for GET; every figure is the median of its rounds."""
    bench = _Throughput(services, seconds)
    bench.round("warm-up")
    shown = [bench.round(f"round {number + 1}/{rounds}", say) for number in range(rounds)]
    return {name: round(median(one[name] for one in shown), 3) for name in shown[0]} | {
        "errors_5xx": bench.errors_5xx,
        "answers_unexpected": bench.unexpected,
        "generator_busy": bench.busy,
    }


class _Throughput:
    def __init__(self, services: Services, seconds: float) -> None:
        self.services, self.url, self.seconds = services, psycopg_url(services.database_url), seconds
        self.urls = {"api": services.start("api", "api"), "floor": services.start("floor", "bench.floor")}
        self.our_ids, self.floor_ids = _post(self.urls["api"]), _post(self.urls["floor"])
        with services.connect() as connection:
            row = connection.execute("SELECT spec, plan, memory_bytes, body_sha256 FROM jobs LIMIT 1").fetchone()
        assert row is not None
        self.row = StoredJob(spec=row[0], plan=row[1], memory_bytes=row[2], body_sha256=row[3])
        self.errors_5xx = self.unexpected = 0
        self.busy = 0.0

    def round(self, name: str, say: Callable[[str], None] = lambda text: None) -> dict[str, float]:
        """Each of the six once, one right after the other."""
        floor_post, floor_post_cpu_us = self._send("floor", "POST", ["/jobs"], 201)
        post, post_cpu_us = self._send("api", "POST", ["/jobs"], 201)
        raw_post = raw.inserts_per_s(self.url, self.row, CONNECTIONS, self.seconds)
        floor_get, floor_get_cpu_us = self._send("floor", "GET", [f"/jobs/{job_id}" for job_id in self.floor_ids], 200)
        get, get_cpu_us = self._send("api", "GET", [f"/jobs/{job_id}" for job_id in self.our_ids], 200)
        raw_get = raw.reads_per_s(self.url, self.our_ids, CONNECTIONS, self.seconds)
        figures = {
            "post_vs_floor": post.per_s / floor_post.per_s,
            "get_vs_floor": get.per_s / floor_get.per_s,
            "post_vs_raw": post.per_s / raw_post,
            "get_vs_raw": get.per_s / raw_get,
            "post_p50_ms": post.p50_ms,
            "post_p99_ms": post.p99_ms,
            "get_p50_ms": get.p50_ms,
            "get_p99_ms": get.p99_ms,
            "post_per_s": post.per_s,
            "get_per_s": get.per_s,
            "floor_post_per_s": floor_post.per_s,
            "floor_get_per_s": floor_get.per_s,
            "raw_post_per_s": raw_post,
            "raw_get_per_s": raw_get,
            "post_cpu_us": post_cpu_us,
            "get_cpu_us": get_cpu_us,
            "floor_post_cpu_us": floor_post_cpu_us,
            "floor_get_cpu_us": floor_get_cpu_us,
        }
        say(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in figures.items()))
        return figures

    def _send(self, server: str, method: str, paths: list[str], expected: int) -> tuple[Report, float]:
        """What the load generator saw, and what a request cost the server itself in microseconds of computing."""
        cpu_began_s = self.services.cpu_s(server)
        body = json.dumps(JOB) if method == "POST" else ""
        report = load.run(
            Load(
                url=self.urls[server],
                method=method,
                paths=paths,
                headers=HEADERS,
                body=body,
                connections=CONNECTIONS,
                seconds=self.seconds,
            )
        )
        self.errors_5xx += report.errors_5xx
        self.unexpected += report.unexpected(expected)
        self.busy = max(self.busy, report.busy)
        cpu_s = self.services.cpu_s(server) - cpu_began_s
        return report, cpu_s / sum(report.statuses.values()) * 1e6


def _post(url: str) -> list[str]:
    """Ids of new jobs."""
    with httpx.Client(base_url=url, headers=HEADERS, timeout=30) as client:
        return [str(client.post("/jobs", json=JOB).raise_for_status().json()["id"]) for _ in range(READ)]
