"""The public id of a job's base model: its name, and a digest that tells models of one name apart.

    base:tiny-base:1f3a9c2e

The digest is of what a server loads: config, tokenizer and weights, of these a sample of every tensor, so that it
takes milliseconds and yet differs between two models that were tuned from the same one.  The place does not
count: a folder that has moved, or that another machine has elsewhere, is the same model.
"""

import hashlib
import json
from pathlib import Path
from typing import BinaryIO

from core.errors import BadData, DataChanged
from core.ids import base_model_id

_FILES = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
_SAMPLE_BYTES = 1024
"""Of every tensor: in 512 weights of BF16, even a light fine-tune changes some."""
_LARGEST_HEADER_BYTES = 100_000_000  # that safetensors takes


def base_id(base_model: str, folder: Path) -> str:
    """The id of the base model in the folder; BadData when there is no such folder."""
    if not folder.is_dir():
        raise BadData(f"the base model's folder {folder} is not there: put it back, or post a job with another one")
    name = folder.name if base_model.startswith((".", "/")) else base_model
    return base_model_id(name, _digest(folder)[:8])


def check_base_id(pinned: str | None, base_model: str, folder: Path) -> None:
    """DataChanged unless the model in the folder is the one that the spec pins, where it pins one."""
    if pinned is not None and (found := base_id(base_model, folder)) != pinned:
        raise DataChanged(
            f"base_id: the base model {base_model} is {found} now and is pinned to {pinned}: put back the model as it "
            "was, or leave the pin out to use it as it is",
            param="base_id",
        )


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        if (folder / name).is_file():
            digest.update(f"{name}\0".encode() + hashlib.sha256((folder / name).read_bytes()).digest())
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + _sample(file))
    return digest.hexdigest()


def _sample(file: BinaryIO) -> bytes:
    """A digest of a safetensors file's header, and of the beginning of every tensor."""
    length = min(int.from_bytes(file.read(8), "little"), _LARGEST_HEADER_BYTES)
    header = file.read(length)
    digest = hashlib.sha256(header)
    for begin in _tensor_offsets(header):
        file.seek(8 + length + begin)
        digest.update(file.read(_SAMPLE_BYTES))
    return digest.digest()


def _tensor_offsets(header: bytes) -> list[int]:
    """Where each tensor begins behind the header; none of a damaged one, which whoever loads it will complain about."""
    try:
        tensors = json.loads(header)
        return sorted(tensor["data_offsets"][0] for name, tensor in tensors.items() if name != "__metadata__")
    except (ValueError, LookupError, TypeError, AttributeError):
        return []
