"""`GET /jobs` over 1,000 and over 1,000,000 rows: pages from the start, the middle and the end, and every filter.

Two databases on one server, each with an api of its own; what is compared is asked of both in turn, and a filter keeps
the same number of rows in both.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import httpx
import psycopg

from bench.services import HEADERS, Services
from core.spec import JobSpec

SMALL, LARGE = 1_000, 1_000_000
RARE = 20
"""So many jobs are paused, and so many carry the rare metadata, however many there are: spread evenly."""

# The newest rows are the queued ones; a fifth have failed, the others succeeded and made a model each.
_FILL = """
INSERT INTO jobs (id, spec, plan, status, started_at, finished_at, attempt, body_sha256)
SELECT
    'ftjob-' || lpad(n::text, 24, '0'),
    jsonb_set(%(spec)s::jsonb, '{metadata}', jsonb_build_object(
        'team', CASE WHEN n %% %(every)s = %(every)s / 2 THEN 'rare' ELSE 'team-' || n %% 5 END,
        'run', n::text)),
    %(plan)s::jsonb,
    CASE
        WHEN n %% %(every)s = 0 THEN 'paused'
        WHEN n > %(rows)s - 100 THEN 'queued'
        WHEN n %% 5 = 0 THEN 'failed'
        ELSE 'succeeded'
    END,
    now(), now(), 1, repeat('0', 64)
FROM generate_series(1, %(rows)s) AS n
"""
_MODELS = """
INSERT INTO models (id, job_id, stage, base_model, location, manifest)
SELECT 'ft:' || id, id, 'chat', 'm', 'models/' || id, '{}' FROM jobs WHERE status = 'succeeded' ORDER BY seq
"""


@dataclass(frozen=True)
class _Listed:
    url: str
    rows: int

    def queries(self) -> dict[str, dict[str, str]]:
        """The parameters of every kind of list."""
        return {
            "first_page": {},
            "middle_page": {"after": job_id(self.rows // 2)},
            "last_page": {"after": job_id(RARE + 1)},
            "status_common": {"status": "succeeded"},
            "status_rare": {"status": "paused"},
            "status_none": {"status": "cancelled"},
            "metadata_common": {"metadata[team]": "team-3"},
            "metadata_rare": {"metadata[team]": "rare"},
            "metadata_one": {"metadata[run]": str(self.rows // 2)},
            "metadata_none": {"metadata[team]": "nobody"},
            "status_and_metadata": {"status": "paused", "metadata[team]": "team-0"},
        }


def job_id(number: int) -> str:
    """The id of the job in row `number`, counted from 1."""
    return f"ftjob-{number:024d}"


def fill(connection: psycopg.Connection, rows: int) -> None:
    """So many jobs with their models, by a connection that commits each statement; as after months of use."""
    spec = JobSpec(base_model="Qwen/Qwen2.5-3B").model_dump_json()
    plan = '{"stages": [], "total_steps": null}'
    connection.execute("INSERT INTO projects (name) VALUES ('default') ON CONFLICT DO NOTHING")
    connection.execute(_FILL, {"spec": spec, "plan": plan, "rows": rows, "every": rows // RARE})
    connection.execute(_MODELS)
    # Autovacuum does this within minutes of so many inserts.
    connection.execute("VACUUM (ANALYZE) jobs")
    connection.execute("VACUUM (ANALYZE) models")


def measure(services: Services, rows: int, repeats: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Median latencies over the large table by those over the small one, for every kind of list; and the worst."""
    listed: dict[str, _Listed] = {}
    for name, count in (("small", SMALL), ("large", rows)):
        began = time.monotonic()
        own = services.new_database(f"list_{name}")
        with own.connect() as connection:
            fill(connection, count)
        listed[name] = _Listed(own.start(f"api-{name}", "api"), count)
        say(f"{count:,} jobs in {time.monotonic() - began:.0f} s")
    ratios = _compare(listed["small"], listed["large"], repeats, say)
    return {"list_1m_vs_1k": max(ratios.values()), "list_rows": rows, "list_ratios": ratios}


def _compare(small: _Listed, large: _Listed, repeats: int, say: Callable[[str], None]) -> dict[str, float]:
    ratios = {}
    with _client(small) as few, _client(large) as many:
        for kind, query in small.queries().items():
            pairs = [(_seconds(few, query), _seconds(many, large.queries()[kind])) for _ in range(repeats + 10)][10:]
            few_s, many_s = (median(values) for values in zip(*pairs, strict=True))
            ratios[kind] = round(many_s / few_s, 3)
            say(f"{kind}: {few_s * 1000:.2f} ms of {small.rows:,}, {many_s * 1000:.2f} ms of {large.rows:,}")
    return ratios


def _client(listed: _Listed) -> httpx.Client:
    return httpx.Client(base_url=listed.url, headers=HEADERS, timeout=60)


def _seconds(client: httpx.Client, query: dict[str, str]) -> float:
    began = time.perf_counter()
    client.get("/jobs", params=query).raise_for_status()
    return time.perf_counter() - began
