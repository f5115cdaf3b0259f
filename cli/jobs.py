"""`tunesmith jobs …`: submit, list, show, watch, cancel, pause, resume, retry, rerun."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli.client import Client
from cli.scorecard import print_scorecard
from cli.tables import local_time, open_console, print_json, print_table
from cli.watch import describe_progress, describe_wait, watch
from core.errors import ConfigurationError, NotFound
from core.scorecard.card import Scorecard
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Fine-tuning jobs.")
AsJson = Annotated[bool, typer.Option("--json", help="Print the api's JSON.")]
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@app.command("list")
def list_jobs(
    limit: Annotated[int, typer.Option(min=1, help="Jobs at most.")] = 20,
    status: Annotated[str | None, typer.Option(help="Only jobs in this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest jobs."""
    with Client(get_settings()) as client:
        jobs = list(client.every("/jobs", limit=limit, **({"status": status} if status else {})))
    console = open_console()
    if as_json:
        print_json(console, jobs)
        return
    columns = {
        "id": lambda job: job["id"],
        "status": lambda job: job["status"],
        "stage": lambda job: job["stage"],
        "step": lambda job: _steps(job["progress"]),
        "base model": lambda job: job["spec"]["base_model"],
        "created": lambda job: local_time(job["created_at"]),
    }
    print_table(console, jobs, columns, empty="No jobs yet: `tunesmith jobs submit SPEC.json` posts one.")


@app.command()
def show(job_id: JobId, as_json: AsJson = False) -> None:
    """Show one job: its state, its models and, once measured, its scorecard."""
    with Client(get_settings()) as client:
        job = client.get(f"/jobs/{job_id}")
        card = _scorecard(client, job_id)
    console = open_console()
    if as_json:
        print_json(console, {**job, "scorecard": card})
        return
    _print_job(console, job)
    if card:
        print_scorecard(Scorecard.model_validate(card), console)


@app.command()
def submit(
    spec: Annotated[Path, typer.Argument(help="A JSON file with the job's spec; - reads standard input.")],
    follow: Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Post a job."""
    with Client(get_settings()) as client:
        job = client.post("/jobs", read_spec(spec))
        console = open_console()
        if as_json:
            print_json(console, job)
        else:
            console.print(f"Job {job['id']} is {job['status']}", highlight=False)
        if follow:
            _watch_to_the_end(client, job["id"], console)


@app.command("watch")
def watch_job(job_id: JobId) -> None:
    """Follow a job to its end; exit 1 unless it succeeds.  Ctrl-C leaves the job running."""
    with Client(get_settings()) as client:
        _watch_to_the_end(client, job_id, open_console())


@app.command()
def cancel(job_id: JobId, as_json: AsJson = False) -> None:
    """Cancel a job; its last checkpoint stays."""
    _wish("cancel", job_id, as_json)


@app.command()
def pause(job_id: JobId, as_json: AsJson = False) -> None:
    """Pause a job after the step that it is in."""
    _wish("pause", job_id, as_json)


@app.command()
def resume(job_id: JobId, as_json: AsJson = False) -> None:
    """Put a paused job back into the queue; it goes on from its last checkpoint."""
    _wish("resume", job_id, as_json)


@app.command()
def retry(job_id: JobId, as_json: AsJson = False) -> None:
    """Put a failed or cancelled job back into the queue; it goes on from its last checkpoint."""
    _wish("retry", job_id, as_json)


@app.command()
def rerun(
    job_id: JobId,
    deploy: Annotated[
        bool, typer.Option(help="Deploy and measure its models, as the job did; otherwise nothing goes live.")
    ] = True,
    follow: Annotated[bool, typer.Option("--watch", help="Follow the new job to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the models of a job again, from the same data, base, seed and settings; refused where one has changed."""
    body = None if deploy else b'{"deploy": {"when": "never"}}'
    with Client(get_settings()) as client:
        job = client.post(f"/jobs/{job_id}/rerun", body)
        console = open_console()
        if as_json:
            print_json(console, job)
        else:
            console.print(f"Job {job['id']} is {job['status']}, a rerun of {job_id}", highlight=False)
        if follow:
            _watch_to_the_end(client, job["id"], console)


def _wish(wish: str, job_id: str, as_json: bool) -> None:
    with Client(get_settings()) as client:
        job = client.post(f"/jobs/{job_id}/{wish}")
    if as_json:
        print_json(open_console(), job)
    else:
        open_console().print(f"Job {job_id} is {job['status']}", highlight=False)


def _scorecard(client: Client, job_id: str) -> dict[str, Any] | None:
    """None until the first model of the job was measured."""
    try:
        return dict(client.get(f"/jobs/{job_id}/scorecard"))
    except NotFound:
        return None


def _watch_to_the_end(client: Client, job_id: str, console: Console) -> None:
    job = watch(client, job_id, console)
    _print_job(console, job)
    if job["status"] != "succeeded":
        raise typer.Exit(1)


def _print_job(console: Console, job: dict[str, Any]) -> None:
    lines = {
        "job": job["id"],
        "status": " ".join(filter(None, (job["status"], job["stage"]))),
        "progress": " ".join((_steps(job["progress"]), describe_progress(job["progress"] or {}))).strip(),
        "stalled": job["stalled"],
        "expected": describe_wait(job),
        "base model": job["spec"]["base_model"],
        "models": ", ".join(job["result_models"]),
        "error": (job["error"] or {}).get("message"),
        "what to do": (job["error"] or {}).get("remedy"),
    }
    for name, value in lines.items():
        if value:
            console.print(f"  {name:<11} {value}", highlight=False, markup=False)


def _steps(progress: dict[str, Any] | None) -> str:
    return f"{progress['step']}/{progress.get('max_steps', '?')}" if progress and "step" in progress else ""


def read_spec(spec: Path) -> bytes:
    """The text of a spec, as it is."""
    if str(spec) == "-":
        return sys.stdin.buffer.read()
    try:
        return spec.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the spec {spec}: {error.strerror}") from None
