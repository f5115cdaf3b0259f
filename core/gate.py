"""Judges a measured model by the conditions of its gate; what it needs of the rows is gathered by the caller.

A figure is judged by the end of its 95% interval that is worse for the model, so what few rows cannot show does not
count as shown.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.chat_regression import ChatRegression
from core.significance import Paired
from core.spec import ConditionsSpec, FloorSpec
from core.verdict import Condition, Verdict

ALPHA = 0.05
"""One-sided: a gate asks whether the new model is worse, never whether it is better."""


@dataclass(frozen=True)
class LiveComparison:
    """The new model against what is live, by suite, over the rows that both have answered; `model_id` is the latter.

    None where nothing was live.  `why_not` says why a suite is missing.
    """

    model_id: str | None
    suites: Mapping[str, Paired]
    why_not: str = ""


def judge(
    conditions: ConditionsSpec,
    scores: Mapping[str, Any],
    *,
    before: str | None,
    live: LiveComparison | None,
) -> Verdict:
    """The verdict on the model that has these scores.

    `before` is the stage whose chat it must not fall behind, if there is one; `live` is for `no_regression` alone.
    """
    found = [_floor(floor, scores) for floor in conditions.floors]
    if conditions.max_chat_loss_rise is not None:
        found.append(_chat(conditions.max_chat_loss_rise, scores, before))
    if conditions.no_regression:
        assert live is not None
        found.extend(_regression(live, passes_unseen=conditions.not_comparable == "pass"))
    return Verdict.of(found)


def _floor(floor: FloorSpec, scores: Mapping[str, Any]) -> Condition:
    name = f"{floor.suite}.{floor.metric}"
    rate = (scores.get("suites") or {}).get(floor.suite, {}).get(floor.metric)
    if rate is None:
        text = f"{name} has no figure, for the suite has no row of that kind: its gate asks for {floor.low:g}"
        return Condition(name=name, passed=False, text=text, bound=floor.low, n=0)
    value, low, high, n = (rate[key] for key in ("value", "low", "high", "n"))
    return Condition(
        name=name,
        passed=low >= floor.low,
        text=f"{name} is {value:.3f} over {n} rows (95% interval {low:.3f} to {high:.3f}), and the lower end must be "
        f"{floor.low:g} at least",
        figure=value,
        low=low,
        high=high,
        bound=floor.low,
        n=n,
    )


def _chat(bound: float, scores: Mapping[str, Any], stage: str | None) -> Condition:
    known = (scores.get("chat") or {}).get("regression")
    found = None if known is None else ChatRegression.model_validate(known)
    if found is None or found.loss is None or found.before != stage:
        text = f"the held-out chat loss was not measured on the same rows as after {stage or 'the stage before'}, so "
        return Condition(name="chat.loss", passed=False, text=text + "its rise is not known", bound=bound)
    rise = found.loss
    return Condition(
        name="chat.loss",
        passed=rise.high <= bound,
        text=f"the held-out chat loss is {rise.value:+.3f} nats a token to that after {stage} over {found.rows} rows "
        f"(95% interval {rise.low:+.3f} to {rise.high:+.3f}), and the upper end may be {bound:g} at most",
        figure=rise.value,
        low=rise.low,
        high=rise.high,
        bound=bound,
        n=found.rows,
    )


def _regression(live: LiveComparison, *, passes_unseen: bool) -> Iterator[Condition]:
    if live.model_id is None:
        yield Condition(name="live", passed=True, text="nothing was live that the model could be worse than")
        return
    if not live.suites:
        text = f"not comparable with {live.model_id}, which is live: {live.why_not}"
        yield Condition(name="live", passed=passes_unseen, text=text)
    for suite, paired in live.suites.items():
        p_value = one_sided(paired)
        yield Condition(
            name=f"live.{suite}",
            passed=p_value >= ALPHA,
            text=f"{paired.lost} of {paired.n} rows of {suite} are answered worse than by {live.model_id}, which is "
            f"live, and {paired.won} better (one-sided p {p_value:.2g}, and must be {ALPHA:g} at least)",
            figure=round(p_value, 4),
            bound=ALPHA,
            n=paired.n,
        )


def one_sided(paired: Paired) -> float:
    """How often chance alone makes the newer model look so much worse, or more; McNemar's exact test, one tail."""
    return paired.p_value / 2 if paired.lost > paired.won else 1.0
