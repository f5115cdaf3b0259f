"""Brings the database to the newest revision, by Alembic in a process of its own; concurrent calls queue up."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from cli.supervisor import ChildFailed

PROJECT = Path(__file__).resolve().parent.parent
"""The folder of the checkout: the working directory of every process, from which their packages are imported."""


def run_alembic(env: Mapping[str, str], *arguments: str) -> str:
    """Run `alembic ARGUMENTS` on the DATABASE_URL of `env` and return its output; ChildFailed shows it."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=PROJECT,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ChildFailed(f"alembic {' '.join(arguments)} failed:\n{done.stdout[-4000:]}")
    return done.stdout


def migrate(env: Mapping[str, str]) -> None:
    """Upgrade to the newest revision."""
    run_alembic(env, "upgrade", "head")
