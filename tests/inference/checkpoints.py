"""Model folders made from the tiny base: good successors, and every kind of broken one."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

from bench.successors import BASE, WEIGHTS, Tensors, copy_of_base, edited, give_another_template, successor

__all__ = ["BASE", "BROKEN", "copy_of_base", "edited", "successor"]
NORM = "model.norm.weight"
LAYER = "model.layers.1.mlp.up_proj.weight"


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
    give_another_template(copy_of_base(target))
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
