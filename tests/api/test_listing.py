"""A filter finds its jobs by an index, however often it has been asked."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from bench.listing import RARE, fill
from tests.conftest import Services
from tests.waiting import wait_until

ASKED = 12
"""More often than a driver or a server waits before it keeps one plan for all values."""


@pytest.fixture
def connection(database: Services) -> Iterator[psycopg.Connection]:
    """Of a database with 10,000 jobs."""
    with psycopg.connect(database.database_url.replace("+psycopg", ""), autocommit=True) as connection:
        fill(connection, 10_000)
        yield connection


def test_rare_metadata_is_found_by_its_index_every_time(client: httpx.Client, connection: psycopg.Connection) -> None:
    def uses() -> int:
        row = connection.execute("SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'ix_jobs_metadata'")
        return int((row.fetchone() or (0,))[0])

    before = uses()
    for _ in range(ASKED):
        answer = client.get("/jobs", params={"metadata[team]": "rare"}).json()
        assert len(answer["data"]) == RARE
    wait_until(lambda: uses() - before >= ASKED, deadline_s=15)
