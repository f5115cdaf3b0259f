"""`tunesmith deploy`, `rollback`, `deployments`: what the endpoint serves under which name, followed to its end."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from cli.client import Client
from cli.jobs import AsJson
from cli.tables import local_time, open_console, print_json, print_table
from core.errors import ConfigurationError, NotFound
from core.settings import get_settings
from core.states import OPEN, DeploymentStatus

app = typer.Typer(help="What the endpoint serves.")
Follow = Annotated[bool, typer.Option("--watch/--no-wait", help="Follow the deployment to its end.")]
POLL_S = 0.5


@app.command()
def deploy(
    model: Annotated[str, typer.Argument(help="The model's id; `tunesmith models` lists them.")],
    alias: Annotated[str | None, typer.Option(help="The public name; the api's VLLM_MODEL_NAME if not given.")] = None,
    serve_as: Annotated[str, typer.Option(help="merged, or adapter: beside others on one base.")] = "merged",
    split: Annotated[
        int | None, typer.Option(metavar="PERCENT", help="Try it on this share of requests first.")
    ] = None,
    force: Annotated[
        str | None, typer.Option(metavar="REASON", help="Why, though its gate has failed; kept with the deployment.")
    ] = None,
    follow: Follow = True,
    as_json: AsJson = False,
) -> None:
    """Serve a model; exit 1 unless it is live at the end.  Ctrl-C leaves the deployment going on."""
    wish: dict[str, Any] = {"model": model, "serve_as": serve_as}
    if alias is not None:
        wish["alias"] = alias
    if split is not None:
        wish["split"] = {"percent": split}
    if force is not None:
        wish["force"] = force
    with Client(get_settings()) as client:
        _show_to_the_end(client, client.post("/deployments", json.dumps(wish).encode()), follow, as_json)


@app.command()
def rollback(
    name: Annotated[str | None, typer.Argument(help="A public name or a deployment's id.", show_default=False)] = None,
    follow: Follow = True,
    as_json: AsJson = False,
) -> None:
    """Go back to what was served before; withdraw what is not live yet.  The only public name need not be said."""
    with Client(get_settings()) as client:
        answer = client.post(f"/deployments/{_to_take_back(client, name)}/rollback")
        if answer["status"] == DeploymentStatus.SUPERSEDED:  # withdrawn: there is nothing to follow
            _show(answer, as_json)
        else:
            _show_to_the_end(client, answer, follow, as_json)


@app.command()
def deployments(
    limit: Annotated[int, typer.Option(min=1, help="Deployments at most.")] = 20,
    alias: Annotated[str | None, typer.Option(help="Only those of this public name.")] = None,
    status: Annotated[str | None, typer.Option(help="Only those in this status.")] = None,
    as_json: AsJson = False,
) -> None:
    """List what the endpoint was asked to serve, and what became of it."""
    filters = {name: value for name, value in (("alias", alias), ("status", status)) if value is not None}
    with Client(get_settings()) as client:
        rows = list(client.every("/deployments", limit=limit, **filters))
    if as_json:
        print_json(open_console(), rows)
        return
    columns = {
        "id": lambda row: row["id"],
        "alias": lambda row: row["alias"],
        "model": lambda row: row["model"],
        "as": lambda row: row["serve_as"],
        "status": lambda row: row["status"],
        "strategy": lambda row: row["strategy"],
        "seconds": lambda row: (row["timings"] or {}).get("total_s"),
        "when": lambda row: local_time(row["live_at"] or row["created_at"]),
        "error": lambda row: row["error"],
    }
    print_table(open_console(), rows, columns, empty="Nothing was deployed yet: `tunesmith deploy MODEL` does.")


def _to_take_back(client: Client, name: str | None) -> str:
    """The deployment that is meant: of a public name the newest one, or the one that is being taken back already."""
    if name is None:
        name = _only_alias(client)
    elif re.fullmatch(r"dep-\w{24}", name):
        return name
    wanted = (*OPEN, DeploymentStatus.LIVE)
    newest = next((each for each in client.every("/deployments", alias=name) if each["status"] in wanted), None)
    if newest is None:
        raise NotFound(f"nothing is served as {name!r}, nor about to be: `tunesmith deployments` lists what was")
    return str(newest["rollback_of"] if newest["rollback_of"] and newest["status"] in OPEN else newest["id"])


def _only_alias(client: Client) -> str:
    names = [each["alias"] for each in client.get("/aliases")["data"]]
    if len(names) == 1:
        return str(names[0])
    if not names:
        raise NotFound("nothing is served: there is nothing to go back from")
    raise ConfigurationError(f"several names are served: say which one goes back, of {', '.join(names)}")


def _show_to_the_end(client: Client, deployment: dict[str, Any], follow: bool, as_json: bool) -> None:
    if follow:
        deployment = _follow(client, deployment, None if as_json else open_console())
    _show(deployment, as_json)
    if follow and deployment["live_at"] is None:
        raise typer.Exit(1)


def _follow(client: Client, deployment: dict[str, Any], console: Console | None) -> dict[str, Any]:
    """Show every change until the deployment ends, and return it."""
    shown, terminal = None, console if console is not None and console.is_terminal else None
    with terminal.status("") if terminal is not None else nullcontext() as line:
        while True:
            now = escape(describe(deployment))
            if console is not None and now != shown:
                console.print(f"[dim]{time.strftime('%H:%M:%S')}[/dim]  {now}", highlight=False)
            if line is not None:
                line.update(escape(" · ".join(_pairs(deployment["trial"] or {}))) or now)
            if deployment["status"] not in OPEN:
                return deployment
            shown = now
            time.sleep(POLL_S)
            deployment = client.get(f"/deployments/{deployment['id']}")


def describe(deployment: dict[str, Any]) -> str:
    """`pending, 2 before it`, `swapping (swap: same tensors)`."""
    parts = [deployment["status"]]
    if deployment["queue_position"]:
        parts.append(f", {deployment['queue_position']} before it")
    if deployment["strategy"]:
        parts.append(f" ({': '.join(filter(None, (deployment['strategy'], deployment['reason'])))})")
    return "".join(parts)


def _show(deployment: dict[str, Any], as_json: bool) -> None:
    console = open_console()
    if as_json:
        print_json(console, deployment)
        return
    is_withdrawn = deployment["status"] == DeploymentStatus.SUPERSEDED and deployment["live_at"] is None
    lines = {
        "deployment": deployment["id"],
        "alias": deployment["alias"],
        "model": f"{deployment['model']} ({deployment['serve_as']})",
        "status": "withdrawn before it was live" if is_withdrawn else describe(deployment),
        "timings": " · ".join(f"{phase} {seconds} s" for phase, seconds in _phases(deployment["timings"] or {})),
        "trial": " · ".join(_pairs(deployment["trial"] or {})),
        "takes back": deployment["rollback_of"],
        "forced": deployment["forced"],
        "error": deployment["error"],
    }
    for name, value in lines.items():
        if value:
            console.print(f"  {name:<11} {value}", highlight=False, markup=False)


def _phases(timings: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The seconds of each phase, the total last."""
    for name, seconds in sorted(timings.items(), key=lambda entry: entry[0] == "total_s"):
        yield name.removesuffix("_s"), seconds


def _pairs(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """`new.requests 12`: a trial's counts as one line."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _pairs(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name} {value}"
