"""Model folders made from the tiny base: good successors, and every kind of broken one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

BASE = Path(__file__).parents[2] / "examples" / "tiny-base"
WEIGHTS = "model.safetensors"
NORM = "model.norm.weight"
LAYER = "model.layers.1.mlp.up_proj.weight"
Tensors = dict[str, torch.Tensor]


def copy_of_base(target: Path) -> Path:
    """The base model under another path."""
    shutil.copytree(BASE, target)
    return target


def edited(target: Path, edit: Callable[[Tensors], None]) -> Path:
    """The base model with its tensors changed in place by `edit`."""
    tensors = load_file(copy_of_base(target) / WEIGHTS)
    edit(tensors)
    save_file(tensors, target / WEIGHTS, metadata={"format": "pt"})
    return target


def successor(target: Path, seed: int) -> Path:
    """A model that answers differently: every weight disturbed a little, the tied embedding included."""

    def disturb(tensors: Tensors) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, value in tensors.items():
            noise = torch.randn(value.shape, generator=generator) * value.float().std().nan_to_num() * 0.25
            tensors[name] = (value.float() + noise).to(value.dtype)

    return edited(target, disturb)


def set_json(file: Path, **values: object) -> None:
    """Change members of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def with_nan(target: Path) -> Path:
    """One value of one tensor is NaN."""

    def spoil(tensors: Tensors) -> None:
        tensors[LAYER][0, 0] = torch.nan

    return edited(target, spoil)


def without_a_tensor(target: Path) -> Path:
    """One tensor is missing."""

    def drop(tensors: Tensors) -> None:
        del tensors[LAYER]

    return edited(target, drop)


def with_a_wrong_shape(target: Path) -> Path:
    """One tensor is a row short of what the config says."""

    def cut(tensors: Tensors) -> None:
        tensors[LAYER] = tensors[LAYER][:-1].clone()

    return edited(target, cut)


def with_another_dtype(target: Path) -> Path:
    """One tensor has float32 values in a bfloat16 model."""

    def widen(tensors: Tensors) -> None:
        tensors[NORM] = tensors[NORM].float()

    return edited(target, widen)


def truncated(target: Path) -> Path:
    """The weights file ends in the middle."""
    file = copy_of_base(target) / WEIGHTS
    file.write_bytes(file.read_bytes()[:100_000])
    return target


def pickled(target: Path) -> Path:
    """The weights are there as a pickle only."""
    file = copy_of_base(target) / WEIGHTS
    torch.save(load_file(file), target / "pytorch_model.bin")
    file.unlink()
    return target


def empty(target: Path) -> Path:
    """Nothing but the folder."""
    target.mkdir()
    return target


def with_another_template(target: Path) -> Path:
    """A good model whose chat template differs, so that no running server can take it in place."""
    file = copy_of_base(target) / "chat_template.jinja"
    file.write_text(file.read_text() + "\n{# another #}\n")
    return target


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nan": (with_nan, "NaN"),
    "missing": (without_a_tensor, "lacks 1 of"),
    "shape": (with_a_wrong_shape, "do not fit its config"),
    "dtype": (with_another_dtype, "do not fit its config"),
    "truncated": (truncated, "missing or damaged"),
    "pickle": (pickled, "never pickles"),
    "empty": (empty, "config.json does not exist"),
}
