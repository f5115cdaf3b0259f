"""The scorecard as tables, the same ones for the terminal, for Markdown and for the page.

A cell of more than one line has its figure on the first.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from core.scorecard.card import Scorecard
from core.scorecard.figures import Rate, SpeedPhase

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
    """One column a model; `groups` of rows belong together."""

    title: str
    columns: tuple[str, ...]
    groups: tuple[tuple[Row, ...], ...]


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
    return Table(f"{suite}: {rows:,} rows", columns(card), _with_figures(groups))


def measured_tables(card: Scorecard) -> list[Table]:
    """What was measured beside the suites."""
    found = (chat_table(card), speed_table(card), cost_table(card))
    return [table for table in found if table is not None]


def chat_table(card: Scorecard) -> Table | None:
    """How the models chat; None where that was not measured."""
    found = [stage.scores.chat for stage in card.stages]
    if not any(found):
        return None
    rows = next(chat.rows for chat in found if chat)
    lengths = each(found, lambda chat: chat.answer_tokens)
    losses = each(found, lambda chat: chat.loss)
    groups = (
        [
            Row("held-out loss, nats a token", shown(losses, lambda loss: f"{loss.value:.3f}")),
            Row("perplexity", shown(losses, lambda loss: f"{loss.perplexity:.2f}")),
        ],
        [
            rate_row("stop rate", each(found, lambda chat: chat.stop_rate)),
            rate_row("empty rate", each(found, lambda chat: chat.empty_rate)),
            rate_row("repetition rate", each(found, lambda chat: chat.repetition_rate)),
        ],
        [
            Row("tokens of an answer, median", shown(lengths, lambda tokens: f"{tokens.median:g}")),
            Row("tokens of an answer, 95% below", shown(lengths, lambda tokens: f"{tokens.p95:g}")),
        ],
    )
    return Table(f"Chat: {rows:,} held-out rows", columns(card), _with_figures(groups))


def speed_table(card: Scorecard) -> Table | None:
    """How fast the models answer; None where that was not measured."""
    found = [stage.scores.speed for stage in card.stages]
    if not any(found):
        return None
    clients = {
        "1 client": each(found, lambda speed: speed.alone),
        "8 clients": each(found, lambda speed: speed.together),
    }
    figures: dict[str, Callable[[SpeedPhase], str | None]] = {
        "tokens/s": lambda phase: f"{phase.tokens_per_s:,.0f}",
        "ms to the first token": lambda phase: f"{phase.first_token_ms:,.0f}",
        "ms a token": lambda phase: None if phase.token_ms is None else f"{phase.token_ms:.1f}",
    }
    groups = [
        [Row(f"{title}, {name}", shown(phases, figure)) for name, phases in clients.items()]
        for title, figure in figures.items()
    ]
    groups[0].append(Row("gain of 8 clients", shown(found, lambda speed: f"{speed.gain:.1f}")))
    return Table("Speed", columns(card), _with_figures(groups))


def cost_table(card: Scorecard) -> Table | None:
    """What training and answering take and cost; None where that is not known.  Costs need a price to be set."""
    cost = card.cost
    if cost is None:
        return None
    names = columns(card)
    spent = {
        "training": [cost.training.get(name) for name in names],
        "1,000 answers": [answers.per_1000 if (answers := cost.answers.get(name)) else None for name in names],
    }
    groups = [
        [
            Row(f"{what}, s", shown(found, lambda each: f"{each.seconds:,.0f}")),
            Row(f"{what}, GPU-hours", shown(found, lambda each: f"{each.gpu_hours:.4f}")),
            Row(f"{what}, {cost.currency}", shown(found, lambda each: _price(each.cost))),
        ]
        for what, found in spent.items()
    ]
    total = f"Cost: {cost.total.gpu_hours:.4f} GPU-hours in all on {cost.device}"
    price = _price(cost.total.cost)
    return Table(total if price is None else f"{total}, {price} {cost.currency}", names, _with_figures(groups))


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


def _price(cost: float | None) -> str | None:
    return None if cost is None else f"{cost:.4f}"


def _with_figures(groups: Iterable[Sequence[Row]]) -> tuple[tuple[Row, ...], ...]:
    """The rows that say anything."""
    kept = (tuple(row for row in group if any(cell != NOTHING for cell in row.cells)) for group in groups)
    return tuple(group for group in kept if group)
