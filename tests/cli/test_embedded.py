"""The embedded servers: they start, keep their rows, and end with whoever launched them."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from cli import runtime
from cli.home import HomeLock
from core.errors import ConfigurationError
from tests.cli.conftest import Launcher, wait_until_gone
from tests.waiting import wait_until


def connect(launcher: Launcher) -> psycopg.Connection:
    url = launcher.started["database_url"].replace("postgresql+psycopg:", "postgresql:")
    return psycopg.connect(url, autocommit=True)


def broker(launcher: Launcher) -> redis.Redis:
    return redis.Redis.from_url(launcher.started["redis_url"], decode_responses=True)


def write(launcher: Launcher, value: str) -> None:
    with connect(launcher) as connection, broker(launcher) as client:
        connection.execute("CREATE TABLE IF NOT EXISTS notes (note text)")
        connection.execute("INSERT INTO notes VALUES (%s)", [value])
        client.set("note", value)


def read(launcher: Launcher) -> tuple[list[str], object]:
    with connect(launcher) as connection, broker(launcher) as client:
        return [row[0] for row in connection.execute("SELECT note FROM notes")], client.get("note")


@pytest.fixture
def open_home() -> Iterator[Path]:
    """A home that every account can reach; pytest's own folders are closed to all but the user."""
    with tempfile.TemporaryDirectory(prefix="tunesmith-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder, "home")


def test_data_survives_an_orderly_restart(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    write(first, "größer")
    first.stop()
    assert read(launch(tmp_path)) == (["größer"], "größer")


def test_kill_9_of_the_launcher_stops_both_servers_and_loses_no_row(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    write(first, "kept")
    left = first.kill()
    assert len(left) >= 2
    wait_until_gone(left, deadline_s=5)
    assert read(launch(tmp_path)) == (["kept"], "kept")


def test_a_start_right_after_kill_9_waits_for_the_old_servers(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    write(first, "kept")
    first.kill()
    assert read(launch(tmp_path)) == (["kept"], "kept")


def test_kill_9_leaves_no_folder_behind_for_good(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    sockets = Path(first.started["redis_url"].removeprefix("unix://")).parent
    wait_until_gone(first.kill(), deadline_s=5)
    launch(tmp_path).stop()
    assert not sockets.exists() or sockets.is_relative_to(tmp_path)


def test_the_second_launcher_names_the_first(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    with pytest.raises(RuntimeError, match=rf"in use by process {first.process.pid} since 20\d\d-") as refusal:
        launch(tmp_path)
    assert "TUNESMITH_HOME" in str(refusal.value)


def test_leftovers_of_a_killed_run_are_named(launch: type[Launcher], tmp_path: Path) -> None:
    first = launch(tmp_path)
    postgres = first.started["pids"]["postgres"]
    os.kill(postgres, signal.SIGSTOP)
    try:
        first.kill()
        with pytest.raises(Exception, match=rf"earlier run.*{postgres}"):
            HomeLock(tmp_path).acquire(wait_s=3)
    finally:
        os.kill(postgres, signal.SIGCONT)


def test_a_home_in_a_long_path_works(launch: type[Launcher], tmp_path: Path) -> None:
    home = tmp_path / ("long-" * 20) / "home"
    launcher = launch(home)
    write(launcher, "x")
    assert len(launcher.started["redis_url"]) < 107 + len("unix://")


def test_a_reachable_home_holds_its_own_sockets(launch: type[Launcher], open_home: Path) -> None:
    launcher = launch(open_home)
    write(launcher, "x")
    assert str(open_home) in launcher.started["redis_url"]
    launcher.stop()


def test_the_servers_are_not_root_and_listen_on_no_port(launch: type[Launcher], tmp_path: Path) -> None:
    launcher = launch(tmp_path)
    for process in launcher.descendants():
        assert process.uids().effective != 0
        assert process.net_connections(kind="inet") == []


def test_a_server_that_dies_is_started_again(launch: type[Launcher], tmp_path: Path) -> None:
    launcher = launch(tmp_path)
    write(launcher, "kept")
    os.kill(launcher.started["pids"]["postgres"], signal.SIGKILL)
    os.kill(launcher.started["pids"]["valkey"], signal.SIGKILL)

    def answers_again() -> bool:
        try:
            return read(launcher)[0] == ["kept"]
        except (psycopg.OperationalError, redis.RedisError):
            return False

    wait_until(answers_again, deadline_s=20)


def test_a_pid_file_of_a_process_that_is_something_else_is_ignored(launch: type[Launcher], tmp_path: Path) -> None:
    launch(tmp_path).stop()
    (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n/elsewhere\n")
    write(launch(tmp_path), "x")


def test_no_folder_for_sockets_is_an_error_that_names_the_candidates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "LONGEST_SOCKET_PATH", 0)
    with pytest.raises(ConfigurationError, match="/var/tmp"):
        runtime.prepare(tmp_path)
