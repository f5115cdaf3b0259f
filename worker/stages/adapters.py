"""LoRA adapters on disk, and the adapters of a job's stages as one: the merged model without the merged weights.

    W_k = W_base + sum_i s_i B_i A_i = W_base + [s_1 B_1 .. s_k B_k] [A_1; ..; A_k]

so stacked, they are one adapter of rank r_1 + .. + r_k on the base.  It is written in float32, the type of the stages'
own adapters: stacking rounds nothing, and a server rounds once, to the type that it computes in.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.storage import read_json, write_json
from worker.stages.run_dir import Exit, StageFailure

PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_NOT_PLAIN = ("use_dora", "modules_to_save", "rank_pattern", "alpha_pattern")


@dataclass(frozen=True)
class Adapter:
    """A plain LoRA adapter: `scale * B @ A` is added to a module's weight."""

    folder: Path
    rank: int
    scale: float

    @property
    def weights(self) -> Path:
        """The file with the tensors."""
        return self.folder / WEIGHTS


def read_adapter(folder: Path) -> Adapter:
    """The adapter in a folder; StageFailure for one that is more than plain LoRA."""
    config = read_json(folder / CONFIG)
    if any(config.get(key) for key in _NOT_PLAIN):
        raise StageFailure(Exit.FAILED, "unsupported_adapter", "only plain LoRA adapters can be merged")
    rank: int = config["r"]
    return Adapter(folder, rank, config["lora_alpha"] / (rank**0.5 if config.get("use_rslora") else rank))


def concatenate(adapters: Sequence[Adapter], base: str, target: Path) -> int:
    """Write the adapters of one base as one to the new folder `target`, and return its rank.

    Memory holds the result and one tensor more.
    """
    rank = sum(adapter.rank for adapter in adapters)
    with ExitStack() as opened:
        files = [opened.enter_context(safe_open(adapter.weights, "pt")) for adapter in adapters]
        modules = sorted({module for file in files for module in _modules(file)})
        tensors: dict[str, torch.Tensor] = {}
        for module in modules:
            ups, downs = zip(*(_factors(*part, module) for part in zip(adapters, files, strict=True)), strict=True)
            tensors[f"{module}.lora_A.weight"] = _stacked(downs, adapters, dim=0)
            tensors[f"{module}.lora_B.weight"] = _stacked(ups, adapters, dim=1)
    target.mkdir()
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt"})
    write_json(target / CONFIG, _config(base, rank, modules))
    return rank


def _modules(file: Any) -> list[str]:
    return [name.removesuffix(".lora_A.weight") for name in file.keys() if name.endswith(".lora_A.weight")]  # noqa: SIM118


def _factors(adapter: Adapter, file: Any, module: str) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """`scale * B` and `A` of a module in float32; None for one that the adapter leaves as it is."""
    if f"{module}.lora_A.weight" not in file.keys():  # noqa: SIM118
        return None, None
    up, down = (file.get_tensor(f"{module}.lora_{part}.weight").float() for part in "BA")
    return adapter.scale * up, down


def _stacked(parts: Sequence[torch.Tensor | None], adapters: Sequence[Adapter], dim: int) -> torch.Tensor:
    """The parts one after the other along `dim`, with zeros where there is none."""
    width = next(part.shape[1 - dim] for part in parts if part is not None)
    zeros = [torch.zeros((a.rank, width) if dim == 0 else (width, a.rank)) for a in adapters]
    return torch.cat([empty if part is None else part for part, empty in zip(parts, zeros, strict=True)], dim)


def _config(base: str, rank: int, modules: Sequence[str]) -> dict[str, Any]:
    """What PEFT and vLLM need to load it: the scale is in the weights, so alpha is the rank."""
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,
        "target_modules": sorted({module.rsplit(".", 1)[-1] for module in modules}),
        "lora_dropout": 0.0,
        "bias": "none",
        "use_rslora": False,
        "use_dora": False,
        "modules_to_save": None,
        "inference_mode": True,
    }
