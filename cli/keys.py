"""`tunesmith keys …`: make, list and revoke the keys of the api and of the endpoint."""

import json
import time
from typing import Annotated, Any

import typer

from cli.client import Client
from cli.jobs import AsJson
from cli.tables import local_time, open_console, print_json, print_table
from core.access import Scope
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Keys: who may call the api and the endpoint, and how far.")
DAY_S = 86_400


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it opens; may be repeated. By default train and infer.")
    ] = None,
    project: Annotated[str | None, typer.Option(help="Whose it is; `default` by default.")] = None,
    all_projects: Annotated[bool, typer.Option("--all-projects", help="A key of all projects.")] = False,
    requests_per_minute: Annotated[int | None, typer.Option(min=1, help="Of the api, and of the endpoint.")] = None,
    tokens_per_minute: Annotated[int | None, typer.Option(min=1, help="Of prompts and answers together.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="It expires after so many days.")] = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it: it is shown this once."""
    body: dict[str, Any] = {
        "name": name,
        "project": project,
        "all_projects": all_projects,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
    }
    if scope:
        body["scopes"] = scope
    if days is not None:
        body["expires_at"] = int(time.time()) + days * DAY_S
    with Client(get_settings()) as client:
        made = client.post("/keys", json.dumps(body).encode())
    console = open_console()
    if as_json:
        print_json(console, made)
        return
    reaches = f"project {made['project']}" if made["project"] else "all projects"
    console.print(f"{made['id']} opens {', '.join(made['scopes'])} of {reaches}", highlight=False, markup=False)
    console.print(made["secret"], highlight=False, markup=False, soft_wrap=True)
    console.print("Keep it now: it is not shown again.")


@app.command("list")
def list_keys(
    limit: Annotated[int, typer.Option(min=1, help="Keys at most.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the newest keys, revoked ones too."""
    with Client(get_settings()) as client:
        rows = list(client.every("/keys", limit=limit))
    console = open_console()
    if as_json:
        print_json(console, rows)
        return
    columns = {
        "id": lambda key: key["id"],
        "name": lambda key: key["name"],
        "project": lambda key: key["project"] or "(all)",
        "scopes": lambda key: ", ".join(key["scopes"]),
        "begins with": lambda key: key["prefix"],
        "created": lambda key: local_time(key["created_at"]),
        "last used": lambda key: local_time(key["last_used_at"]) if key["last_used_at"] else "never",
        "state": _state,
    }
    print_table(console, rows, columns, empty="No keys yet but those of the settings: `tunesmith keys create NAME`.")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(help="The key's id.")], as_json: AsJson = False) -> None:
    """Have a key open nothing any more, within three seconds everywhere."""
    with Client(get_settings()) as client:
        key = client.delete(f"/keys/{key_id}")
    if as_json:
        print_json(open_console(), key)
    else:
        open_console().print(f"Key {key_id} is revoked", highlight=False)


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {local_time(key['revoked_at'])}"
    if key["expires_at"] is None:
        return "open"
    return f"{'expired' if key['expires_at'] <= time.time() else 'until'} {local_time(key['expires_at'])}"
