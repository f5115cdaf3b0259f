"""Lists from the api as tables for people, or as JSON for programs."""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

Columns = Mapping[str, Callable[[dict[str, Any]], object]]


def open_console() -> Console:
    """The terminal; where output goes to a file or a pipe, wide enough to cut no line."""
    return Console() if Console().is_terminal else Console(width=240)


def print_json(console: Console, value: Any) -> None:
    """As JSON, one line when it is piped on."""
    console.print(json.dumps(value, indent=2 if console.is_terminal else None), soft_wrap=True, highlight=False)


def print_table(console: Console, rows: Iterable[dict[str, Any]], columns: Columns, empty: str) -> None:
    """One row each; `empty` says what to do when there is none."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in columns:
        table.add_column(title, overflow="fold", no_wrap=title == "id")
    for row in rows:
        table.add_row(*(_cell(value(row)) for value in columns.values()))
    console.print(table if table.row_count else empty)


def printable(text: str) -> str:
    """Without the characters by which what somebody else wrote could steer the terminal."""
    return "".join(c if c == "\n" or c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def local_time(seconds: int | None) -> str:
    """Unix seconds as the clock on the wall shows them."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _cell(value: object) -> str:
    return "" if value is None else escape(str(value))
