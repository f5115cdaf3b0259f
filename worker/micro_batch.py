"""Smaller micro-batches for a training that ran out of memory, with the same number of rows per optimiser step."""

from typing import TypedDict

_MOST_ACCUMULATION = 4096


class Batching(TypedDict):
    """What `job.adjustments` keeps of a stage."""

    batch_size: int
    gradient_accumulation_steps: int


def halved(batch_size: int, accumulation: int) -> Batching | None:
    """The largest micro-batch up to half as large that cuts a step's rows evenly; None when there is no smaller one."""
    rows = batch_size * accumulation
    smaller = next((size for size in range(batch_size // 2, 0, -1) if rows % size == 0), None)
    if smaller is None or rows // smaller > _MOST_ACCUMULATION:
        return None
    return Batching(batch_size=smaller, gradient_accumulation_steps=rows // smaller)
