"""`tunesmith audit`: who changed what."""

from typing import Annotated

import typer

from cli.client import Client
from cli.jobs import AsJson
from cli.tables import local_time, open_console, print_json, print_table
from core.settings import get_settings

app = typer.Typer()


@app.command()
def audit(
    limit: Annotated[int, typer.Option(min=1, help="Entries at most.")] = 20,
    thing: Annotated[str | None, typer.Option(help="Only changes of this: an id or a name.")] = None,
    key: Annotated[str | None, typer.Option(help="Only those made with this key.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest changes, and those that were refused."""
    filters = {name: value for name, value in (("thing", thing), ("key", key)) if value is not None}
    with Client(get_settings()) as client:
        rows = list(client.every("/audit", limit=limit, **filters))
    if as_json:
        print_json(open_console(), rows)
        return
    columns = {
        "at": lambda entry: local_time(entry["at"]),
        "key": lambda entry: entry["key"],
        "project": lambda entry: entry["project"] or "(all)",
        "action": lambda entry: entry["action"],
        "of": lambda entry: entry["thing"],
        "outcome": lambda entry: entry["outcome"],
        "from": lambda entry: entry["address"],
    }
    print_table(open_console(), rows, columns, empty="Nothing was changed yet.")
