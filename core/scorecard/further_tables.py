"""The tables of what was measured beside the suites: chat, speed, and what it all cost."""

from collections.abc import Callable

from core.scorecard.card import Scorecard
from core.scorecard.figures import SpeedPhase
from core.scorecard.sentences import chats
from core.scorecard.tables import Row, Table, columns, each, rate_row, shown, with_figures


def further_tables(card: Scorecard) -> list[Table]:
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
    references = each(found, lambda chat: chat.reference_tokens)
    losses = each(found, lambda chat: chat.loss)
    groups = (
        [
            Row("held-out loss, nats a token", shown(losses, lambda loss: f"{loss.value:.3f}")),
            Row(
                "perplexity", shown(losses, lambda loss: None if loss.perplexity is None else f"{loss.perplexity:.2f}")
            ),
        ],
        [
            rate_row("stop rate", each(found, lambda chat: chat.stop_rate)),
            rate_row("empty rate", each(found, lambda chat: chat.empty_rate)),
            rate_row("repetition rate", each(found, lambda chat: chat.repetition_rate)),
        ],
        [
            Row("tokens of an answer, median", shown(lengths, lambda tokens: f"{tokens.median:g}")),
            Row("tokens of an answer, 95th percentile", shown(lengths, lambda tokens: f"{tokens.p95:g}")),
            Row("tokens of the data's answers, median", shown(references, lambda tokens: f"{tokens.median:g}")),
        ],
    )
    return Table(f"Chat: {rows:,} held-out rows", columns(card), with_figures(groups), tuple(chats(card)))


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
    return Table("Speed", columns(card), with_figures(groups))


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
    total, price = f"In all {cost.total.gpu_hours:.4f} GPU-hours on {cost.device}", _price(cost.total.cost)
    remark = f"{total}." if price is None else f"{total}, {price} {cost.currency}."
    return Table("Time and cost", names, with_figures(groups), (remark,))


def _price(cost: float | None) -> str | None:
    return None if cost is None else f"{cost:.4f}"
