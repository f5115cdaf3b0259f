"""Lists of jobs are read from an index, whatever they are filtered by."""

from collections.abc import Iterator
from typing import Any

import pytest

from bench.listing import job_id
from core import jobs
from core.states import JobStatus
from tests.conftest import Services
from tests.core.plans import ROWS, filled, plan_of

EVERYTHING: dict[str, Any] = {"after": None, "limit": 20, "status": None, "metadata": {}}


@pytest.fixture
def many_jobs(database: Services) -> Iterator[None]:
    with filled(database):
        yield


def plan_of_page(**query: Any) -> str:
    return plan_of(lambda session: jobs.page(session, **{**EVERYTHING, **query}))


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
        plan = plan_of_page(**query)
        assert index in plan, (query, plan)
        assert "Seq Scan" not in plan, (query, plan)
    assert "Seq Scan" not in plan_of_page(metadata={"team": "team-3"})
    assert "Seq Scan" not in plan_of_page(metadata={"team": "team-0"}, status=JobStatus.PAUSED)
