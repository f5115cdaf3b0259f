"""OpenAI's hyperparameters as settings of a stage: what `auto` is, and that each comes back as it was asked for."""

import pytest

from api.openai.hyperparameters import Hyperparameters, UsedHyperparameters, auto_batch, auto_epochs
from core.spec import DatasetSpec, StageSpec

DATA = DatasetSpec(source="o/n")


@pytest.mark.parametrize(
    ("rows", "epochs"),
    [(1, 25), (4, 25), (10, 10), (33, 3), (34, 3), (8333, 3), (8334, 2), (13_000, 1), (1_000_000, 1), (None, 1)],
)
def test_auto_epochs_show_neither_too_few_rows_nor_too_many(rows: int | None, epochs: int) -> None:
    assert auto_epochs(rows) == epochs


@pytest.mark.parametrize(("rows", "batch"), [(1, 4), (2000, 4), (3000, 6), (8000, 16), (1_000_000, 16), (None, 16)])
def test_an_auto_batch_grows_with_the_rows(rows: int | None, batch: int) -> None:
    assert auto_batch(rows) == batch


def test_without_counted_rows_auto_is_the_recipe() -> None:
    recipe = StageSpec(name="a", data=DATA)
    assert StageSpec(name="a", data=DATA, **Hyperparameters().settings(None)) == recipe


@pytest.mark.parametrize("batch", range(1, 257))
def test_any_batch_is_taken_with_few_rows_in_memory(batch: int) -> None:
    stage = StageSpec(name="a", data=DATA, **Hyperparameters(batch_size=batch).settings(1000))
    assert stage.batch_size <= 4
    assert UsedHyperparameters.of(stage.model_dump(mode="json")).batch_size == batch


@pytest.mark.parametrize("multiplier", [0.02, 0.1, 0.3, 1.0, 1.8, 5.0, 5000.0])
def test_a_multiplier_comes_back_as_it_was_given(multiplier: float) -> None:
    wanted = Hyperparameters(n_epochs=2, learning_rate_multiplier=multiplier)
    stage = StageSpec(name="a", data=DATA, **wanted.settings(1000))
    assert stage.learning_rate == pytest.approx(2e-4 * multiplier)
    assert UsedHyperparameters.of(stage.model_dump(mode="json")).learning_rate_multiplier == multiplier


@pytest.mark.parametrize("rows", [1, 10, 100, 1000, 100_000])
def test_the_learning_rate_rises_over_a_tenth_of_the_steps_at_most(rows: int) -> None:
    stage = StageSpec(name="a", data=DATA, **Hyperparameters().settings(rows))
    assert stage.warmup_steps <= min(100, stage.steps(rows) / 10)
