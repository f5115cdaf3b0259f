"""Connections that a restart of Postgres has closed are replaced before anyone meets them; statements are limited."""

import asyncio

import httpx
import psycopg
from sqlalchemy import text

from api.db import async_engine, dispose, first_row
from core.db import STATEMENT_TIMEOUT_S
from tests.api.bodies import RECIPE
from tests.conftest import Services

CLOSE_ALL = """
SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE application_name = 'tunesmith' AND pid <> pg_backend_pid()
"""


def test_requests_after_a_loss_of_every_connection_are_answered(client: httpx.Client, database: Services) -> None:
    job_id = client.post("/jobs", json=RECIPE).json()["id"]
    paths = [f"/jobs/{job_id}", "/jobs", f"/jobs/{job_id}/events"]
    assert [client.get(path).status_code for path in paths] == [200, 200, 200]
    with psycopg.connect(database.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        row = connection.execute(CLOSE_ALL).fetchone()
    assert row is not None
    assert row[0] >= 2  # one connection of each engine at least
    assert [client.get(path).status_code for path in paths] == [200, 200, 200]
    assert client.post("/jobs", json=RECIPE).status_code == 201


def test_statements_of_both_engines_are_limited(services: Services) -> None:
    async def limits() -> list[str]:
        async with async_engine().connect() as connection:
            of_transactions = (await connection.execute(text("SHOW statement_timeout"))).scalar_one()
        of_statements = await first_row("SHOW statement_timeout", {})
        await dispose()
        return [of_transactions, of_statements.statement_timeout]

    assert asyncio.run(limits()) == [f"{STATEMENT_TIMEOUT_S}s"] * 2
