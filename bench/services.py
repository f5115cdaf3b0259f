"""The servers and processes that a measurement needs, in a home of its own that is gone afterwards."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM

import psycopg

from bench.ports import free_port
from cli.embedded import DATABASE, EmbeddedServices
from cli.health import http_is_healthy
from cli.home import HomeLock
from cli.migrate import PROJECT, migrate
from cli.supervisor import Child, Supervisor
from core.settings import Settings

KEY = "bench-admin-key"
HEADERS = {"authorization": f"Bearer {KEY}"}


@dataclass(frozen=True)
class Services:
    """Embedded Postgres and Valkey; `env` is what a process needs to use them."""

    home: Path
    supervisor: Supervisor
    env: Mapping[str, str]

    @property
    def database_url(self) -> str:
        """For SQLAlchemy."""
        return self.env["DATABASE_URL"]

    def new_database(self, name: str) -> "Services":
        """The same servers with a further database, migrated."""
        with self.connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        env = {**self.env, "DATABASE_URL": self.database_url.replace(f"/{DATABASE}?", f"/{name}?")}
        migrate(env)
        return Services(self.home, self.supervisor, env)

    def connect(self) -> psycopg.Connection:
        """A plain connection that commits each statement."""
        return psycopg.connect(psycopg_url(self.database_url), autocommit=True)

    def start(self, name: str, module: str) -> str:
        """Start `python -m MODULE`, a server like the api, on a free port; returns its URL."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        env = {**self.env, "TUNESMITH_API_PORT": str(port)}
        self.start_child(name, ["-m", module], env, lambda: http_is_healthy(f"{url}/health"))
        return url

    def cpu_s(self, name: str) -> float:
        """Seconds that the process `name` has computed so far."""
        fields = Path("/proc", str(self.supervisor.pid(name)), "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start_child(self, name: str, arguments: list[str], env: Mapping[str, str], healthy: Callable[[], bool]) -> None:
        """Start a Python program of ours, and wait until it is healthy."""
        log = self.home / "log" / f"{name}.log"
        argv = [sys.executable, *arguments]
        self.supervisor.start(Child(name, argv, log, PROJECT, env, healthy, stop_signal=SIGTERM))


@contextmanager
def supervised() -> Iterator[tuple[Path, HomeLock, Supervisor]]:
    """A home and a supervisor whose children end with the block."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-bench-") as folder:
        home = Path(folder)
        lock = HomeLock(home)
        lock.acquire()
        supervisor = Supervisor(lock.inherited, say=lambda name, message: None)
        try:
            yield home, lock, supervisor
        finally:
            supervisor.stop_all()
            lock.release()


@contextmanager
def running_services() -> Iterator[Services]:
    """Both servers with a migrated database, until the end of the block."""
    with supervised() as (home, lock, supervisor):
        embedded = EmbeddedServices(home, lock, supervisor)
        try:
            embedded.start_postgres()
            embedded.start_valkey()
            for name in ("storage", "data"):
                (home / name).mkdir()
            ours = {
                "TUNESMITH_HOME": str(home),
                "DATABASE_URL": embedded.database_url,
                "REDIS_URL": embedded.redis_url,
                "STORAGE_URL": (home / "storage").as_uri(),
                "DATA_ROOT": str(home / "data"),
                "TUNESMITH_ADMIN_KEY": KEY,
            }
            env = {**without_settings(os.environ), **ours}
            migrate(env)
            yield Services(home, supervisor, env)
        finally:
            supervisor.stop_all()
            embedded.close()


def without_settings(env: Mapping[str, str]) -> dict[str, str]:
    """A measurement is of the defaults, and LiteLLM would take our DATABASE_URL for its own."""
    ours = {str(field.validation_alias) for field in Settings.model_fields.values() if field.validation_alias}
    ours.remove("CUDA_VISIBLE_DEVICES")  # It says what the machine is, not what is measured.
    return {name: v for name, v in env.items() if name not in ours and not name.startswith(("TUNESMITH_", "VLLM_"))}


def psycopg_url(url: str) -> str:
    """The URL without SQLAlchemy's name of the driver."""
    return url.replace("postgresql+psycopg://", "postgresql://")
