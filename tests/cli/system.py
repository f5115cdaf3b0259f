"""`tunesmith up` as a test runs it: in a process of its own, with nothing of the tests' own environment."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

PROJECT = Path(__file__).resolve().parents[2]
OURS = {"DATABASE_URL", "REDIS_URL", "STORAGE_URL", "DATA_ROOT"}


def environment(home: Path, **variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OURS and "TUNESMITH" not in name}
    return {**kept, "TUNESMITH_HOME": str(home), **variables}


class Tunesmith:
    """One `tunesmith up`, and commands against it; `output` holds what it printed until it was ready."""

    def __init__(self, home: Path, **variables: str) -> None:
        self.home, self.env = home, environment(home, **variables)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli", "up"],
            cwd=PROJECT,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.output = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line
            if line.startswith("Ctrl-C"):
                break

    @property
    def is_ready(self) -> bool:
        return "Ready in" in self.output

    def printed(self, name: str) -> str:
        """The value printed behind a name, such as `api`."""
        found = re.search(rf"^  {name} +(http\S+|ts-\S+|/\S+)$", self.output, re.MULTILINE)
        assert found, self.output
        return found[1]

    def descendants(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def command(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli", *arguments],
            cwd=PROJECT,
            env=self.env,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def json(self, *arguments: str) -> Any:
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def stop(self) -> int:
        """Ctrl-C; returns the exit code and keeps the rest of the output."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        rest, _ = self.process.communicate(timeout=90)
        self.output += rest
        return self.process.returncode

    def kill(self) -> list[psutil.Process]:
        """Kill -9; returns what it left behind."""
        left = self.descendants()
        self.process.kill()
        self.process.communicate()
        return left
