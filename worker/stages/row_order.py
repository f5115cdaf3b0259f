"""The order in which rows are trained on: drawn from the job's seed and the epoch alone.

So a resumed run sees the same rows in the same steps, whichever epoch it resumes in and whatever had used the
global random state; and so does one whose optimiser steps are cut into smaller micro-batches, since rows are
grouped by optimiser step.
"""

from collections.abc import Iterator

import torch
from torch.utils.data import Sampler
from transformers.trainer_pt_utils import get_length_grouped_indices


class RowOrder(Sampler[int]):
    """Rows of like length next to each other, so that little is spent on padding."""

    def __init__(self, lengths: list[int], rows_per_step: int, seed: int) -> None:
        self.lengths, self.rows_per_step, self.seed, self.epoch = lengths, rows_per_step, seed, 0

    def __len__(self) -> int:
        return len(self.lengths)

    def set_epoch(self, epoch: int) -> None:
        """Called by the trainer's data loader at the start of every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.rows_per_step, generator=generator))  # type: ignore[no-untyped-call]
