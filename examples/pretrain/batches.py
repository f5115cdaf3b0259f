"""Batches of packed token rows.

A batch depends only on the seed and its number, so a resumed run sees the same text.
"""

from random import Random

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from examples.pretrain.text import COPYING, Mixture, document

END_OF_TEXT = 0
FIRST_PIECE, LAST_PIECE = 3, 1019  # what may occur in text: all but the seven marks
PIECES_SHARE = 0.08

Rows = NDArray[np.int64]


def pieces(rng: Random) -> list[int]:
    """Random entries of the vocabulary, twice: so that every row of the embedding is trained."""
    ids = [rng.randint(FIRST_PIECE, LAST_PIECE) for _ in range(rng.randint(6, 30))]
    return [*ids, rng.randint(FIRST_PIECE, LAST_PIECE), *ids]


def packed_row(tokenizer: PreTrainedTokenizerFast, rng: Random, mixture: Mixture, length: int) -> list[int]:
    """Whole documents, each ended by <|endoftext|>, until the row is full; the last one may be cut."""
    row: list[int] = []
    while len(row) < length:
        ids = (
            pieces(rng)
            if rng.random() < PIECES_SHARE
            else tokenizer.encode(document(rng, mixture), add_special_tokens=False)
        )
        if len(ids) < length:
            row += [*ids, END_OF_TEXT]
    return row[:length]


def batch(
    tokenizer: PreTrainedTokenizerFast, seed: int, number: int, rows: int, length: int, mixture: Mixture = COPYING
) -> Rows:
    """`rows` x `length` token ids."""
    rng = Random(f"{seed}/{number}")
    return np.array([packed_row(tokenizer, rng, mixture, length) for _ in range(rows)], dtype=np.int64)
