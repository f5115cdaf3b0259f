"""A run waits for Postgres while its lease lasts, and not for what never passes; its program dies in time."""

import os
import signal
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from core.db import transaction
from core.errors import LeaseLost
from core.models import Job
from core.states import JobStatus
from tests.core.sessions import status_of
from tests.waiting import wait_until
from tests.worker.programs import new_keeper, postgres_away, waiting_program
from worker.lease import LeaseKeeper, Stopped

pytestmark = pytest.mark.usefixtures("database")


def read(session: Session) -> object:
    return session.scalar(select(Job.status))


def test_a_statement_that_can_never_succeed_is_not_tried_again() -> None:
    ids = [str(number) for number in range(70_000)]
    with pytest.raises(OperationalError, match="65535"):
        new_keeper().write(lambda session: session.scalars(select(Job.id).where(Job.id.in_(ids))).all())


def test_a_write_waits_for_postgres_to_come_back(tmp_path: Path) -> None:
    keeper, tries = new_keeper(), list[int]()

    def change(session: Session) -> object:
        tries.append(1)
        if len(tries) == 1:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
        return read(session)

    assert keeper.write(change) == JobStatus.PREPARING
    assert len(tries) == 2


def test_a_write_ends_with_the_lease_when_postgres_stays_away(tmp_path: Path) -> None:
    keeper = new_keeper(lease_s=1.5, heartbeat_s=0.1)
    with postgres_away(), pytest.raises(LeaseLost, match="Postgres was away too long"):
        keeper.write(read)


@pytest.mark.usefixtures("draining")
def test_a_worker_that_shuts_down_does_not_wait_for_postgres(tmp_path: Path) -> None:
    keeper = new_keeper()
    with postgres_away(), pytest.raises(Stopped, match="the worker is shutting down"):
        keeper.write(read)
    with postgres_away(), pytest.raises(Stopped):
        keeper.write(read, patience_s=0.3)


@pytest.mark.usefixtures("draining")
def test_a_run_that_should_stop_can_still_write() -> None:
    assert new_keeper().write(read) == JobStatus.PREPARING


def test_a_silent_postgres_does_not_save_the_program_from_the_end_of_the_lease(tmp_path: Path) -> None:
    keeper = new_keeper(lease_s=6, heartbeat_s=0.2)
    with waiting_program(tmp_path, keeper) as waiting:
        server = wait_until(lambda: server_of(keeper), 20)
        os.kill(server, signal.SIGSTOP)
        try:
            wait_until(lambda: not waiting.program.is_running() or waiting.program.status() == "zombie", 20)
            assert not waiting.result.done(), "the run itself still waits for an answer"
        finally:
            os.kill(server, signal.SIGCONT)
        with pytest.raises(Stopped, match="the lease could not be renewed in time"):
            waiting.result.result(20)
    assert status_of(keeper.lease.job_id) == JobStatus.PREPARING


def server_of(keeper: LeaseKeeper) -> int:
    """The server process of the connection by which the keeper renews its lease."""
    with transaction() as session:
        found = session.scalar(
            text("SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE :renewal LIMIT 1"),
            {"renewal": "%lease%"},
        )
        return int(found or 0)
