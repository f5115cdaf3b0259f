"""Set-up: a step runs once, again when its content changes, and says what to do when it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli import setup_environment
from cli.setup_environment import SetupError, Step


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own, whose environment has a Python and nothing else."""
    monkeypatch.setattr(setup_environment, "PROJECT", tmp_path)
    monkeypatch.setattr(setup_environment, "LOG", tmp_path / "setup.log")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return tmp_path


def fail(step: Step) -> None:
    subprocess.run([step.python, "-c", "raise SystemExit(3)"], check=True)


def nothing(step: Step) -> None:
    """A step that succeeds."""


@pytest.mark.usefixtures("project")
def test_a_finished_step_is_done_until_its_content_changes() -> None:
    step = Step(".venv", "install", "pinned==1", nothing)
    assert not step.is_done()
    setup_environment._run_step(step, "[1/1] install")
    assert step.is_done()
    assert not Step(".venv", "install", "pinned==2", nothing).is_done()


def test_a_removed_environment_is_not_done(project: Path) -> None:
    step = Step(".venv", "install", "pinned==1", nothing)
    setup_environment._run_step(step, "[1/1] install")
    (project / ".venv" / "bin" / "python").unlink()
    assert not step.is_done()


def test_a_failed_step_names_itself_the_log_and_the_fix(project: Path) -> None:
    log = project / "setup.log"
    log.write_text("ERROR: no such package\n")
    with pytest.raises(SetupError) as failure:
        setup_environment._run_step(Step(".venv", "install", "x", fail), "[2/3] .venv: install")
    message = str(failure.value)
    assert message.startswith("[2/3] .venv: install: exit code 3\nERROR: no such package")
    assert f"The whole log: {log}" in message
    assert "To fix it:" in message


def test_it_runs_without_anything_installed() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", setup_environment.__file__, "--help"], capture_output=True, text=True, check=True
    )
    assert "--check" in done.stdout
