"""`tunesmith up`: everything healthy, kept so, and gone when it is stopped, whichever way."""

import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psutil
import pytest

from core.ports import claim_next_port
from tests.cli.conftest import wait_until_gone
from tests.cli.system import Tunesmith
from tests.conftest import Services
from tests.waiting import wait_until

pytestmark = pytest.mark.timeout(300)
SPEC = json.dumps({"base_model": "Qwen/Qwen2.5-3B", "deploy": {"when": "never"}})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("up") / "home"


@pytest.fixture(scope="module")
def tunesmith(home: Path) -> Iterator[Tunesmith]:
    """One running system for the tests that leave it running."""
    running = Tunesmith(home)
    assert running.is_ready, running.output
    yield running
    running.stop()


def test_every_process_is_reported_with_its_time(tunesmith: Tunesmith) -> None:
    names = ("postgres", "valkey", "migrations", "api", "inference", "worker", "ops", "beat")
    for name in names:
        assert f"  {name} " in tunesmith.output
    assert tunesmith.output.count("ready in") == len(names)


def test_the_printed_urls_and_key_work(tunesmith: Tunesmith) -> None:
    headers = {"Authorization": f"Bearer {tunesmith.printed('admin key')}"}
    assert httpx.get(tunesmith.printed("docs")).status_code == 200
    assert httpx.get(f"{tunesmith.printed('api')}/jobs", headers=headers).status_code == 200
    assert httpx.get(f"{tunesmith.printed('endpoint')}/models", headers=headers).status_code == 200
    assert httpx.get(f"{tunesmith.printed('gateway')}/health").status_code == 200


def test_the_key_is_kept_for_its_owner_only(tunesmith: Tunesmith) -> None:
    key_file = tunesmith.home / "admin-key"
    assert key_file.read_text().strip() == tunesmith.printed("admin key")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600


def test_the_commands_find_the_running_system(tunesmith: Tunesmith) -> None:
    assert isinstance(tunesmith.json("jobs", "list"), list)
    assert tunesmith.json("models") == []
    assert "Nothing was deployed yet" in tunesmith.command("deployments").stdout


def test_an_error_of_the_api_is_one_sentence(tunesmith: Tunesmith) -> None:
    done = tunesmith.command("jobs", "show", "ftjob-none")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no job 'ftjob-none'")
    assert len(done.stderr.splitlines()) == 1


def test_a_refused_spec_names_the_key(tunesmith: Tunesmith) -> None:
    done = tunesmith.command("jobs", "submit", "-", stdin='{"base_model": "Qwen/Qwen2.5-3B", "epoch": 1}')
    assert done.returncode == 1
    assert "epoch" in done.stderr


def test_the_second_up_names_the_first(tunesmith: Tunesmith) -> None:
    done = tunesmith.command("up")
    assert done.returncode == 1
    assert f"in use by process {tunesmith.process.pid} since 20" in done.stderr


def test_reset_refuses_while_the_system_runs(tunesmith: Tunesmith) -> None:
    done = tunesmith.command("reset", "--yes")
    assert done.returncode == 1
    assert "in use by process" in done.stderr


def test_a_killed_api_comes_back(tunesmith: Tunesmith) -> None:
    api = next(process for process in tunesmith.descendants() if process.cmdline()[-2:] == ["-m", "api"])
    api.kill()
    health = f"{tunesmith.printed('api')}/health"
    wait_until(lambda: not api.is_running() or api.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: _answers(health), deadline_s=60)


def test_jobs_and_key_outlive_kill_9_which_leaves_no_process(tmp_path: Path) -> None:
    first = Tunesmith(tmp_path)
    assert first.is_ready, first.output
    job_id = _submit(first)
    wait_until_gone(first.kill(), deadline_s=10)
    second = Tunesmith(tmp_path)
    try:
        assert second.printed("admin key") == first.printed("admin key")
        assert second.json("jobs", "show", job_id)["id"] == job_id
        second.command("jobs", "cancel", job_id)
    finally:
        left = second.descendants()
        assert second.stop() == 0
    assert "nothing is left running" in second.output
    wait_until_gone(left, deadline_s=1)


def test_two_that_start_at_once_have_their_own_ports_until_sigterm_stops_everything(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        systems = list(pool.map(Tunesmith, (tmp_path / "first", tmp_path / "second")))
    answers = [_own_answers(running) for running in systems if running.is_ready]
    for running in systems:
        left = running.descendants()
        running.process.send_signal(signal.SIGTERM)
        rest, _ = running.process.communicate(timeout=90)
        wait_until_gone(left, deadline_s=1)
        assert running.process.returncode == 0, running.output + rest
    assert answers == [[200, 200], [200, 200]]


def test_the_users_own_servers_are_used_instead(services: Services, tmp_path: Path) -> None:
    running = Tunesmith(tmp_path, DATABASE_URL=services.database_url, REDIS_URL=services.redis_url)
    assert running.is_ready, running.output
    running.stop()
    assert not (tmp_path / "postgres").exists()
    assert not (tmp_path / "valkey").exists()


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    nobodys = claim_next_port("127.0.0.1", 20_000)
    url = f"postgresql://me:secret@127.0.0.1:{nobodys.port}/db"
    running = Tunesmith(tmp_path, DATABASE_URL=url)
    assert running.stop() == 1
    assert "Error: DATABASE_URL" in running.output
    assert "does not answer" in running.output
    assert "secret" not in running.output


def test_a_taken_port_of_the_users_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        running = Tunesmith(tmp_path, TUNESMITH_API_PORT=str(port))
        assert running.stop() == 1
    assert f"Error: port {port} of 127.0.0.1 is taken" in running.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_home_that_cannot_be_written_is_named() -> None:
    running = Tunesmith(Path("/proc/home"))
    assert running.stop() == 1
    assert "/proc/home" in running.output
    assert "TUNESMITH_HOME" in running.output


def _submit(system: Tunesmith) -> str:
    done = system.command("jobs", "submit", "-", "--json", stdin=SPEC)
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


def _own_answers(system: Tunesmith) -> list[int]:
    """The statuses that the api and the gateway answer the system's own key with."""
    headers = {"Authorization": f"Bearer {system.printed('admin key')}"}
    urls = (f"{system.printed('api')}/jobs", f"{system.printed('endpoint')}/models")
    return [httpx.get(url, headers=headers).status_code for url in urls]


def _answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False
