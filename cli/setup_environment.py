"""Sets up the two environments: `.venv` (api, worker, cli, tests) and `.venv-vllm` (the inference server).

Run by the system's Python before anything is installed, so it uses the standard library only:
`python3 cli/setup_environment.py [--check]`.  Every step leaves a stamp of what it installed and is skipped while that
is unchanged.  Nothing is resolved here: torch goes first and alone, everything else comes from complete lock files.
"""

from __future__ import annotations  # so that an older Python gets as far as the message about it

import argparse
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
LOG = PROJECT / "var" / "log" / "setup.log"
OLDEST_PYTHON, NEWEST_PYTHON = (3, 11), (3, 14)
NEEDED_BYTES = 6_000_000_000
PIP = "26.3"
TORCH = "2.13.0"
TORCH_INDEX = "https://download.pytorch.org/whl/cpu"


class SetupError(Exception):
    """A step that failed: the message names the step, the log and what to do."""


@dataclass(frozen=True)
class Step:
    """One thing to do in an environment, done again when `content` changes."""

    environment: str
    name: str
    content: str
    run: Callable[[Step], None]
    fix: str = "check the network, then run the same command again: finished steps are skipped"

    @property
    def folder(self) -> Path:
        return PROJECT / self.environment

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def stamp(self) -> str:
        """What the finished step leaves in the environment's stamp file."""
        return hashlib.sha256(f"{self.name}\n{self.content}\n{sys.version_info[:2]}".encode()).hexdigest()

    def is_done(self) -> bool:
        return self.python.exists() and _stamps(self.folder).get(self.name) == self.stamp

    def mark_done(self) -> None:
        content = json.dumps({**_stamps(self.folder), self.name: self.stamp}, indent=2)
        temporary = self.folder / "setup.json.tmp"
        temporary.write_text(content)
        temporary.replace(self.folder / "setup.json")


def steps() -> list[Step]:
    """Every step, in order."""
    app, vllm = ".venv", ".venv-vllm"
    plugin = PROJECT / "inference" / "plugin"
    return [
        Step(app, "create the environment", PIP, create_environment),
        Step(app, f"install torch {TORCH} (CPU)", TORCH, install_torch),
        Step(app, "install the packages of requirements/app.txt", _lock(app), install_lock),
        Step(app, "install the command `tunesmith`", f"{PROJECT}\n{_lock(app)}", install_command),
        Step(vllm, "create the environment", PIP, create_environment),
        Step(vllm, f"install torch {TORCH} (CPU)", TORCH, install_torch),
        Step(vllm, "install the packages of requirements/vllm.txt", _lock(vllm), install_lock),
        Step(vllm, "install the plugin for vLLM", _tree_hash(plugin), install_plugin),
    ]


def create_environment(step: Step) -> None:
    """Make the virtual environment and its pinned pip; an unusable one, or one of another Python, is replaced."""
    if step.folder.exists() and not _usable(step.python):
        shutil.rmtree(step.folder)
    if not step.folder.exists():
        _run([sys.executable, "-m", "venv", str(step.folder)])
    _pip(step, "--upgrade", f"pip=={PIP}")


def install_torch(step: Step) -> None:
    """Install the CPU build: from PyTorch's own index, or, where that cannot be reached, whatever build is at hand."""
    try:
        _pip(
            step,
            "--no-deps",
            "--retries",
            "1",
            "--timeout",
            "8",
            f"torch=={TORCH}+cpu",
            "--extra-index-url",
            TORCH_INDEX,
        )
    except subprocess.CalledProcessError:
        print(f"{TORCH_INDEX} cannot be reached: taking torch from the usual index ... ", end="", flush=True)
        # A build for another device needs its runtime packages: here pip may add what torch asks for.
        _pip(step, f"torch=={TORCH}")


def install_lock(step: Step) -> None:
    """Install exactly what the lock file lists."""
    _pip(step, "--no-deps", "-r", str(_lock_path(step.environment)))


def install_command(step: Step) -> None:
    """Put `tunesmith` into the environment, running this checkout's code."""
    _pip(step, "--no-deps", "--no-build-isolation", "--editable", str(PROJECT))


def install_plugin(step: Step) -> None:
    """Install our plugin where vLLM finds it."""
    _pip(step, "--no-deps", "--no-build-isolation", "--force-reinstall", str(PROJECT / "inference" / "plugin"))


def check_machine() -> None:
    """Refuse early what would fail late: an old Python, one without venv, a full disk, a folder of someone else."""
    if not OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        oldest, newest, found = (".".join(map(str, v)) for v in (OLDEST_PYTHON, NEWEST_PYTHON, sys.version_info[:3]))
        raise SetupError(
            f"Python {oldest} to {newest} is needed, this is {found}: `make PYTHON=python3.12 …` names another"
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        version = f"python3.{sys.version_info[1]}"
        raise SetupError(
            f"{sys.executable} has no venv module: on Debian or Ubuntu, apt install {version}-venv"
        ) from None
    try:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        LOG.open("ab").close()
    except OSError as error:
        raise SetupError(f"cannot write {LOG} ({error.strerror}): set up in a clone that belongs to you") from None
    if not (PROJECT / ".venv-vllm").exists():
        free = shutil.disk_usage(PROJECT).free
        if free < NEEDED_BYTES:
            need, have = NEEDED_BYTES / 1e9, free / 1e9
            raise SetupError(f"{PROJECT} has {have:.1f} GB free and set-up needs {need:.0f} GB: make room first")


def set_up() -> None:
    """Run the steps that are not done, one line each."""
    check_machine()
    with (LOG.parent / "setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a second set-up waits, then finds everything done
        every = steps()
        if all(step.is_done() for step in every):
            return
        began = time.monotonic()
        for number, step in enumerate(every, 1):
            if not step.is_done():
                _run_step(step, f"[{number}/{len(every)}] {step.environment}: {step.name}")
        print(f"Set up in {time.monotonic() - began:.0f} s", flush=True)


def _run_step(step: Step, title: str) -> None:
    print(f"{title} ...", end=" ", flush=True)
    began = time.monotonic()
    try:
        step.run(step)
        step.mark_done()
    except (subprocess.CalledProcessError, OSError) as error:
        print("failed", flush=True)
        reason = f"exit code {error.returncode}" if isinstance(error, subprocess.CalledProcessError) else str(error)
        tail = "\n".join(line[:300] for line in LOG.read_text(errors="replace").splitlines()[-6:])
        raise SetupError(f"{title}: {reason}\n{tail}\nThe whole log: {LOG}\nTo fix it: {step.fix}") from None
    print(f"{time.monotonic() - began:.1f} s", flush=True)


def _pip(step: Step, *arguments: str) -> None:
    # Byte code is made on first import: for all of torch and transformers at once it takes a minute.
    _run([str(step.python), "-m", "pip", "install", "--no-compile", "--no-input", "--progress-bar", "off", *arguments])


def _run(command: list[str]) -> None:
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        subprocess.run(command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True)


def _usable(python: Path) -> bool:
    probe = "import sys, pip; print(*sys.version_info[:2])"
    try:
        done = subprocess.run([str(python), "-c", probe], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return done.stdout.split() == [str(part) for part in sys.version_info[:2]]


def _stamps(folder: Path) -> dict[str, str]:
    try:
        stamps = json.loads((folder / "setup.json").read_text())
    except (OSError, ValueError):
        return {}
    return stamps if isinstance(stamps, dict) else {}


def _lock_path(environment: str) -> Path:
    return PROJECT / "requirements" / {".venv": "app.txt", ".venv-vllm": "vllm.txt"}[environment]


def _lock(environment: str) -> str:
    return _lock_path(environment).read_text()


def _tree_hash(folder: Path) -> str:
    total = hashlib.sha256()
    for path in _sources(folder):
        total.update(f"{path.relative_to(folder)}\n".encode() + path.read_bytes())
    return total.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        built = any(part in {"build", "__pycache__"} or part.endswith(".egg-info") for part in path.parts)
        if path.is_file() and not built:
            yield path


def main() -> int:
    """Set up, or with `--check` only say whether that is still to do."""
    parser = argparse.ArgumentParser(description="Set up .venv and .venv-vllm; does nothing when they are up to date.")
    parser.add_argument("--check", action="store_true", help="exit 1 if something is to do, and do nothing")
    if parser.parse_args().check:
        return 0 if all(step.is_done() for step in steps()) else 1
    try:
        set_up()
    except SetupError as error:
        print(f"Set-up failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted: run it again to go on", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
