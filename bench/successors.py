"""Models of the shape of the tiny base that answer differently, for measurements and tests of what serves them."""

import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from cli.migrate import PROJECT

BASE = PROJECT / "examples" / "tiny-base"
WEIGHTS = "model.safetensors"
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


def give_another_template(model: Path) -> None:
    """Change the model's chat template, so that no running server can take it in place."""
    file = model / "chat_template.jinja"
    file.write_text(file.read_text() + "\n{# another #}\n")
