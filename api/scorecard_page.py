"""The scorecard as a page: every figure as a chart and in a table, and the rows that were won and lost, to open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from starlette.responses import HTMLResponse

from api.charts.confusion import confusion_chart
from api.charts.curve import curve_chart
from api.charts.intervals import interval_chart
from api.pages import render
from core.curves import Bucket
from core.scorecard.calls import written_calls, written_expected
from core.scorecard.card import Scorecard
from core.scorecard.figures import PromptAnswer
from core.scorecard.further_tables import further_tables
from core.scorecard.sentences import differences, gates, headlines, older_name, trainings
from core.scorecard.tables import Table, columns, suite_table, words

SHARES = ("function_name_accuracy", "function_name_and_args_accuracy", "no_call_accuracy", "no_call_precision")


@dataclass(frozen=True)
class Chart:
    title: str
    svg: Markup


@dataclass(frozen=True)
class Suite:
    """What the page says about one suite."""

    name: str
    shares: Sequence[Chart]
    confusions: Sequence[Chart]
    table: Table


@dataclass(frozen=True)
class PromptRow:
    prompt: str
    answers: Sequence[PromptAnswer]


@dataclass(frozen=True)
class Prompts:
    """The built-in prompts with every model's answers."""

    columns: Sequence[str]
    rows: Sequence[PromptRow]


def page(card: Scorecard, curves: Mapping[str, Sequence[Bucket]]) -> HTMLResponse:
    """The card as HTML, with the loss curves of its stages."""
    return render(
        "scorecard.html",
        "charts.css",
        "scorecard.css",
        card=card,
        headlines=list(headlines(card)),
        differences=list(differences(card)),
        gates=list(gates(card)),
        trainings=list(trainings(card)),
        suites=[_suite(card, name, number) for number, name in enumerate(card.suites)],
        tables=further_tables(card),
        curves=[_loss(stage, curve, number) for number, (stage, curve) in enumerate(curves.items()) if curve],
        prompts=_prompts(card),
        older_name=older_name,
        written_calls=written_calls,
        written_expected=written_expected,
    )


def _suite(card: Scorecard, name: str, number: int) -> Suite:
    found = [(stage.name, stage.scores.suites.get(name)) for stage in card.stages]
    shares = []
    for figure in SHARES:
        points = [(stage, getattr(figures, figure) if figures else None) for stage, figures in found]
        is_measured = any(rate for _, rate in points)
        # Without a row that needs no call, no answer without one can be right: such a share says nothing.
        if is_measured and (figure != "no_call_precision" or any(f.no_call_accuracy for _, f in found if f)):
            title = words(figure).capitalize()
            shares.append(Chart(title, interval_chart(f"suite{number}-{figure}", f"{title}, {name}", points)))
    confusions = [
        Chart(stage, confusion_chart(f"suite{number}-confusion{place}", f"Calls of {stage}, {name}", figures.confusion))
        for place, (stage, figures) in enumerate(found)
        if figures
    ]
    return Suite(name, shares, confusions, suite_table(card, name))


def _loss(stage: str, curve: Sequence[Bucket], number: int) -> Chart:
    title = f"Training loss of {stage}"
    return Chart(title, curve_chart(f"loss{number}", title, curve, "loss"))


def _prompts(card: Scorecard) -> Prompts:
    answers = [stage.scores.prompts for stage in card.stages]
    rows = [PromptRow(same[0].prompt, same) for same in zip(*answers, strict=False)]
    return Prompts(columns(card), rows)
