"""How much memory a job's training needs, estimated before it starts, so that no worker takes one too large for it.

The estimate is the sum that every QLoRA training pays: the frozen weights, the adapter with its gradients and
optimiser state, the activations that gradient checkpointing keeps, the logits of one micro-batch, and what the
framework itself takes.  A spec may name its own figure (`memory_gb`) instead.
"""

import re
from dataclasses import dataclass
from typing import Any

from core.spec import JobSpec, StageSpec

GIB = 1024**3
_FRAMEWORK = 1.5 * GIB
_NF4_BYTES = 0.56  # a 4-bit weight with its share of the block's scale
_ADAPTER_BYTES = 14  # float32 weight and gradient, two moments in 8 bit, the copy that computes
_SIZE_IN_NAME = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)[Bb](?![a-z])")


@dataclass(frozen=True)
class Shape:
    """What of a model decides its memory."""

    hidden: int
    layers: int
    ffn: int
    vocabulary: int

    @property
    def parameters(self) -> float:
        """Weights of a decoder of this shape, embeddings counted once."""
        return self.layers * self._matrices + self.vocabulary * self.hidden

    @property
    def _matrices(self) -> float:
        return 4 * self.hidden**2 + 3 * self.hidden * self.ffn

    def adapter(self, r: int) -> float:
        """LoRA weights of rank r on every projection."""
        return self.layers * r * (4 * 2 * self.hidden + 3 * (self.hidden + self.ffn))


def shape_of(config: dict[str, Any]) -> Shape | None:
    """The shape that a `config.json` names, or None where it lacks a part."""
    keys = ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size")
    values = [value for key in keys if isinstance(value := config.get(key), int)]
    return Shape(*values) if len(values) == len(keys) else None


def shape_of_name(name: str) -> Shape | None:
    """A usual shape for a model whose name states its size (`Qwen2.5-3B`), or None."""
    found = _SIZE_IN_NAME.findall(name.rsplit("/", 1)[-1])
    if not found:
        return None
    billions = float(found[-1])
    hidden = round(1150 * billions**0.5 + 600)
    layers = max(1, round(billions * 1e9 / (4 * hidden**2 + 3 * hidden * 4 * hidden)))
    return Shape(hidden, layers, 4 * hidden, 152_000)


def needed_bytes(spec: JobSpec, shape: Shape | None) -> int:
    """Bytes that the hungriest stage needs; 0, which fits every worker, when nothing is known of the model."""
    if spec.memory_gb is not None:
        return round(spec.memory_gb * GIB)
    return 0 if shape is None else round(max(_stage_bytes(stage, shape) for stage in spec.stages))


def _stage_bytes(stage: StageSpec, shape: Shape) -> float:
    embeddings = shape.vocabulary * shape.hidden
    quantised = shape.parameters - embeddings
    weights = 2 * embeddings + quantised * (_NF4_BYTES if stage.load_in_4bit else 2)
    tokens = stage.batch_size * stage.max_seq_length
    kept = tokens * shape.hidden * 2 * shape.layers  # one BF16 vector per token and layer
    one_layer = tokens * (8 * shape.hidden + 4 * shape.ffn) * 2
    logits = tokens * shape.vocabulary * 2 / 4  # the loss is computed in parts
    return _FRAMEWORK + weights + shape.adapter(stage.lora.r) * _ADAPTER_BYTES + kept + one_layer + logits
