"""Degenerate text is told from text that merely has a pattern."""

import json
from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerFast

from worker.stages.repetition import ends_in_a_loop, is_repetitive, repeated_ngrams

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    "tokens",
    [
        [7] * 16,
        [1, 2, 3, 4, 5, *[6, 7] * 8],
        [1, 2, 3, 4, 5, *[6, 7, 8, 9, 10, 11] * 3, 6, 7],
        [*range(200), *list(range(300, 390)) * 3],
    ],
)
def test_a_phrase_again_and_again_at_the_end_is_a_loop(tokens: list[int]) -> None:
    assert ends_in_a_loop(tokens)
    assert is_repetitive(tokens)


@pytest.mark.parametrize(
    "tokens",
    [
        [],
        [7] * 15,
        [*[6, 7] * 20, *range(100, 200)],
        [1, 2, 3, *[4, 5, 6, 7, 8, 9, 10] * 2],
        list(range(500)),
    ],
)
def test_what_goes_on_or_comes_but_twice_is_none(tokens: list[int]) -> None:
    assert not ends_in_a_loop(tokens)
    assert not is_repetitive(tokens)


def test_text_that_says_most_of_it_before_is_repetitive_without_a_loop() -> None:
    phrases = [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
    tokens = [token for turn in (0, 1, 1, 0, 0, 1, 0, 1, 1, 0) for token in phrases[turn]] + [99]
    assert not ends_in_a_loop(tokens)
    assert repeated_ngrams(tokens) > 0.5
    assert is_repetitive(tokens)


def test_repeated_ngrams_are_those_after_the_first() -> None:
    assert repeated_ngrams([1, 2, 3, 4, 1, 2, 3, 4]) == 1 - 4 / 5
    assert repeated_ngrams([1, 2, 3]) == 0


@pytest.mark.skipif(not SHARED_DATA.exists(), reason="the shared data sets are not there")
def test_answers_of_a_public_data_set_hardly_ever_count(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = json.loads((SHARED_DATA / "alpaca_1000.json").read_bytes())
    answers = [tokenizer(row["output"])["input_ids"] for row in rows]
    assert sum(map(is_repetitive, answers)) <= 5
    assert not any(map(ends_in_a_loop, answers))
