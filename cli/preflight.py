"""`tunesmith preflight` and `tunesmith preview`: what a job comes to, and what it trains on, before it trains."""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.client import Client
from cli.jobs import AsJson, read_spec
from cli.preflight_report import print_report
from cli.preview import print_preview
from cli.tables import open_console, print_json
from core.errors import ConfigurationError, ServiceError
from core.settings import get_settings

app = typer.Typer()


class PreflightUnfinished(ServiceError):
    code = "preflight_unfinished"


@app.command()
def preflight(
    spec: Annotated[Path, typer.Argument(help="A JSON file with the job's spec; - reads standard input.")],
    timeout_s: Annotated[int, typer.Option(min=1, help="Seconds to wait for the report.")] = 900,
    as_json: AsJson = False,
) -> None:
    """Find out what a job comes to, without making it; exit 1 when it could not run."""
    with Client(get_settings()) as client:
        found = _ask(client, read_spec(spec), timeout_s)
    console = open_console()
    if as_json:
        print_json(console, found)
    else:
        _print_problems(console, found)
        if found["report"] is not None:
            print_report(console, found["report"])
    if found["status"] != "succeeded":
        raise typer.Exit(1)


@app.command()
def preview(
    source: Annotated[str, typer.Argument(help="A JSON file with a job's spec, or the id of a job.")],
    rows: Annotated[int, typer.Option(min=1, help="Rows of each stage at most.")] = 6,
    timeout_s: Annotated[int, typer.Option(min=1, help="Seconds to wait for the rows of a spec.")] = 900,
    as_json: AsJson = False,
) -> None:
    """Show sample rows token by token, as they are or would be trained on."""
    with Client(get_settings()) as client:
        if source.startswith("ftjob-") and not Path(source).exists():
            found = client.get(f"/jobs/{source}/preview")
        else:
            asked = _ask(client, read_spec(Path(source)), timeout_s)
            _print_problems(open_console(), asked)
            found = client.get(f"/jobs/preflight/{asked['id']}/preview")
    if as_json:
        print_json(open_console(), found)
    else:
        print_preview(open_console(), found, rows)


def _ask(client: Client, spec: bytes, timeout_s: int) -> dict[str, Any]:
    """The preflight of the spec, once it has ended."""
    deadline = time.monotonic() + timeout_s
    found: dict[str, Any] = client.post("/jobs/preflight?wait_s=0", _checked(spec))
    while found["status"] in ("queued", "running"):
        if time.monotonic() > deadline:
            raise PreflightUnfinished(
                f"preflight {found['id']} is {found['status']} after {timeout_s} s: give it more with --timeout-s, and "
                "see whether the ops worker runs"
            )
        time.sleep(0.2)
        found = client.get(f"/jobs/preflight/{found['id']}")
    return found


def _checked(spec: bytes) -> bytes:
    """The spec, unless it is no JSON, which is told before anything is sent."""
    try:
        json.loads(spec)
    except ValueError as error:
        raise ConfigurationError(f"the spec is not valid JSON: {error}") from None
    return spec


def _print_problems(console: Console, found: dict[str, Any]) -> None:
    for problem in found["problems"]:
        console.print(f"✗ {problem['message']}", style="red", highlight=False, markup=False)
