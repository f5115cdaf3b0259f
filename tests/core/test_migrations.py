"""Migrations: concurrent upgrades succeed, and they make exactly the tables of the models."""

import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.conftest import Services

ROOT = Path(__file__).parents[2]
NAME = "migrations"


@pytest.fixture
def env(services: Services) -> dict[str, str]:
    """The environment with DATABASE_URL naming a database without tables."""
    server = services.database_url.replace("postgresql+psycopg://", "postgresql://")
    parts = psycopg.conninfo.conninfo_to_dict(server)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME}")
        connection.execute(f"CREATE DATABASE {NAME}")
    return {**services.env, "DATABASE_URL": server.replace(f"/{parts['dbname']}?", f"/{NAME}?")}


def start(env: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "alembic", *arguments]
    return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(env: dict[str, str], *arguments: str) -> str:
    process = start(env, *arguments)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    return output


def test_four_concurrent_upgrades_all_succeed(env: dict[str, str]) -> None:
    upgrades = [start(env, "upgrade", "head") for _ in range(4)]
    outputs = [upgrade.communicate(timeout=60)[0] for upgrade in upgrades]
    assert [upgrade.returncode for upgrade in upgrades] == [0] * 4, outputs


def test_the_migrations_make_the_tables_of_the_models_and_can_be_taken_back(env: dict[str, str]) -> None:
    run(env, "upgrade", "head")
    assert "No new upgrade operations detected" in run(env, "check")
    run(env, "downgrade", "base")
    run(env, "upgrade", "head")
    assert "No new upgrade operations detected" in run(env, "check")
