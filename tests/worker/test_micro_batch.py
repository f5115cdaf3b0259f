"""Micro-batches are halved, and the rows of an optimiser step stay as many."""

import pytest

from worker.micro_batch import halved


@pytest.mark.parametrize(
    ("batch_size", "accumulation", "expected"),
    [(8, 1, (4, 2)), (4, 4, (2, 8)), (6, 1, (3, 2)), (5, 1, (1, 5)), (9, 2, (3, 6)), (7, 3, (3, 7)), (2, 1, (1, 2))],
)
def test_the_largest_even_cut_is_taken(batch_size: int, accumulation: int, expected: tuple[int, int]) -> None:
    smaller = halved(batch_size, accumulation)
    assert smaller is not None
    assert (smaller["batch_size"], smaller["gradient_accumulation_steps"]) == expected


def test_one_row_cannot_be_halved() -> None:
    assert halved(1, 16) is None


def test_no_more_than_the_most_accumulation_is_asked_for() -> None:
    assert halved(2, 4096) is None
