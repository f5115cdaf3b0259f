"""A divergence is noticed, and one bad batch is none."""

import math

import pytest

from worker.stages.divergence import DivergenceWatch


def watch(*norms: float) -> DivergenceWatch:
    seen = DivergenceWatch()
    for norm in norms:
        assert seen.see(2.0, norm) is None
    return seen


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_is_one(loss: float) -> None:
    assert DivergenceWatch().see(loss, 1.0) == f"the loss became {loss}"


def test_a_norm_that_is_no_number_is_one() -> None:
    assert DivergenceWatch().see(2.0, math.inf) == "the gradient norm became inf"


def test_an_exploding_norm_is_one_at_the_third_step_in_a_row() -> None:
    seen = watch(*[2.0] * 12, 5e4, 6e4)
    assert seen.see(2.0, 7e4) == "the gradient norm rose to 7e+04 from 2 for 3 steps in a row"


def test_a_single_bad_batch_is_none_but_is_suspicious() -> None:
    seen = watch(*[2.0] * 12, 5e4)
    assert seen.is_suspicious
    assert watch(*[2.0] * 12, 5e4, 6e4, 2.0, 5e4, 6e4, 3.0).is_suspicious is False


def test_large_norms_from_the_start_are_the_models_own() -> None:
    assert watch(*[5e4] * 30).is_suspicious is False


def test_a_norm_below_a_thousand_never_is_one() -> None:
    assert watch(*[0.01] * 12, *[900.0] * 5).is_suspicious is False
