"""Intervals and the test of paired verdicts agree with published values."""

import pytest

from core.significance import compare, mcnemar, rate, wilson


def test_wilson_agrees_with_published_values() -> None:
    # 81 of 263: Newcombe 1998, table I, method 3.
    low, high = wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)
    low, high = wilson(0, 20)
    assert (round(low, 4), round(high, 4)) == (0.0, 0.1611)


def test_a_rate_of_nothing_is_none() -> None:
    assert rate([]) is None


@pytest.mark.parametrize(
    ("won", "lost", "p_value"),
    [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (1, 9, 0.021484375), (9, 1, 0.021484375), (10, 20, 0.09873714670538902)],
)
def test_mcnemar_is_the_exact_binomial_test(won: int, lost: int, p_value: float) -> None:
    assert mcnemar(won, lost) == pytest.approx(p_value, rel=1e-12)


def test_thousands_of_differing_rows_neither_overflow_nor_vanish() -> None:
    assert 0 < mcnemar(4_000, 4_600) < 1e-9


def test_rows_that_both_got_right_or_wrong_only_count_as_rows() -> None:
    paired = compare([(True, True), (False, False), (False, True), (True, False), (False, True)])
    assert (paired.n, paired.won, paired.lost, paired.p_value) == (5, 2, 1, 1.0)
