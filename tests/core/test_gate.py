"""Every condition of a gate holds at its bound and fails just beyond it, and says figure, interval and bound."""

from typing import Any

import pytest

from core.chat_regression import ChatRow, compare_chat
from core.gate import LiveComparison, judge, one_sided
from core.significance import compare, rate
from core.spec import ConditionsSpec
from core.verdict import Condition

EXACT = "function_name_and_args_accuracy"


def scores(right: int = 90, n: int = 100, metric: str = EXACT) -> dict[str, Any]:
    return {"suites": {"tools": {metric: rate([True] * right + [False] * (n - right)), "by_kind": {}}}, "chat": None}


def chat(*rises: float, before: str = "chat") -> dict[str, Any]:
    """Scores with the regression of rows of 10 tokens, each with a loss so much higher a token than before."""
    same = {"tokens": 10, "answer_tokens": 10, "reference_tokens": 10, "stopped": True, "empty": False}
    rows = [
        ChatRow.model_validate({"key": str(number), "nats": nats, "repetitive": False, **same})
        for number, nats in enumerate([10.0] * len(rises))
    ]
    later = [row.model_copy(update={"nats": 10 + 10 * rise}) for row, rise in zip(rows, rises, strict=True)]
    regression = compare_chat(before, rows, later)
    return {"suites": {}, "chat": {"regression": regression and regression.model_dump(mode="json")}}


def one(conditions: dict[str, Any], found: dict[str, Any], live: LiveComparison | None = None) -> Condition:
    verdict = judge(ConditionsSpec.model_validate(conditions), found, before="chat", live=live)
    [condition] = verdict.conditions
    assert verdict.passed == (condition.passed is not False)
    return condition


def floor(low: float, metric: str = EXACT) -> dict[str, Any]:
    return {"floors": [{"metric": metric, "low": low}]}


@pytest.mark.parametrize("metric", [EXACT, "no_call_accuracy", "no_call_precision", "stop_rate"])
def test_the_lower_end_of_the_interval_decides_to_the_last_digit(metric: str) -> None:
    found = scores(metric=metric)
    low = found["suites"]["tools"][metric]["low"]
    assert low == 0.8256
    assert one(floor(low, metric), found).passed
    failed = one(floor(low + 1e-4, metric), found)
    assert not failed.passed
    assert failed.text == (
        f"tools.{metric} is 0.900 over 100 rows (95% interval 0.826 to 0.945), and the lower end must be "
        "0.8257 at least"
    )
    assert (failed.figure, failed.low, failed.high, failed.bound, failed.n) == (0.9, low, 0.9448, low + 1e-4, 100)


def test_the_same_share_of_fewer_rows_proves_less() -> None:
    assert one(floor(0.8), scores(90, 100)).passed
    assert not one(floor(0.8), scores(9, 10)).passed
    assert not one(floor(0.8), scores(15, 15)).passed


def test_a_figure_that_the_suite_has_no_row_for_fails() -> None:
    nothing = one(floor(0.1, "no_call_accuracy"), {"suites": {"tools": {"no_call_accuracy": None}}})
    assert (nothing.passed, nothing.n) == (False, 0)
    assert "tools.no_call_accuracy has no figure" in nothing.text
    assert not one(floor(0.1), {"suites": {}}).passed


def test_chat_may_lose_as_much_as_it_is_allowed_and_no_more() -> None:
    found = chat(0.05, 0.05, 0.05)
    assert one({"max_chat_loss_rise": 0.05}, found).passed
    assert one({"max_chat_loss_rise": 0}, chat(-0.1, -0.1)).passed
    failed = one({"max_chat_loss_rise": 0.0499}, found)
    assert (failed.passed, failed.figure, failed.bound, failed.n) == (False, 0.05, 0.0499, 3)
    assert failed.text == (
        "the held-out chat loss is +0.050 nats a token to that after chat over 3 rows (95% interval +0.050 to +0.050), "
        "and the upper end may be 0.0499 at most"
    )


def test_the_upper_end_of_the_rise_decides() -> None:
    """A mean rise of 0, which few and scattered rows do not show to be none."""
    condition = one({"max_chat_loss_rise": 0.1}, chat(-0.2, 0.2, -0.1, 0.1))
    assert condition.figure == 0
    assert condition.high is not None
    assert condition.high > 0.1
    assert not condition.passed
    assert one({"max_chat_loss_rise": condition.high}, chat(-0.2, 0.2, -0.1, 0.1)).passed


@pytest.mark.parametrize("found", [scores(), chat(), chat(0.0), chat(0.0, 0.0, before="base")])
def test_a_rise_of_the_chat_loss_that_was_not_measured_fails(found: dict[str, Any]) -> None:
    condition = one({"max_chat_loss_rise": 1}, found)
    assert not condition.passed
    assert "was not measured on the same rows as after chat" in condition.text


def compared(won: int, lost: int, n: int = 100) -> LiveComparison:
    verdicts = [(False, True)] * won + [(True, False)] * lost + [(True, True)] * (n - won - lost)
    return LiveComparison("ft:live", {"tools": compare(verdicts)})


@pytest.mark.parametrize(
    ("won", "lost", "passes"),
    # Five coins that all fall on one side: 1/32; four of them: 1/16.  Nine of ten: 11/1024; seven of ten: 176/1024.
    [(0, 0, True), (0, 4, True), (0, 5, False), (3, 7, True), (1, 9, False), (40, 1, True), (10, 10, True)],
)
def test_worse_than_what_is_live_is_a_one_sided_test_at_five_percent(won: int, lost: int, passes: bool) -> None:
    assert one({"no_regression": True}, scores(), live=compared(won, lost)).passed is passes


def test_the_test_is_exact_and_one_sided() -> None:
    assert one_sided(compare([(True, False)] * 5)) == 1 / 32
    assert one_sided(compare([(True, False)] * 4)) == 1 / 16
    assert one_sided(compare([(False, True)] * 5)) == 1.0


def test_every_suite_is_compared_for_itself_and_says_the_rows() -> None:
    live = LiveComparison("ft:live", {**compared(0, 5).suites, "bfcl": compare([(True, True)] * 3)})
    found = judge(ConditionsSpec(no_regression=True), scores(), before="chat", live=live)
    assert [(each.name, each.passed, each.n) for each in found.conditions] == [
        ("live.tools", False, 100),
        ("live.bfcl", True, 3),
    ]
    assert found.failures == [
        "5 of 100 rows of tools are answered worse than by ft:live, which is live, and 0 better (one-sided p 0.031, "
        "and must be 0.05 at least)"
    ]


@pytest.mark.parametrize(("choice", "passes"), [({}, False), ({"not_comparable": "pass"}, True)])
def test_what_cannot_be_compared_does_what_the_spec_says(choice: dict[str, str], passes: bool) -> None:
    unseen = LiveComparison("ft:live", {}, "they have answered no row in common")
    condition = one({"no_regression": True, **choice}, scores(), live=unseen)
    assert condition.passed is passes
    assert condition.text == "not comparable with ft:live, which is live: they have answered no row in common"


def test_nothing_that_is_live_cannot_be_better() -> None:
    assert one({"no_regression": True}, scores(), live=LiveComparison(None, {})).passed
