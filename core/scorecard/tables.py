"""The scorecard as tables, the same ones for the terminal, for Markdown and for the page.

A cell of more than one line has its figure on the first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from core.scorecard.card import Scorecard
from core.scorecard.figures import Rate

FIGURES = (
    ("function_name_accuracy", "function_name_and_args_accuracy", "lenient_function_name_and_args_accuracy"),
    ("no_call_accuracy", "no_call_precision", "malformed_call_rate", "stop_rate"),
)
CONFUSION = {
    "called_expected": "called, and a call is right",
    "not_called_expected": "not called, but a call is right",
    "called_unexpected": "called, but no call is right",
    "not_called_unexpected": "not called, and no call is right",
}
NOTHING = "–"
T = TypeVar("T")
F = TypeVar("F")


@dataclass(frozen=True)
class Row:
    """A figure of every model."""

    title: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One column a model; `groups` of rows belong together, and `remarks` say what they come to."""

    title: str
    columns: tuple[str, ...]
    groups: tuple[tuple[Row, ...], ...]
    remarks: tuple[str, ...] = ()


def words(name: str) -> str:
    """The name of a figure, a kind or a stage as it is read."""
    return name.replace("_", " ")


def percent(rate: Rate | None) -> str:
    """A share with its 95% interval."""
    return f"{rate.value:.1%} ({100 * rate.low:.0f}–{100 * rate.high:.0f})" if rate else NOTHING


def suite_table(card: Scorecard, suite: str) -> Table:
    """The figures of one suite, of all its rows and by kind."""
    found = [stage.scores.suites.get(suite) for stage in card.stages]
    kinds = sorted({kind for figures in found if figures for kind in figures.by_kind})
    groups = [[rate_row(words(name), each(found, attrgetter(name))) for name in names] for names in FIGURES]
    if len(kinds) > 1:
        groups.append([rate_row(words(kind), [f.by_kind.get(kind) if f else None for f in found]) for kind in kinds])
    groups.append(
        [
            Row(title, shown(each(found, attrgetter(f"confusion.{name}")), lambda count: f"{count:,}"))
            for name, title in CONFUSION.items()
        ]
    )
    rows = next((figures.rows for figures in found if figures), 0)
    return Table(f"Suite {suite}: {rows:,} rows", columns(card), with_figures(groups))


def rate_row(title: str, rates: Sequence[Rate | None]) -> Row:
    """Shares of every model; n stands in the title where it is the same for all, else with each."""
    sizes = {rate.n for rate in rates if rate}
    if len(sizes) <= 1:
        return Row(f"{title} (n={sizes.pop()})" if sizes else title, tuple(map(percent, rates)))
    return Row(title, tuple(f"{percent(rate)}\nn={rate.n}" if rate else NOTHING for rate in rates))


def each(found: Sequence[T | None], figure: Callable[[T], F | None]) -> list[F | None]:
    """A figure of every model; None of one that was not measured so."""
    return [None if one is None else figure(one) for one in found]


def shown(found: Sequence[T | None], figure: Callable[[T], str | None]) -> tuple[str, ...]:
    """A cell for every model."""
    return tuple(cell or NOTHING for cell in each(found, figure))


def columns(card: Scorecard) -> tuple[str, ...]:
    """The models' names."""
    return tuple(stage.name for stage in card.stages)


def with_figures(groups: Iterable[Sequence[Row]]) -> tuple[tuple[Row, ...], ...]:
    """The rows that say anything."""
    kept = (tuple(row for row in group if any(cell != NOTHING for cell in row.cells)) for group in groups)
    return tuple(group for group in kept if group)
