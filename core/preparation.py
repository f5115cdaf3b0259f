"""`prepare.json`: what became of a stage's rows, for the plan, the preflight report and the model's manifest.

A row here is a conversation as it is trained on; rows that `join_rows` made one count once, under the first of them.
`rows_in` is `rows` and everything in `dropped`.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict

FIRST_ROWS = 100
"""Of so many rows it is kept where they stand; the rest are only counted."""
LENGTH_BUCKETS = (32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
"""The longest row, in tokens, of each part of the histogram; one more part has what is longer."""

Kind = Literal["own", "no_call", "replay"]
"""Of the stage's own data, a chat row with borrowed tools that do not fit, or a chat row of the stage before."""
DropReason = Literal["too_long", "nothing_trained"]
"""Longer than `max_seq_length` (after cutting, where the policy is to cut), or without one token to learn."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)


class RowPlace(_Frozen):
    """Where a row stands: `row` counts from 1 in the file or hub data set `source`."""

    source: str
    row: int

    def __str__(self) -> str:
        return f"{self.source}, row {self.row}"


class Rows(_Frozen):
    """The rows that something is true of: how many, and where the first hundred stand."""

    count: int = 0
    first: tuple[RowPlace, ...] = ()


class LengthBucket(_Frozen):
    """Trained rows of at most `up_to` tokens and more than the bucket before; `up_to` is null for the last."""

    up_to: int | None
    rows: int


class Preparation(_Frozen):
    """The counts of one stage.  Everything but `rows_in` and `dropped` is of the rows that are kept."""

    rows_in: int
    rows: int
    dropped: dict[DropReason, Rows]
    """Every reason is there, also with none."""
    cut: Rows
    """Shortened from the left by whole turns (`too_long: "cut_left"`)."""
    duplicates: Rows
    """Rows with the very token ids and labels of an earlier one."""
    evaluation_rows: int
    """Held-out rows that the training rows were compared with; 0 where the job names none."""
    overlap: Rows
    """Rows that answer a question of the evaluation: the same messages before an answer, system and tools aside."""
    kinds: dict[Kind, int]
    no_call_unfilled: int
    """Rows meant as no-call that stay plain chat, as every lender's tools fit: they are among `replay`."""
    lengths: tuple[LengthBucket, ...]
    tokens: int
    trained_tokens: int
    longest: int
    """Tokens of the longest row."""
    longest_batch_tokens: int
    """Tokens of the largest micro-batch, its padding included: what peak memory goes by."""
    not_stopped: Rows
    """Rows with an answer whose end-of-turn token is not learned: the model may never stop."""
    steps: int
    parity_rows: int
    """So many of the first rows were checked to be prompted in training as in serving."""
    prepare_s: float
    cached: bool = False
    """Whether the rows came from the cache; `prepare_s` is then what preparing them took at the time."""

    @property
    def masked_tokens(self) -> int:
        """Tokens that are read but not learned."""
        return self.tokens - self.trained_tokens

    @property
    def stop_token_trained(self) -> bool:
        """Whether every answer that is learned teaches the model to stop."""
        return self.not_stopped.count == 0


def bucket_of(length: int) -> int:
    """The number of the histogram's part that a row of so many tokens is in."""
    return next((i for i, limit in enumerate(LENGTH_BUCKETS) if length <= limit), len(LENGTH_BUCKETS))
