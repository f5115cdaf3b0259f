"""Checks a LoRA adapter's folder against the served weights before vLLM reads it.

vLLM finds out about a wrong shape while it serves, and about NaN never.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from tunesmith_vllm.checkpoint import Checkpoint, Refused

WEIGHTS = "adapter_model.safetensors"
_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def check_adapter(path: Path, served: Checkpoint) -> int:
    """The adapter's rank; Refused when it is broken, or was made for other weights than those served."""
    config = _config(path / "adapter_config.json")
    rank = config.get("r")
    if not isinstance(rank, int) or rank < 1:
        raise Refused(f"{path}: adapter_config.json names no rank r")
    if config.get("use_dora") or config.get("modules_to_save"):
        raise Refused(f"{path} is no plain LoRA adapter: DoRA and modules_to_save are not served")
    try:
        with safe_open(path / WEIGHTS, "pt") as tensors:
            names = set(tensors.keys())
            for name in sorted(names):
                _check_tensor(name, names, tensors.get_tensor(name), rank, served)
    except (OSError, SafetensorError) as error:
        raise Refused(f"{path / WEIGHTS} is missing or damaged: {error}") from error
    if not names:
        raise Refused(f"{path / WEIGHTS} holds no tensors")
    return rank


def _config(file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Refused(f"{file} is missing or no JSON: {error}") from error
    if not isinstance(config, dict):
        raise Refused(f"{file} holds no JSON object")
    return config


def _check_tensor(name: str, names: set[str], value: torch.Tensor, rank: int, served: Checkpoint) -> None:
    is_down = name.endswith(_DOWN)
    if not name.startswith(_PREFIX) or not (is_down or name.endswith(_UP)):
        raise Refused(f"tensor {name}: only LoRA A and B matrices are served")
    module = name.removeprefix(_PREFIX).removesuffix(_DOWN).removesuffix(_UP)
    other = f"{_PREFIX}{module}{_UP if is_down else _DOWN}"
    if other not in names:
        raise Refused(f"tensor {name} is there without {other}")
    weight = served.tensors.get(f"{module}.weight")
    if weight is None:
        raise Refused(f"tensor {name}: the served model has no {module}")
    rows, columns = weight.shape
    expected = (rank, columns) if is_down else (rows, rank)
    if tuple(value.shape) != expected:
        raise Refused(f"tensor {name} is {list(value.shape)}, not {list(expected)} as the served model needs")
    if not bool(torch.isfinite(value.float()).all()):
        raise Refused(f"tensor {name} holds NaN or infinity: the training diverged")
