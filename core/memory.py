"""How much memory a stage's training takes at its peak, part by part, computed before it starts.

Two backends are known, which keep different things.  On a GPU (`cuda`) Unsloth's gradient checkpointing keeps one
vector of each token and layer, and everything else of one layer at a time.  On a CPU nothing is computed twice, so
every layer keeps all that its backward pass reads.  docs/preflight.md says which constants are measured.

A spec may name its own figure (`memory_gb`) instead.
"""

from dataclasses import dataclass, fields
from typing import Literal

from core.architecture import Architecture
from core.lora import trainable_parameters
from core.spec import JobSpec, StageSpec

GIB = 1024**3
MIB = 1024**2
Backend = Literal["cuda", "cpu"]
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a 4-bit weight: itself, its share of a block's scale in 8 bits, and of that scale's own scale."""
_BF16, _FLOAT32 = 2, 4
_CUDA_OVERHEAD = 1.5 * GIB  # the context, the libraries' workspaces, and what the allocator cannot use again
_CUDA_LOSS_PARTS = 4  # the loss is computed in parts, and their logits are not kept

# Fitted to 16 trainings on a CPU, of which none is off by more than 10% (docs/preflight.md): what the libraries take
# once they are imported, which other machines differ in by 90 MiB, and more as they run; what malloc holds beyond the
# tensors that are in use and what the backward pass takes besides; and the bytes of each logit.
CPU_LIBRARIES = 510 * MIB
_CPU_OVERHEAD = CPU_LIBRARIES + 60 * MIB
_CPU_HEAP = 1.48
_CPU_LOGIT_BYTES = 10
_CPU_LOSS_ELEMENTS = 16 * MIB  # logits at a time, as unsloth_zoo computes the loss
_CPU_BLOCK_OF_QUERIES = 192  # as worker/stages/cpu_attention.py takes them
_CPU_ATTENTION_KEPT = 2 * GIB  # beyond it torch's kernel is used, which keeps no weights


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak, by what takes them."""

    weights: int
    adapter: int
    gradients: int
    optimizer: int
    activations: int
    logits: int
    overhead: int

    @property
    def total(self) -> int:
        return sum(getattr(self, field.name) for field in fields(self))


@dataclass(frozen=True)
class Batch:
    """A micro-batch: rows, each padded to the tokens of the longest."""

    rows: int
    longest: int

    @property
    def tokens(self) -> int:
        return self.rows * self.longest


def backend_of(device: str) -> Backend:
    """The backend of a worker, by the name of its device."""
    return "cpu" if device.startswith("cpu") else "cuda"


def longest_batch(stage: StageSpec, rows: int | None = None, longest: int | None = None) -> Batch:
    """The largest micro-batch of so many prepared rows, or that the spec allows before they are known."""
    return Batch(min(stage.batch_size, rows or stage.batch_size), longest or stage.max_seq_length)


def training_memory(stage: StageSpec, architecture: Architecture, batch: Batch, backend: Backend) -> Memory:
    """What the stage takes with this as its largest micro-batch."""
    trainable = trainable_parameters(architecture, stage.lora) or 0
    eight_bit = stage.optimizer == "adamw_8bit" and backend == "cuda"  # on the CPU it becomes AdamW in 32 bits
    parts = _cuda(stage, architecture, batch) if backend == "cuda" else _cpu(stage, architecture, batch)
    return Memory(
        weights=round(parts["weights"]),
        adapter=_FLOAT32 * trainable,
        gradients=_FLOAT32 * trainable,
        optimizer=2 * (1 if eight_bit else _FLOAT32) * trainable,
        activations=round(parts["activations"]),
        logits=round(parts["logits"]),
        overhead=round(parts["overhead"]),
    )


def needed_bytes(spec: JobSpec, architecture: Architecture | None) -> int:
    """Bytes that the hungriest stage needs on a GPU; 0, which fits every worker, when nothing is known of the model."""
    if spec.memory_gb is not None:
        return round(spec.memory_gb * GIB)
    if architecture is None:
        return 0
    return max(training_memory(stage, architecture, longest_batch(stage), "cuda").total for stage in spec.stages)


def _cuda(stage: StageSpec, architecture: Architecture, batch: Batch) -> dict[str, float]:
    linear = architecture.linear_parameters
    others = architecture.parameters - linear
    kept = batch.tokens * architecture.hidden * _BF16 * architecture.layers
    largest = max(wide * high for wide, high in architecture.projections.values())
    return {
        "weights": _BF16 * others + linear * (NF4_BYTES if stage.load_in_4bit else _BF16),
        "activations": kept + batch.tokens * _kept_by_a_layer(architecture),
        "logits": batch.tokens * architecture.vocabulary * _BF16 / _CUDA_LOSS_PARTS,
        # One matrix at a time is computed with in 16 bits.
        "overhead": _CUDA_OVERHEAD + (_BF16 * largest if stage.load_in_4bit else 0),
    }


def _cpu(stage: StageSpec, architecture: Architecture, batch: Batch) -> dict[str, float]:
    layers = architecture.layers * batch.tokens * _kept_by_a_layer(architecture)
    loss_tokens = min(batch.tokens, _CPU_LOSS_ELEMENTS // architecture.vocabulary)
    return {
        # The file in 16 bits stays mapped, from which embeddings and norms are read, and the rest is copied to 4 bits.
        "weights": _BF16 * architecture.parameters
        + (NF4_BYTES * architecture.linear_parameters if stage.load_in_4bit else 0),
        "activations": _CPU_HEAP * (layers + _attention_weights(architecture, batch)),
        "logits": loss_tokens * architecture.vocabulary * _CPU_LOGIT_BYTES,
        "overhead": _CPU_OVERHEAD,
    }


def _kept_by_a_layer(architecture: Architecture) -> int:
    """Bytes that one layer keeps of a token for its backward pass, attention weights aside.

    In BF16: the inputs of seven adapted layers, of the queries' product, of the gate's function and its product;
    and the input of each of two norms in 32 bits.
    """
    norms = 2 * _FLOAT32 * architecture.hidden
    adapted = _BF16 * (5 * architecture.hidden + architecture.query_width + architecture.ffn)
    attention = _BF16 * 4 * architecture.query_width
    return norms + adapted + attention + _BF16 * 3 * architecture.ffn


def _attention_weights(architecture: Architecture, batch: Batch) -> float:
    """Bytes of the weights that attention keeps on a CPU, where it is computed as products."""
    whole = _BF16 * batch.rows * batch.longest**2 * architecture.heads * architecture.layers
    if whole > _CPU_ATTENTION_KEPT:
        return 0
    # Later keys are left out a block at a time: a half remains, and half a block of each row.
    return whole * min(1, 0.5 + _CPU_BLOCK_OF_QUERIES / 2 / batch.longest)
