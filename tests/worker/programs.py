"""A job under its lease, and a stage program that waits until it is stopped."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import text

from core.db import engine
from tests.core.sessions import claim, new_job
from tests.waiting import wait_until
from tests.worker.training import run_directory
from worker.lease import LeaseKeeper
from worker.program import run_program


def new_keeper(**settings: float) -> LeaseKeeper:
    """The keeper of a new job's lease, with these settings changed."""
    new_job()
    keeper = LeaseKeeper(claim())
    keeper.settings = keeper.settings.model_copy(update=settings)
    return keeper


@contextmanager
def postgres_away() -> Iterator[None]:
    """Postgres has lost every connection, and cannot be found."""
    folder = engine().url.query["host"]
    assert isinstance(folder, str)
    socket = Path(folder) / ".s.PGSQL.5432"
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datid <> 0")
    with engine().connect() as connection:
        socket.rename(socket.with_name("away"))
        try:
            connection.execute(others)
            yield
        finally:
            socket.with_name("away").rename(socket)


def program_of(run_dir: Path) -> psutil.Process:
    """The stage program that this process runs over the directory, or over one below it."""

    def find() -> psutil.Process | None:
        for child in psutil.Process().children():
            command = child.cmdline() if child.status() != psutil.STATUS_ZOMBIE else []
            if "-m" in command and command[-1].startswith(str(run_dir)):
                return child
        return None

    found = wait_until(find, 20)
    assert found is not None
    return found


@dataclass(frozen=True)
class Waiting:
    """A `run_program` in a thread, and the program that it has started."""

    result: "Future[dict[str, Any]]"
    program: psutil.Process


@contextmanager
def waiting_program(
    folder: Path, keeper: LeaseKeeper, on_events: Callable[[list[dict[str, Any]]], None] = lambda events: None
) -> Iterator[Waiting]:
    """A program that has begun to read rows which never come; it is killed at the end."""
    run = run_directory(folder / "job")
    rows = folder / "job" / "rows.jsonl"
    rows.unlink()
    os.mkfifo(rows)  # nobody writes into it, so its reader waits
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(run_program, "prepare", run, keeper, on_events, {"HF_HUB_OFFLINE": "1"})
        program = program_of(run)
        try:
            yield Waiting(result, program)
        finally:
            if program.is_running():
                program.kill()
