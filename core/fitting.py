"""Whether a job fits a worker or a card, and the smallest change of its settings with which it would."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.architecture import Architecture
from core.memory import GIB, Backend, Batch, Memory, training_memory
from core.spec import StageSpec

COMMON_CARDS_GB = (16, 20, 24, 48, 80)
USABLE = 0.95
"""Of a card's memory: the rest is the driver's, or in pieces too small to be used."""


@dataclass(frozen=True)
class Need:
    """A stage, and the largest micro-batch that it makes."""

    number: int
    stage: StageSpec
    architecture: Architecture
    batch: Batch

    def memory(self, backend: Backend) -> Memory:
        return training_memory(self.stage, self.architecture, self.batch, backend)


def change_to_fit(need: Need, backend: Backend, memory_bytes: float) -> str | None:
    """What to change for the stage to fit; None where it does already."""
    if need.memory(backend).total <= memory_bytes:
        return None
    at = f"stages[{need.number}]"
    for change, smaller in _changes(need):
        total = smaller.memory(backend).total
        if total <= memory_bytes:
            return f"{at}: {change}; it then takes {total / GIB:.1f} GB"
    least = min(smaller.memory(backend).total for _, smaller in _changes(need))
    return f"{at}: no change of its settings suffices ({least / GIB:.1f} GB at the least): take a smaller base model"


def _changes(need: Need) -> Iterator[tuple[str, Need]]:
    """Smaller settings, those first that change least of what is learned."""
    stage, rows = need.stage, need.stage.effective_batch
    for size in range(need.batch.rows, 0, -1):
        if rows % size == 0:
            yield (
                f"set batch_size to {size} and gradient_accumulation_steps to {rows // size}, the same rows per step",
                _changed(need, stage, Batch(size, need.batch.longest)),
            )
    quantised = stage.model_copy(update={"load_in_4bit": True})
    settings = f"batch_size to 1 and gradient_accumulation_steps to {rows}"
    if not stage.load_in_4bit:
        yield f"set load_in_4bit to true, {settings}", _changed(need, quantised, Batch(1, need.batch.longest))
    length = need.batch.longest
    while length > 256:
        length = -(-length // 128) * 64
        change = f"set max_seq_length to {length} (longer rows are dropped), load_in_4bit to true, {settings}"
        yield change, _changed(need, quantised, Batch(1, length))


def _changed(need: Need, stage: StageSpec, batch: Batch) -> Need:
    return Need(need.number, stage, need.architecture, batch)
