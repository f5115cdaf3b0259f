"""The command `tunesmith`."""

import shutil
import sys
from typing import Annotated

import typer
from pydantic import ValidationError

from cli import audit, deployments, files, jobs, keys, preflight, scorecard
from cli.client import Client
from cli.example_data import make_example_data
from cli.home import HomeLock
from cli.jobs import AsJson
from cli.tables import local_time, open_console, print_json, print_table
from cli.up import System
from cli.up import up as run_up
from core.errors import ServiceError
from core.settings import get_settings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Self-hosted fine-tuning: post a job, get a tuned model on an OpenAI-compatible endpoint.",
)
app.add_typer(jobs.app, name="jobs")
app.add_typer(files.app, name="files")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app)
app.add_typer(deployments.app)
app.add_typer(preflight.app)
app.add_typer(scorecard.app)


@app.command()
def up() -> None:
    """Start everything on this machine and stay up until Ctrl-C."""
    run_up(get_settings(), say, show_system)


@app.command()
def demo() -> None:
    """Run the main job from start to end: two-stage fine-tune, scorecard, live endpoint; then stop everything."""
    from cli.demo import run_demo  # loads the OpenAI client, which no other command needs

    raise typer.Exit(run_demo(get_settings(), say))


@app.command()
def models(limit: Annotated[int, typer.Option(min=1, help="Models at most.")] = 20, as_json: AsJson = False) -> None:
    """List the models that can be deployed."""
    with Client(get_settings()) as client:
        rows = list(client.every("/models", limit=limit))
    if as_json:
        print_json(open_console(), rows)
        return
    columns = {
        "id": lambda row: row["id"],
        "stage": lambda row: row["stage"],
        "base model": lambda row: row["base_model"],
        "job": lambda row: row["job_id"],
        "created": lambda row: local_time(row["created_at"]),
    }
    print_table(open_console(), rows, columns, empty="No models yet: a job's stages make them.")


@app.command()
def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget everything the home holds: database, queue, storage, logs, the admin key.  Nothing may be running."""
    home = get_settings().home.absolute()
    if not (home / "lock").exists():
        open_console().print(f"{home} holds nothing of ours")
        return
    if not yes:
        typer.confirm(f"Remove every job, model and log below {home}?", abort=True)
    lock = HomeLock(home)
    lock.acquire()
    for name in ("postgres", "postgres.new", "valkey", "storage", "log", "run"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in ("admin-key", "runtime", "running.json"):
        (home / name).unlink(missing_ok=True)
    lock.release()


def say(process: str, message: str) -> None:
    """One line of status."""
    open_console().print(f"  [bold]{process:<12}[/bold] {message}", highlight=False, soft_wrap=True)


def show_system(system: System) -> None:
    """Where everything is, and how to stop it."""
    make_example_data(system.settings.data_root)
    lines = {
        "api": system.api_url,
        "docs": f"{system.api_url}/docs",
        "endpoint": f"{system.api_url}/v1",
        "gateway": system.inference_url,
        "admin key": system.admin_key,
        "logs": system.settings.log_dir,
    }
    console = open_console()
    console.print(f"Ready in {system.started_in_s:.1f} s", style="bold green", highlight=False)
    for name, value in lines.items():
        console.print(f"  {name:<12} {value}", highlight=False, soft_wrap=True, markup=False)
    console.print("Ctrl-C stops everything.")


def main() -> None:
    """Run the command line; an error becomes one sentence and exit code 1."""
    try:
        app()
    except ServiceError as error:
        sys.exit(f"Error: {error.message}")
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        sys.exit(f"Error in the settings: {reasons}")
