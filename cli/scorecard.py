"""The scorecard as tables: one column per model, each share with its 95% interval."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

HEADLINES = ("function_name_accuracy", "function_name_and_args_accuracy", "no_call_accuracy", "stop_rate")
Stages = Mapping[str, Mapping[str, Any]]


def fractions(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The headline shares of one model as plain fractions, with n, and its held-out chat loss."""
    rates = {name: scores[name] for name in HEADLINES if scores.get(name)}
    loss = scores.get("chat_loss")
    return {
        **{name: rate["value"] for name, rate in rates.items()},
        "n": {name: rate["n"] for name, rate in rates.items()},
        "chat_loss": loss["value"] if loss else None,
    }


def print_scorecard(stages: Stages, console: Console) -> None:
    """Every number that was measured, base first."""
    table = Table(title="Scorecard", title_justify="left")
    table.add_column("metric")
    for name in stages:
        table.add_column(name, justify="right")
    for metric in HEADLINES:
        table.add_row(_title(metric), *(_share(scores.get(metric)) for scores in stages.values()))
    table.add_row("held-out chat loss", *(_loss(scores.get("chat_loss")) for scores in stages.values()))
    table.add_section()
    kinds = {kind: None for scores in stages.values() for kind in scores.get("by_kind", {})}
    for kind in kinds:
        table.add_row(f"  {_title(kind)}", *(_share(s.get("by_kind", {}).get(kind)) for s in stages.values()))
    table.add_section()
    for suite in {name: None for scores in stages.values() for name in scores.get("more_tools", {})}:
        for metric in HEADLINES[:2]:
            shares = (_share(s.get("more_tools", {}).get(suite, {}).get(metric)) for s in stages.values())
            table.add_row(f"{suite}: {_title(metric)}", *shares)
    console.print(table)


def print_answers(stages: Stages, console: Console) -> None:
    """What the first and the last model answer to the same prompts."""
    first, last = next(iter(stages)), list(stages)[-1]
    table = Table(
        title="The same prompts, each with some of seven tools offered", title_justify="left", show_lines=True
    )
    table.add_column("prompt", max_width=40)
    table.add_column(first, max_width=40)
    table.add_column(last, max_width=70)
    for before, after in zip(stages[first]["prompts"], stages[last]["prompts"], strict=True):
        table.add_row(escape(before["prompt"]), escape(_short(before["answer"])), escape(_short(after["answer"])))
    console.print(table)


def _title(name: str) -> str:
    return name.replace("_", " ")


def _share(rate: Mapping[str, Any] | None) -> str:
    if not rate:
        return "–"
    return f"{rate['value']:.1%}  ({rate['low']:.1%}–{rate['high']:.1%}, n={rate['n']})"


def _loss(loss: Mapping[str, Any] | None) -> str:
    return f"{loss['value']:.3f}" if loss else "–"


def _short(text: str, limit: int = 200) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
