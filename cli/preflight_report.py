"""The report of a preflight for people: a table of the stages, of memory, of time and cost, then the warnings."""

from typing import Any

from rich.console import Console
from rich.table import Table

from cli.tables import print_table
from cli.watch import describe_duration

Report = dict[str, Any]


def print_report(console: Console, report: Report) -> None:
    """Everything that the report says."""
    _print_stages(console, report)
    _print_lengths(console, report)
    _print_memory(console, report)
    _print_fits(console, report)
    _print_times(console, report)
    for warning in report["warnings"]:
        console.print(f"! {warning['code']}: {warning['message']}", style="yellow", highlight=False, markup=False)


def _print_stages(console: Console, report: Report) -> None:
    columns = {
        "stage": lambda stage: stage["name"],
        "rows in": lambda stage: _count(stage, "rows_in"),
        "kept": lambda stage: _count(stage, "rows"),
        "dropped": lambda stage: _dropped(stage["preparation"]),
        "repeated": lambda stage: _rows(stage, "duplicates"),
        "in evaluation": lambda stage: _rows(stage, "overlap"),
        "tokens": lambda stage: _count(stage, "tokens"),
        "learned": lambda stage: _count(stage, "trained_tokens"),
        "masked": lambda stage: _number(stage["masked_tokens"]),
        "longest": lambda stage: _count(stage, "longest"),
        "steps": lambda stage: _number(stage["steps"]),
        "trainable weights": lambda stage: _number(stage["trainable_parameters"]),
    }
    print_table(console, report["stages"], columns, empty="No stages.")


def _print_lengths(console: Console, report: Report) -> None:
    """How many rows are how long."""
    for stage in report["stages"]:
        if stage["preparation"] is None:
            continue
        parts = [part for part in stage["preparation"]["lengths"] if part["rows"]]
        most = max(part["rows"] for part in parts)
        console.print(f"\nTokens of a row, {stage['name']}", style="bold", highlight=False, markup=False)
        for part in parts:
            limit = "longer" if part["up_to"] is None else f"≤ {part['up_to']:,}"
            bar = "█" * max(1, round(30 * part["rows"] / most))
            console.print(f"  {limit:>8}  {bar} {part['rows']:,}", highlight=False)


def _print_memory(console: Console, report: Report) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False, title="\nPeak memory, GB", title_justify="left")
    memories = [(stage["name"], memory) for stage in report["stages"] for memory in stage["memory"]]
    if not memories:
        return
    for title in ("stage", "on", *memories[0][1]["parts_gb"], "total", "largest batch"):
        table.add_column(title, justify="left" if title in ("stage", "on", "largest batch") else "right")
    for name, memory in memories:
        parts = (f"{size:.2f}" for size in memory["parts_gb"].values())
        batch = f"{memory['rows']} × {memory['longest']} tokens ({memory['basis']})"
        table.add_row(name, memory["backend"], *parts, f"{memory['total_gb']:.2f}", batch)
    console.print(table)


def _print_fits(console: Console, report: Report) -> None:
    console.print()
    for verdict in (*report["workers"], *report["cards"]):
        mark, style = ("fits", "green") if verdict["fits"] else ("does not fit", "red")
        text = f"  {verdict['name']} ({verdict['memory_gb']:g} GB): {mark}, {verdict['needed_gb']:.1f} GB needed"
        console.print(text, style=style, highlight=False, markup=False)
        for change in verdict["changes"]:
            console.print(f"      {change}", highlight=False, markup=False)


def _print_times(console: Console, report: Report) -> None:
    console.print()
    for one in report["times"]:
        if one["seconds"] is None:
            console.print(f"  {one['device']}: time not known ({one['source']})", highlight=False, markup=False)
            continue
        low, high = (describe_duration(seconds) for seconds in one["seconds"])
        cost = "" if one["cost"] is None else f", {one['cost'][0]:g} to {one['cost'][1]:g} {report['currency']}"
        hours = f"{one['gpu_hours'][0]:g} to {one['gpu_hours'][1]:g} GPU hours{cost}"
        console.print(f"  {one['device']}: {low} to {high}, {hours} ({one['source']})", highlight=False, markup=False)


def _count(stage: dict[str, Any], name: str) -> str:
    return _number(None if stage["preparation"] is None else stage["preparation"][name])


def _rows(stage: dict[str, Any], name: str) -> str:
    return _number(None if stage["preparation"] is None else stage["preparation"][name]["count"])


def _number(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _dropped(preparation: dict[str, Any] | None) -> str:
    if preparation is None:
        return "not known"
    reasons = {reason: rows for reason, rows in preparation["dropped"].items() if rows["count"]}
    return "; ".join(f"{rows['count']:,} {reason} ({_places(rows)})" for reason, rows in reasons.items()) or "0"


def _places(rows: dict[str, Any]) -> str:
    first = ", ".join(str(place["row"]) for place in rows["first"][:5])
    return f"rows {first}{', …' if rows['count'] > 5 else ''}"
