"""A launcher of the embedded servers that a test can kill, and an api that commands talk to."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.api.conftest import running_api
from tests.conftest import Services, forget_settings
from tests.waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]


class Launcher:
    """One run of `tests.cli.launcher`, and all its descendants."""

    def __init__(self, home: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.launcher", str(home)],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise RuntimeError(errors)
        self.started: dict[str, Any] = json.loads(line)

    def descendants(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def stop(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=30)

    def kill(self) -> list[psutil.Process]:
        """Kill -9; returns what it left behind."""
        left = self.descendants()
        self.process.kill()
        self.process.communicate()
        return left


def wait_until_gone(processes: list[psutil.Process], deadline_s: float) -> None:
    wait_until(lambda: not any(_is_alive(process) for process in processes), deadline_s)


def _is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def launch() -> Iterator[type[Launcher]]:
    """Start launchers; those still running at the end are stopped."""
    running: list[Launcher] = []

    class Remembered(Launcher):
        def __init__(self, home: Path) -> None:
            super().__init__(home)
            running.append(self)

    yield Remembered
    for launcher in running:
        if launcher.process.poll() is None:
            launcher.stop()


@pytest.fixture(scope="module")
def api_url(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An api for the commands of one file."""
    with running_api(services, tmp_path_factory.mktemp("api") / "api.log") as url:
        yield url


@pytest.fixture
def commands_api(database: Services, api_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Commands talk to that api, whose tables are empty."""
    with monkeypatch.context() as patch:
        patch.setenv("TUNESMITH_API_URL", api_url)
        forget_settings()
        yield
    forget_settings()
