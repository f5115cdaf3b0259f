"""`tunesmith up`: every process of the service on this machine, healthy and kept so until it is told to stop."""

import json
import os
import secrets
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pydantic import SecretStr

from cli.children import service_children
from cli.embedded import EmbeddedServices
from cli.health import check_database, check_redis, endpoint_state
from cli.home import HomeLock
from cli.migrate import migrate
from cli.ports import choose_port
from cli.supervisor import Supervisor
from core.settings import Settings
from core.storage import write_json

Say = Callable[[str, str], None]
_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class System:
    """A running system; `settings` holds the final URLs, ports and key."""

    settings: Settings
    supervisor: Supervisor
    started_in_s: float

    @property
    def api_url(self) -> str:
        """Where the api listens, without a slash at the end."""
        assert self.settings.api_url is not None, "a running system knows its api"
        return self.settings.api_url

    @property
    def inference_url(self) -> str:
        """Where the gateway listens."""
        return self.settings.inference_url

    @property
    def admin_key(self) -> str:
        """The bearer key of both."""
        return self.settings.require_admin_key()


@contextmanager
def running_system(settings: Settings, say: Say) -> Iterator[System]:
    """Start everything, yield once all of it is healthy, and stop all of it at the end of the block.

    What the settings leave at its default is chosen here: embedded servers, free ports, a key kept in the home.
    `say(process, message)` hears of every step.  Call it from the main thread.
    """
    began = time.monotonic()
    home = settings.home.absolute()
    with _stop_signals(), ExitStack() as cleanup:
        try:
            lock = HomeLock(home)
            lock.acquire()
            cleanup.callback(lock.release)
            supervisor = Supervisor(lock.inherited, say)
            settings = _with_final_paths(settings, home)
            settings = _with_final_ports(settings, cleanup)
            settings = _start_services(settings, lock, supervisor, say, cleanup)
            _timed(say, "migrations", lambda: migrate(settings.environment()))
            supervisor.start(*service_children(settings))
            supervisor.watch()
            write_json(home / "running.json", {"pid": os.getpid(), "api_url": settings.api_url})
            cleanup.callback((home / "running.json").unlink, missing_ok=True)
            yield System(settings, supervisor, time.monotonic() - began)
        finally:
            _ignore_stop_signals()


def up(settings: Settings, say: Say, show: Callable[[System], None]) -> None:
    """Run the system until Ctrl-C or SIGTERM; `show` prints where everything is."""
    try:
        with running_system(settings, say) as system:
            show(system)
            _follow_endpoint(system, say)
    except KeyboardInterrupt:
        say("tunesmith", "stopped: nothing is left running")


def _follow_endpoint(system: System, say: Say) -> None:
    """Say what vLLM serves whenever that changes; ends only by an interrupt."""
    said = None
    while True:
        state = endpoint_state(system.inference_url, system.admin_key)
        if state != said and state is not None:
            say("vllm", state)
            said = state
        time.sleep(1)


def read_admin_key(home: Path) -> str:
    """The home's key, made on first use and readable by its owner only."""
    path = home / "admin-key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".admin-key.{os.getpid()}")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(f"ts-{secrets.token_urlsafe(32)}\n")
        temporary.replace(path)
    return path.read_text().strip()


def running_api_url(home: Path) -> str | None:
    """The api of the system that runs in this home; None when none does."""
    try:
        return str(json.loads((home / "running.json").read_text())["api_url"])
    except FileNotFoundError:
        return None


def _with_final_paths(settings: Settings, home: Path) -> Settings:
    """Paths absolute, because the children work in the checkout; the folders made; the key read."""
    final = {
        "home": home,
        "log_dir": settings.log_dir.absolute(),
        "storage_url": settings.storage_path.as_uri(),
        "data_root": settings.data_root.absolute(),
        "admin_key": settings.admin_key or SecretStr(read_admin_key(home)),
    }
    if "vllm_python" in settings.model_fields_set:
        final["vllm_python"] = settings.vllm_python.absolute()
    settings = settings.model_copy(update=final)
    for folder in (settings.storage_path, settings.data_root):
        folder.mkdir(parents=True, exist_ok=True)
    return settings


def _start_services(
    settings: Settings, lock: HomeLock, supervisor: Supervisor, say: Say, cleanup: ExitStack
) -> Settings:
    """Start the embedded servers that stand in for a URL that is not set, and check those that are."""
    given = settings.model_fields_set
    embedded = None
    if not {"database_url", "redis_url"} <= given:
        embedded = EmbeddedServices(settings.home, lock, supervisor)
        cleanup.callback(embedded.close)
    cleanup.callback(supervisor.stop_all)
    urls = {}
    if embedded and "database_url" not in given:
        embedded.start_postgres()
        urls["database_url"] = embedded.database_url
    else:
        _timed(say, "postgres", lambda: check_database(settings.database_url))
    if embedded and "redis_url" not in given:
        embedded.start_valkey()
        urls["redis_url"] = embedded.redis_url
    else:
        _timed(say, "redis", lambda: check_redis(settings.redis_url))
    return settings.model_copy(update=urls)


def _with_final_ports(settings: Settings, cleanup: ExitStack) -> Settings:
    """Ports for the api, the gateway and vLLM, kept to the end, also while one of them is down; and their URLs."""
    chosen: list[int] = []
    for field, host, variable in (
        ("api_port", settings.api_host, "TUNESMITH_API_PORT"),
        ("inference_port", settings.inference_host, "TUNESMITH_INFERENCE_PORT"),
        ("vllm_port", settings.vllm_host, "VLLM_PORT"),
    ):
        explicit = field in settings.model_fields_set
        claim = choose_port(host, getattr(settings, field), variable, explicit=explicit)
        cleanup.callback(claim.release)
        chosen.append(claim.port)
    api, inference, vllm = chosen
    return settings.model_copy(
        update={
            "api_port": api,
            "inference_port": inference,
            "vllm_port": vllm,
            "api_url": f"http://{_reachable(settings.api_host)}:{api}",
            "inference_url": f"http://{_reachable(settings.inference_host)}:{inference}",
        }
    )


def _reachable(host: str) -> str:
    """The address under which this machine reaches a server that listens on `host`."""
    if host in {"0.0.0.0", "::"}:
        return "127.0.0.1" if host == "0.0.0.0" else "[::1]"
    return f"[{host}]" if ":" in host else host


def _timed(say: Say, name: str, work: Callable[[], None]) -> None:
    began = time.monotonic()
    work()
    say(name, f"ready in {time.monotonic() - began:.1f} s")


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt as Ctrl-C does; while everything stops, further ones change nothing."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        _ignore_stop_signals()
        raise KeyboardInterrupt

    # Under nohup, the end of the terminal is no reason to stop.
    heeded = [name for name in _STOP if name != signal.SIGHUP or signal.getsignal(name) != signal.SIG_IGN]
    before = {name: signal.signal(name, interrupt) for name in heeded}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _ignore_stop_signals() -> None:
    for name in _STOP:
        signal.signal(name, signal.SIG_IGN)
