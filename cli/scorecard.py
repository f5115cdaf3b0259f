"""`tunesmith scorecard`: how good a job's models are and which is better, in the terminal.

The tables and sentences are those of every other view of the card (`core.scorecard`).
"""

import sys
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.client import Client
from cli.tables import open_console, print_json, printable
from core.scorecard import tables
from core.scorecard.card import Scorecard
from core.scorecard.further_tables import further_tables
from core.scorecard.sentences import differences, gates, headlines, trainings
from core.settings import get_settings

app = typer.Typer()
HEADLINES = ("function_name_accuracy", "function_name_and_args_accuracy", "no_call_accuracy", "stop_rate")
_TITLE_WIDTH = 9
_LONGEST_ANSWER = 200


@app.command("scorecard")
def show_scorecard(
    job_id: Annotated[str, typer.Argument(help="The job's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the api's JSON.")] = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="Print it as Markdown, with examples.")] = False,
    as_page: Annotated[bool, typer.Option("--html", help="Print it as a page with charts, for a browser.")] = False,
) -> None:
    """Show how good a job's models are, and how they differ row by row."""
    if as_json + as_markdown + as_page > 1:
        raise typer.BadParameter("--json, --markdown and --html exclude one another: give one")
    path, console = f"/jobs/{job_id}/scorecard", open_console()
    with Client(get_settings()) as client:
        if as_markdown or as_page:
            document = client.text(path, format="markdown" if as_markdown else "html")
            sys.stdout.write(printable(document) if console.is_terminal else document)
            return
        card = client.get(path)
    if as_json:
        print_json(console, card)
    else:
        print_scorecard(Scorecard.model_validate(card), console)


def print_scorecard(card: Scorecard, console: Console) -> None:
    """Every figure that was measured, base first, and whether the models differ."""
    _print_sentences("In short", headlines(card), console)
    for suite in card.suites:
        _print_table(tables.suite_table(card, suite), console)
    _print_sentences("Row by row", differences(card), console)
    for table in further_tables(card):
        _print_table(table, console)
    _print_sentences("Gates", gates(card), console)
    _print_sentences("Training", trainings(card), console)


def print_prompts(card: Scorecard, console: Console) -> None:
    """What the first and the last model answer to the same prompts."""
    first, last = card.stages[0], card.stages[-1]
    table = Table(
        title="The same prompts, each with some of seven tools offered", title_justify="left", show_lines=True
    )
    table.add_column("prompt", max_width=40)
    table.add_column(first.name, max_width=40, overflow="fold")
    table.add_column(last.name, max_width=70, overflow="fold")
    for before, after in zip(first.scores.prompts, last.scores.prompts, strict=True):
        table.add_row(*(escape(_short(text)) for text in (before.prompt, before.answer, after.answer)))
    console.print(table)


def fractions(card: Scorecard, stage: str) -> dict[str, Any]:
    """The headline shares of one model as plain fractions, with n, and its held-out chat loss."""
    scores = next(each.scores for each in card.stages if each.name == stage)
    figures = scores.suites.get(card.headline or "")
    rates = {name: rate for name in HEADLINES if figures and (rate := getattr(figures, name))}
    return {
        **{name: rate.value for name, rate in rates.items()},
        "n": {name: rate.n for name, rate in rates.items()},
        "chat_loss": scores.chat.loss.value if scores.chat and scores.chat.loss else None,
    }


def _print_table(figures: tables.Table, console: Console) -> None:
    table = Table(
        title=escape(figures.title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("", min_width=_TITLE_WIDTH, overflow="fold")
    for name in figures.columns:
        table.add_column(escape(name), justify="right", overflow="fold")
    for group in figures.groups:
        for row in group:
            table.add_row(escape(row.title), *map(escape, row.cells))
        table.add_section()
    console.print(table)
    _print_sentences("", figures.remarks, console)


def _print_sentences(title: str, sentences: Iterable[str], console: Console) -> None:
    lines = list(sentences)
    if lines and title:
        console.print(title, style="bold")
    for line in lines:
        console.print(Padding(Text(printable(line)), (0, 0, 0, 2)))


def _short(text: str) -> str:
    plain = printable(" ".join(text.split()))
    return plain if len(plain) <= _LONGEST_ANSWER else plain[: _LONGEST_ANSWER - 1] + "…"
