"""Real Postgres and Valkey for the tests: one pair for the session, empty tables for each test that asks."""

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text

from cli.embedded import EmbeddedServices
from cli.home import HomeLock
from cli.migrate import migrate
from cli.supervisor import Supervisor
from core import db
from core.models import Base

ADMIN_KEY = "test-admin-key"
LONGEST_FIRST = (
    "tests/e2e/test_demo.py",
    "tests/e2e/test_jobs.py",
    "tests/e2e/test_openai.py",
    "tests/cli/test_up.py",
    "tests/inference/test_adapters.py",
    "tests/inference/test_gateway.py",
    "tests/inference/test_rollouts.py",
    "tests/inference/test_sharing.py",
    "tests/inference/test_parity.py",
    "tests/worker/test_canary.py",
    "tests/worker/test_hub.py",
    "tests/cli/test_embedded.py",
    "tests/faults/test_cases.py",
    "tests/bench/",
    "tests/examples/test_pretrain.py",
    "tests/worker/",
    "tests/api/",
)
"""Two processes take one file after the other; a long one that came late would leave one of them idle."""


@dataclass(frozen=True)
class Services:
    """Where the session's servers are; `env` is what a process needs to use them."""

    database_url: str
    redis_url: str
    storage_path: Path
    data_root: Path
    admin_key: str
    env: dict[str, str]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in the order in which they are to begin; within a file nothing changes."""
    last = len(LONGEST_FIRST)
    items.sort(key=lambda item: next((i for i, path in enumerate(LONGEST_FIRST) if item.nodeid.startswith(path)), last))


def forget_settings() -> None:
    """Make this process read its settings, and connect, anew: close the engine, empty every cache."""
    if db.engine.cache_info().currsize:
        db.engine().dispose()
    for name, module in list(sys.modules.items()):
        if name.startswith(("core.", "api.")):
            for function in vars(module).values():
                getattr(function, "cache_clear", int)()


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Both servers with a migrated database, and the environment pointing at them."""
    home = tmp_path_factory.mktemp("services")
    lock = HomeLock(home)
    lock.acquire()
    supervisor = Supervisor(lock.inherited, say=lambda name, message: print(name, message))
    embedded = EmbeddedServices(home, lock, supervisor)
    patch = pytest.MonkeyPatch()
    try:
        embedded.start_postgres()
        embedded.start_valkey()
        ours = _variables(home, embedded)
        for name, value in ours.items():
            patch.setenv(name, value)
        forget_settings()
        migrate(os.environ)
        yield Services(
            embedded.database_url,
            embedded.redis_url,
            home / "storage",
            home / "data",
            ADMIN_KEY,
            dict(os.environ),
        )
    finally:
        supervisor.stop_all()
        embedded.close()
        lock.release()
        patch.undo()
        forget_settings()


@pytest.fixture
def database(services: Services) -> Services:
    """The services with every table empty."""
    tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
    with db.engine().begin() as connection:
        connection.execute(text(f"TRUNCATE {tables} RESTART IDENTITY CASCADE"))
    return services


def _variables(home: Path, embedded: EmbeddedServices) -> dict[str, str]:
    for folder in ("storage", "data"):
        (home / folder).mkdir()
    return {
        "TUNESMITH_HOME": str(home),
        "DATABASE_URL": embedded.database_url,
        "REDIS_URL": embedded.redis_url,
        "STORAGE_URL": f"file://{home / 'storage'}",
        "DATA_ROOT": str(home / "data"),
        "TUNESMITH_ADMIN_KEY": ADMIN_KEY,
    }
