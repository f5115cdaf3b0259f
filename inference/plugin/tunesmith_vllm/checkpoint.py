"""Reads a model folder: its config, the names, shapes and dtypes of its tensors, and what the server loads only once.

Only safetensors are read.  A pickle can run code when it is loaded, so a folder with nothing else is refused.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

INDEX = "model.safetensors.index.json"
LOADED_ONCE = (
    "tokenizer.json",
    "tokenizer.model",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
)
"""Files of the tokenizer and the chat template: the API server reads them when it starts, and never again."""
_NOT_COMPARED = frozenset(
    {
        # Provenance.
        *("_name_or_path", "transformers_version", "unsloth_version", "unsloth_fixed"),
        # Of training only; and torch_dtype is the older name of dtype.
        *("use_cache", "attention_dropout", "initializer_range", "torch_dtype"),
        # generation_config.json says them again, and is applied in a swap.
        *("eos_token_id", "bos_token_id", "pad_token_id"),
    }
)


class Refused(Exception):
    """The checkpoint is broken; no server should load it.  The message names the file or tensor."""


class Incompatible(Exception):
    """The checkpoint may be good, but this server cannot take it in place: another needs to be started on it."""


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies and what it looks like."""

    file: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Checkpoint:
    """What of a model folder decides whether it can replace another in place."""

    path: Path
    config: dict[str, Any]
    tokenizer: dict[str, str]
    tensors: dict[str, Tensor]


def read(path: Path) -> Checkpoint:
    """Read everything but the weights; Refused when the folder is not a complete safetensors checkpoint."""
    config = _json(path / "config.json")
    compared = {k: v for k, v in config.items() if k not in _NOT_COMPARED and v is not None}
    compared.setdefault("dtype", config.get("torch_dtype"))
    digests = {name: hashlib.sha256((path / name).read_bytes()).hexdigest() for name in _present(path)}
    if (path / "tokenizer_config.json").exists():
        digests["tokenizer_config.json"] = json.dumps(_json(path / "tokenizer_config.json"), sort_keys=True)
    return Checkpoint(path, compared, digests, _tensors(path))


def weights(checkpoint: Checkpoint) -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor, copied into host memory; Refused at the first one that holds NaN or infinity."""
    by_file: dict[str, list[str]] = {}
    for name, tensor in checkpoint.tensors.items():
        by_file.setdefault(tensor.file, []).append(name)
    for file, names in by_file.items():
        with safe_open(checkpoint.path / file, "pt") as shard:
            for name in names:
                value = shard.get_tensor(name)
                if not _finite(value):
                    raise Refused(f"tensor {name} in {file} holds NaN or infinity: the training diverged or the merge")
                yield name, value.pin_memory() if torch.cuda.is_available() else value.clone()


def _finite(value: torch.Tensor) -> bool:
    if not value.is_floating_point():
        return True
    # The 8-bit floats have no isfinite of their own.
    return bool(torch.isfinite(value.float() if value.element_size() == 1 else value).all())


def _present(path: Path) -> list[str]:
    return [name for name in LOADED_ONCE if (path / name).exists()]


def _json(file: Path) -> dict[str, Any]:
    try:
        value = json.loads(file.read_bytes())
    except FileNotFoundError as error:
        raise Refused(f"{file} does not exist: give the folder of a complete Hugging Face model") from error
    except (OSError, ValueError) as error:
        raise Refused(f"{file} cannot be read as JSON: {error}") from error
    if not isinstance(value, dict):
        raise Refused(f"{file} holds no JSON object")
    return value


def _tensors(path: Path) -> dict[str, Tensor]:
    """The headers of every shard; a missing or truncated one is Refused, and so is an index that does not match."""
    found: dict[str, Tensor] = {}
    for file in _shards(path):
        try:
            with safe_open(path / file, "pt") as shard:
                for name in shard.keys():  # noqa: SIM118  (a safe_open handle is no mapping)
                    part = shard.get_slice(name)
                    found[name] = Tensor(file, tuple(part.get_shape()), str(part.get_dtype()))
        except (OSError, SafetensorError) as error:
            raise Refused(f"{path / file} is missing or damaged: {error}") from error
    return found


def _shards(path: Path) -> list[str]:
    if (path / INDEX).exists():
        return sorted(set(_json(path / INDEX)["weight_map"].values()))
    files = sorted(file.name for file in path.glob("*.safetensors"))
    if not files:
        raise Refused(f"{path} has no *.safetensors file: only safetensors are loaded, never pickles")
    return files
