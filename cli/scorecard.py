"""The scorecard as tables: one column per model, each share with its 95% interval."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

HEADLINES = ("function_name_accuracy", "function_name_and_args_accuracy", "no_call_accuracy", "stop_rate")
Stages = Mapping[str, Mapping[str, Any]]


def fractions(scores: Mapping[str, Any]) -> dict[str, Any]:
    """The headline shares of one model as plain fractions, with n, and its held-out chat loss."""
    suite = _suite(scores, scores["headline"])
    rates = {name: suite[name] for name in HEADLINES if suite.get(name)}
    chat = scores["chat"]
    return {
        **{name: rate["value"] for name, rate in rates.items()},
        "n": {name: rate["n"] for name, rate in rates.items()},
        "chat_loss": chat["loss"]["value"] if chat else None,
    }


def print_scorecard(stages: Stages, console: Console) -> None:
    """Every number that was measured, base first."""
    table = Table(title="Scorecard, with 95% intervals", title_justify="left")
    table.add_column("metric")
    for name in stages:
        table.add_column(name, justify="right", no_wrap=True)
    everything = list(stages.values())
    headline = next((scores["headline"] for scores in everything), None)
    for metric in HEADLINES:
        _add_shares(table, _title(metric), [_suite(scores, headline).get(metric) for scores in everything])
    table.add_row("held-out chat loss", *(_loss(scores["chat"]) for scores in everything))
    table.add_section()
    for kind in {kind: None for scores in everything for kind in _kinds(scores, headline)}:
        _add_shares(table, f"  {_title(kind)}", [_kinds(scores, headline).get(kind) for scores in everything])
    table.add_section()
    for name in {name: None for scores in everything for name in scores["suites"] if name != headline}:
        for metric in HEADLINES[:3]:
            rates = [_suite(scores, name).get(metric) for scores in everything]
            if any(rates):
                _add_shares(table, f"{name}: {_title(metric)}", rates)
    console.print(table)


def print_answers(stages: Stages, console: Console) -> None:
    """What the first and the last model answer to the same prompts."""
    first, last = next(iter(stages)), list(stages)[-1]
    table = Table(
        title="The same prompts, each with some of seven tools offered", title_justify="left", show_lines=True
    )
    table.add_column("prompt", max_width=40)
    table.add_column(first, max_width=40, overflow="fold")
    table.add_column(last, max_width=70, overflow="fold")
    for before, after in zip(stages[first]["prompts"], stages[last]["prompts"], strict=True):
        table.add_row(escape(before["prompt"]), escape(_short(before["answer"])), escape(_short(after["answer"])))
    console.print(table)


def _suite(scores: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    suite: Mapping[str, Any] = scores["suites"].get(name, {})
    return suite


def _kinds(scores: Mapping[str, Any], suite: str | None) -> Mapping[str, Any]:
    kinds: Mapping[str, Any] = _suite(scores, suite).get("by_kind", {})
    return kinds


def _title(name: str) -> str:
    return name.replace("_", " ")


def _add_shares(table: Table, title: str, rates: Sequence[Mapping[str, Any] | None]) -> None:
    n = next((rate["n"] for rate in rates if rate), 0)
    table.add_row(f"{title} (n={n})", *(_share(rate) for rate in rates))


def _share(rate: Mapping[str, Any] | None) -> str:
    if not rate:
        return "–"
    return f"{rate['value']:.1%} ({100 * rate['low']:.0f}–{100 * rate['high']:.0f})"


def _loss(chat: Mapping[str, Any] | None) -> str:
    return f"{chat['loss']['value']:.3f}" if chat else "–"


def _short(text: str, limit: int = 200) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"
