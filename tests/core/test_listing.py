"""Lists of jobs are read from an index, whatever they are filtered by."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import event

from bench.listing import fill, job_id
from core import jobs
from core.db import engine, transaction
from core.states import JobStatus
from tests.conftest import Services

ROWS = 10_000
EVERYTHING: dict[str, Any] = {"after": None, "limit": 20, "status": None, "metadata": {}}


@pytest.fixture
def many_jobs(database: Services) -> Iterator[None]:
    """The tables as the benchmark fills them: 20 jobs are paused, and 20 carry the rare metadata."""
    url = database.database_url.replace("+psycopg", "")
    with psycopg.connect(url, autocommit=True) as connection:
        fill(connection, ROWS)
        yield
        connection.execute("TRUNCATE jobs CASCADE")
        connection.execute("ANALYZE jobs")


def plan_of(**query: Any) -> str:
    """How Postgres reads the page, in its own words."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    with transaction() as session:
        event.listen(engine(), "before_cursor_execute", note)
        try:
            jobs.page(session, **{**EVERYTHING, **query})
        finally:
            event.remove(engine(), "before_cursor_execute", note)
        statement, parameters = asked[-1]
        rows = session.connection().exec_driver_sql(f"EXPLAIN {statement}", parameters)
        return "\n".join(row[0] for row in rows)


@pytest.mark.usefixtures("many_jobs")
def test_no_list_reads_the_whole_table() -> None:
    rare = {"team": "rare"}
    for query, index in (
        ({}, "uq_jobs_seq"),
        ({"after": job_id(ROWS // 2)}, "uq_jobs_seq"),
        ({"after": job_id(20)}, "uq_jobs_seq"),
        ({"status": JobStatus.PAUSED}, "ix_jobs_status"),
        ({"status": JobStatus.CANCELLED}, "ix_jobs_status"),
        ({"metadata": rare}, "ix_jobs_metadata"),
        ({"metadata": {"run": str(ROWS // 2)}}, "ix_jobs_metadata"),
        ({"metadata": {"team": "nobody"}}, "ix_jobs_metadata"),
        ({"metadata": rare, "after": job_id(ROWS // 2)}, "ix_jobs_metadata"),
    ):
        plan = plan_of(**query)
        assert index in plan, (query, plan)
        assert "Seq Scan" not in plan, (query, plan)
    assert "Seq Scan" not in plan_of(metadata={"team": "team-3"})
    assert "Seq Scan" not in plan_of(metadata={"team": "team-0"}, status=JobStatus.PAUSED)
