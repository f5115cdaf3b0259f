"""What the scorecard says, in sentences: how good the models are, and whether one is better than another."""

from collections.abc import Iterator

from core.scorecard.card import Comparison, PairedFigures, Scorecard
from core.scorecard.figures import JudgeFigures


def headlines(card: Scorecard) -> Iterator[str]:
    """What the first suite says about each model."""
    for stage in card.stages:
        figures = stage.scores.suites.get(card.headline or "")
        if figures is None:
            continue
        parts = []
        if calls := figures.function_name_and_args_accuracy:
            interval = f"95% interval {100 * calls.low:.0f} to {100 * calls.high:.0f}"
            parts.append(f"answers {calls.value:.1%} of {calls.n} requests with exactly the right calls ({interval})")
        if left := figures.no_call_accuracy:
            parts.append(f"answers {left.value:.1%} of {left.n} that need no call in words")
        if parts:
            yield f"{stage.name} {' and '.join(parts)}."


def differences(card: Scorecard) -> Iterator[str]:
    """Every comparison, suite by suite."""
    for comparison in card.comparisons:
        if not comparison.suites:
            newer, older = comparison.newer.name, older_name(comparison)
            yield f"{newer} cannot be compared with {older}: they have answered no row in common."
        for suite in sorted(comparison.suites, key=lambda name: (name != card.headline, name)):
            yield difference(comparison, suite, comparison.suites[suite])


def difference(comparison: Comparison, suite: str, paired: PairedFigures) -> str:
    """One comparison on one suite."""
    newer, older = comparison.newer.name, older_name(comparison)
    verdict = f"is {paired.difference} than {older}"
    if paired.difference == "no_difference":
        verdict = f"does not differ from {older} beyond chance"
    counts = f"better on {paired.won} rows, worse on {paired.lost}, of {paired.n}"
    return f"{newer} {verdict} on suite {suite}: {counts} ({chance(paired.p_value)})."


def chats(card: Scorecard) -> Iterator[str]:
    """Whether a stage has made chat worse, and what the judge says."""
    for stage in card.stages:
        chat = stage.scores.chat
        if chat is None:
            continue
        if chat.regression is not None:
            findings = chat.regression.findings()
            yield from (f"{stage.name}: {finding}." for finding in findings)
            if not findings:
                yield f"{stage.name} chats no worse than {chat.regression.before}, on {chat.regression.rows} rows."
        if chat.judge is not None:
            yield _judged(stage.name, chat.judge)


def _judged(stage: str, judge: JudgeFigures) -> str:
    counts = f"it prefers {stage} on {judge.wins} of {judge.rows} rows, {judge.against} on {judge.losses}"
    unread = f"; {judge.unreadable} could not be read" if judge.unreadable else ""
    return f"By the judge {judge.model}, {counts}, and neither on {judge.ties} ({chance(judge.p_value)}{unread})."


def gates(card: Scorecard) -> Iterator[str]:
    """Whether each model passed its gate, and every condition of it."""
    says = {True: "holds", False: "does not hold", None: "could not be judged"}
    for stage in card.stages:
        if stage.gate is None:
            continue
        yield f"{stage.name} {'passed' if stage.gate.passed else 'did not pass'} its gate."
        for condition in stage.gate.conditions:
            yield f"{stage.name}, {condition.name} {says[condition.passed]}: {condition.text}."


def trainings(card: Scorecard) -> Iterator[str]:
    """How healthy each stage's training was, and what looked wrong."""
    for health in card.health:
        yield f"{health.summary()}."
        for finding in health.findings:
            yield f"{health.stage}, step {finding.step}: {finding.message}; {finding.advice}."


def older_name(comparison: Comparison) -> str:
    """The older model, and why it is the one to compare with where its name does not say so."""
    name = comparison.older.name
    return f"{name} (live before)" if comparison.reason == "live_before" else name


def chance(p_value: float) -> str:
    """A p-value with as many digits as mean anything."""
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.2g}"
