"""The same row written, and read, by plain psycopg: what is left when there is no application at all.

One process and as many connections as the load generator has, each waiting for its statement before the next.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg
from psycopg.types.json import Jsonb
from pydantic import BaseModel

from core.ids import new_id

Once = Callable[[psycopg.AsyncConnection], Awaitable[None]]

_INSERT = """
WITH made AS (
    INSERT INTO jobs (id, project, spec, plan, priority, memory_bytes, body_sha256, next_doorbell_at)
    VALUES (%s, 'default', %s, %s, 0, %s, %s, now() + interval '15 seconds') RETURNING id
)
INSERT INTO events (job_id, type, message) SELECT id, 'job.created', 'Job created: chat -> tools' FROM made
"""
_SELECT = "SELECT * FROM jobs WHERE id = %s"


class StoredJob(BaseModel):
    """What a row of `jobs` holds beside what Postgres fills in."""

    spec: dict[str, object]
    plan: dict[str, object]
    memory_bytes: int
    body_sha256: str


def inserts_per_s(url: str, job: StoredJob, connections: int, seconds: float) -> float:
    """Jobs, each with its event, that are committed in a second."""

    async def insert(connection: psycopg.AsyncConnection) -> None:
        values = (new_id("ftjob"), Jsonb(job.spec), Jsonb(job.plan), job.memory_bytes, job.body_sha256)
        await connection.execute(_INSERT, values)

    return asyncio.run(_per_s(url, insert, connections, seconds))


def reads_per_s(url: str, job_ids: list[str], connections: int, seconds: float) -> float:
    """Jobs that are read by their id in a second."""
    position = 0

    async def read(connection: psycopg.AsyncConnection) -> None:
        nonlocal position
        position = (position + 1) % len(job_ids)
        found = await (await connection.execute(_SELECT, [job_ids[position]])).fetchone()
        assert found is not None

    return asyncio.run(_per_s(url, read, connections, seconds))


async def _per_s(url: str, once: Once, connections: int, seconds: float) -> float:
    opened = [await psycopg.AsyncConnection.connect(url, autocommit=True) for _ in range(connections)]
    began = time.perf_counter()

    async def repeat(connection: psycopg.AsyncConnection) -> int:
        count = 0
        while time.perf_counter() - began < seconds:
            await once(connection)
            count += 1
        return count

    try:
        counts = await asyncio.gather(*map(repeat, opened))
        return round(sum(counts) / (time.perf_counter() - began), 1)
    finally:
        for connection in opened:
            await connection.close()
