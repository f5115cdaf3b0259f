"""docs/failures.md has every code with which a job, a run or a request can fail, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import core.judge_url  # noqa: F401  whose errors count too
from core.errors import ServiceError
from core.remedies import REMEDIES
from worker.live import DeploymentFailed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
OF_JOBS, OF_REQUESTS = PAGE.split("## Codes of requests")

FAILING = {"StageFailure", "ProgramFailed", "_failed"}


def in_table(part: str) -> set[str]:
    return set(re.findall(r"^\| `([a-z_]+)` \|", part, flags=re.MULTILINE))


def codes_in(source: str) -> Iterator[str]:
    """Codes that programs and the runner name: next to an exit code, in an error's dict, or given to `_failed`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name), args=[_, ast.Constant(value=str(code)), *_]) if name in FAILING:
                yield code
            case ast.Tuple(elts=[ast.Attribute(value=ast.Name(id="Exit")), ast.Constant(value=str(code)), *_]):
                yield code
            case ast.Dict(keys=[ast.Constant(value="code"), *_], values=[ast.Constant(value=str(code)), *_]):
                yield code


def of_runs() -> set[str]:
    files = [*(ROOT / "worker").rglob("*.py"), *(ROOT / "core").rglob("*.py")]
    return {code for file in files for code in codes_in(file.read_text(encoding="utf-8"))}


def subclasses(error: type[ServiceError]) -> Iterator[type[ServiceError]]:
    for each in error.__subclasses__():
        yield each
        yield from subclasses(each)


def of_errors() -> set[str]:
    ours = ("core.", "worker.")
    errors: list[type[ServiceError]] = [ServiceError, *subclasses(ServiceError)]
    return {error.code for error in errors if error.__module__.startswith(ours)}


def test_the_source_is_read_right() -> None:
    assert {"diverged", "worker_lost", "stage_crashed", "disk_full", "internal_error"} <= of_runs()
    assert {DeploymentFailed.code, "bad_data"} <= of_errors()


def test_every_code_of_a_run_is_explained_as_one() -> None:
    assert of_runs() - {"lease_lost"} <= in_table(OF_JOBS)


def test_every_code_of_a_job_has_its_remedy_and_the_page_says_the_same() -> None:
    on_page = dict(re.findall(r"^\| `([a-z_]+)` \|.*\| ([^|]+) \|$", OF_JOBS, flags=re.MULTILINE))
    assert on_page == REMEDIES


def test_the_tables_hold_every_code_once_and_no_other() -> None:
    assert in_table(OF_JOBS) & in_table(OF_REQUESTS) == set()
    assert in_table(OF_JOBS) | in_table(OF_REQUESTS) | {"lease_lost"} == of_runs() | of_errors()
