"""`tunesmith files …`: upload, list, show, download, delete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from cli.client import Client
from cli.jobs import AsJson
from cli.tables import local_time, open_console, print_json, print_table
from core.errors import ConfigurationError
from core.settings import get_settings

app = typer.Typer(no_args_is_help=True, help="Uploaded data sets, which jobs name by their ids.")
FileId = Annotated[str, typer.Argument(help="The file's id.")]


@app.command()
def upload(
    path: Annotated[Path, typer.Argument(help="The data set.")],
    purpose: Annotated[str, typer.Option(help="fine-tune or evals.")] = "fine-tune",
    as_json: AsJson = False,
) -> None:
    """Upload a data set; every row of it is checked."""
    with (
        Client(get_settings()) as client,
        _reading_and_writing(),
        _progress() as progress,
        progress.open(path, "rb", description=path.name) as file,
    ):
        made = client.upload("/files", path.name, file, purpose=purpose)
    if as_json:
        print_json(open_console(), made)
    else:
        _print_file(open_console(), made)


@app.command("list")
def list_files(
    limit: Annotated[int, typer.Option(min=1, help="Files at most.")] = 20,
    purpose: Annotated[str | None, typer.Option(help="Only files for this.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the newest files."""
    with Client(get_settings()) as client:
        files = list(client.every("/files", limit=limit, **({"purpose": purpose} if purpose else {})))
    console = open_console()
    if as_json:
        print_json(console, files)
        return
    columns = {
        "id": lambda file: file["id"],
        "filename": lambda file: file["filename"],
        "purpose": lambda file: file["purpose"],
        "form": lambda file: file["format"],
        "rows": lambda file: f"{file['rows']:,}",
        "bytes": lambda file: f"{file['bytes']:,}",
        "created": lambda file: local_time(file["created_at"]),
    }
    print_table(console, files, columns, empty="No files yet: `tunesmith files upload PATH` sends one.")


@app.command()
def show(file_id: FileId, as_json: AsJson = False) -> None:
    """Show what was found in a file."""
    with Client(get_settings()) as client:
        file = client.get(f"/files/{file_id}")
    if as_json:
        print_json(open_console(), file)
    else:
        _print_file(open_console(), file)


@app.command()
def download(
    file_id: FileId,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to; the file's own name, here, by default.")
    ] = None,
) -> None:
    """Write the file's content to this machine; what is there already is not overwritten unless it is named."""
    with Client(get_settings()) as client, _reading_and_writing():
        file = client.get(f"/files/{file_id}")
        target = output or Path(Path(file["filename"]).name)
        if output is None and target.exists():
            raise ConfigurationError(f"{target} exists: name another file, or this one, with --output")
        _fetch(client, file, target)
    open_console().print(f"{file_id} is in {target}", highlight=False)


@app.command()
def delete(file_id: FileId, as_json: AsJson = False) -> None:
    """Delete a file for good."""
    with Client(get_settings()) as client:
        answer = client.delete(f"/files/{file_id}")
    if as_json:
        print_json(open_console(), answer)
    else:
        open_console().print(f"File {file_id} is deleted", highlight=False)


def _fetch(client: Client, file: dict[str, Any], target: Path) -> None:
    """Write next to the target and rename, so that half a file never has its name."""
    partial = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with (
            client.download(f"/files/{file['id']}/content") as response,
            partial.open("wb") as out,
            _progress() as progress,
        ):
            task = progress.add_task(target.name, total=file["bytes"])
            for chunk in response.iter_bytes():
                out.write(chunk)
                progress.advance(task, len(chunk))
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _progress() -> Progress:
    """On standard error, and only where somebody looks at it."""
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)


@contextmanager
def _reading_and_writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigurationError(f"{error.filename}: {error.strerror}") from None


def _print_file(console: Console, file: dict[str, Any]) -> None:
    lines = {
        "file": file["id"],
        "filename": file["filename"],
        "purpose": file["purpose"],
        "form": file["format"],
        "rows": f"{file['rows']:,}, {file['trainable_rows']:,} to learn from",
        "bytes": f"{file['bytes']:,}",
        "sha256": file["sha256"],
        "created": local_time(file["created_at"]),
    }
    for name, value in lines.items():
        console.print(f"  {name:<9} {value}", highlight=False, markup=False)
