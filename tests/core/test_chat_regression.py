"""Two models are compared at chat row by row: a real loss of quality is found, and chance is not taken for one."""

import statistics
from random import Random

import pytest

from core.chat_regression import ChatRow, LossChange, compare_chat, t95


def row(number: int, nats: float = 20.0, tokens: int = 10, **changes: bool) -> ChatRow:
    faults = {"stopped": True, "empty": False, "repetitive": False, **changes}
    return ChatRow(key=f"row {number}", nats=nats, tokens=tokens, answer_tokens=9, reference_tokens=9, **faults)


def change(earlier: list[ChatRow], later: list[ChatRow]) -> LossChange:
    found = compare_chat("chat", earlier, later)
    assert found is not None
    assert found.loss is not None
    return found.loss


def sampled(random: Random, rise: float, noise: float, rows: int = 60) -> tuple[list[ChatRow], list[ChatRow]]:
    """Rows of all lengths and difficulties, and the same ones with a loss that is `rise` a token higher on average."""
    earlier, later = [], []
    for number in range(rows):
        tokens = random.randint(5, 200)
        loss = random.uniform(0.1, 4)
        earlier.append(row(number, loss * tokens, tokens))
        later.append(row(number, (loss + rise + random.gauss(0, noise)) * tokens, tokens))
    return earlier, later


def test_a_loss_that_rises_on_every_row_is_found_though_rows_differ_far_more_than_models() -> None:
    earlier, later = sampled(Random(1), rise=0.1, noise=0.05)
    found = compare_chat("chat", earlier, later)
    assert found is not None
    [finding] = found.findings()
    assert "higher than after chat" in finding
    assert "over 60 rows" in finding
    losses = [each.nats / each.tokens for each in earlier]
    assert statistics.stdev(losses) > 1


def test_a_rise_within_the_bound_is_no_finding_however_sure_it_is() -> None:
    earlier, later = sampled(Random(2), rise=0.1, noise=0.01)
    found = compare_chat("chat", earlier, later)
    assert found is not None
    assert found.findings(max_loss_rise=0.05)
    assert not found.findings(max_loss_rise=0.2)


def test_a_rise_that_chance_could_have_made_is_no_finding() -> None:
    earlier, later = sampled(Random(3), rise=0.1, noise=3, rows=12)
    assert change(earlier, later).low < 0.05
    found = compare_chat("chat", earlier, later)
    assert found is not None
    assert not found.findings()


def test_the_same_measurement_twice_is_no_difference() -> None:
    rows = [row(number, stopped=number % 3 > 0, empty=number % 5 == 0) for number in range(50)]
    found = compare_chat("chat", rows, rows)
    assert found is not None
    assert found.loss == LossChange(value=0, low=0, high=0)
    assert found.findings() == []


def test_the_difference_is_that_of_the_losses_over_all_tokens() -> None:
    earlier = [row(1, nats=10, tokens=10), row(2, nats=300, tokens=100)]
    later = [row(1, nats=20, tokens=10), row(2, nats=300, tokens=100)]
    assert change(earlier, later).value == pytest.approx(320 / 110 - 310 / 110, abs=1e-4)


def test_the_interval_holds_the_truth_in_95_of_100_samples() -> None:
    random, held = Random(4), 0
    for _ in range(400):
        found = change(*sampled(random, rise=0.1, noise=0.5, rows=20))
        held += found.low <= 0.1 <= found.high
    assert 365 <= held <= 395  # 380 expected, with a standard deviation of 4.4


def test_answers_that_no_longer_stop_are_a_finding() -> None:
    earlier = [row(number) for number in range(40)]
    later = [row(number, stopped=number >= 9) for number in range(40)]
    found = compare_chat("chat", earlier, later)
    assert found is not None
    assert (found.unstopped.worse, found.unstopped.better) == (9, 0)
    [finding] = found.findings()
    assert finding.startswith("9 of 40 chat answers do not stop and did not after chat")


def test_answers_that_get_better_are_none() -> None:
    earlier = [row(number, nats=30, empty=True, repetitive=True) for number in range(40)]
    found = compare_chat("base", earlier, [row(number) for number in range(40)])
    assert found is not None
    assert found.findings() == []
    assert found.empty.better == 40


def test_only_rows_that_both_answered_count() -> None:
    found = compare_chat("base", [row(1), row(2), row(3)], [row(2), row(3), row(4)])
    assert found is not None
    assert found.rows == 2
    assert compare_chat("base", [row(1)], [row(2)]) is None


def test_one_row_says_nothing_about_others() -> None:
    found = compare_chat("base", [row(1, nats=1)], [row(1, nats=99)])
    assert found is not None
    assert found.loss is None
    assert found.findings() == []


@pytest.mark.parametrize(("degrees", "quantile"), [(1, 12.7062), (2, 4.3027), (3, 3.1824), (9, 2.2622), (59, 2.0010)])
def test_the_quantiles_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert t95(degrees) == pytest.approx(quantile, rel=0.002)
