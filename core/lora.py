"""How many weights a LoRA adapter trains: for each adapted layer a matrix into `r` dimensions and one out of them.

Keys and values of grouped-query attention are narrower than the queries, so each projection counts by its own sizes.
"""

from core.architecture import Architecture
from core.spec import LoraSpec


def trainable_parameters(architecture: Architecture, lora: LoraSpec) -> int | None:
    """Weights of the adapter; None where it adapts a layer whose size is not known here."""
    sizes = architecture.projections
    targets = set(lora.target_modules)
    if not targets <= sizes.keys():
        return None
    return architecture.layers * lora.r * sum(sum(sizes[target]) for target in targets)
