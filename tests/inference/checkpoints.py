"""Model folders made from the tiny base: good successors, and every kind of broken one."""

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from bench.successors import BASE, WEIGHTS, Tensors, copy_of_base, edited, give_another_template, successor

__all__ = ["BASE", "copy_of_base", "edited", "successor"]
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


def with_adapter(target: Path, seed: int, rank: int = 8) -> Path:
    """A model that answers differently, whose `adapter/` makes it of the base's weights."""
    updates: Tensors = {}

    def merge(tensors: Tensors) -> None:
        generator = torch.Generator().manual_seed(seed)
        for name, value in tensors.items():
            if name.endswith("_proj.weight"):
                down = torch.randn(rank, value.shape[1], generator=generator).to(torch.bfloat16)
                up = torch.randn(value.shape[0], rank, generator=generator) * value.float().std() / rank**0.5
                up = up.to(torch.bfloat16)
                tensors[name] = (value.float() + up.float() @ down.float()).to(value.dtype)
                module = f"base_model.model.{name.removesuffix('.weight')}"
                updates[f"{module}.lora_A.weight"], updates[f"{module}.lora_B.weight"] = down, up

    edited(target, merge)
    save_adapter(target / "adapter", updates, rank)
    return target


def with_broken_adapter(target: Path, fault: str, rank: int) -> Path:
    """A model whose adapter has a NaN, a wrong shape, or a module that the base lacks, or no weights at all."""
    folder = with_adapter(target, seed=1, rank=rank) / "adapter"
    file = folder / "adapter_model.safetensors"
    tensors = load_file(file)
    name = "base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"
    if fault == "nan":
        tensors[name][0, 0] = torch.nan
    elif fault == "shape":
        tensors[name] = tensors[name][:-1].clone()
    elif fault == "module":
        for part in ("A", "B"):
            old = f"base_model.model.model.layers.1.mlp.up_proj.lora_{part}.weight"
            tensors[old.replace("layers.1.", "layers.99.")] = tensors.pop(old)
    save_file(tensors, file, metadata={"format": "pt"})
    if fault == "empty":
        file.unlink()
    return target


def save_adapter(folder: Path, tensors: Tensors, rank: int) -> None:
    """A LoRA adapter as peft writes it; alpha is the rank."""
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    modules = sorted({name.split(".")[-3] for name in tensors})
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": modules, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))


def with_infinity(target: Path) -> Path:
    """One value of one tensor is infinite."""

    def spoil(tensors: Tensors) -> None:
        tensors[LAYER][0, 0] = torch.inf

    return edited(target, spoil)


def with_an_extra_layer(target: Path) -> Path:
    """The tensors of one layer too many for the config."""

    def add(tensors: Tensors) -> None:
        layers = 1 + max(int(name.split(".")[2]) for name in tensors if ".layers." in name)
        for name, value in list(tensors.items()):
            if ".layers.0." in name:
                tensors[name.replace(".layers.0.", f".layers.{layers}.")] = value.clone()

    return edited(target, add)


def with_a_config_of_other_layers(target: Path) -> Path:
    """The config names fewer layers than there are."""
    set_json(copy_of_base(target) / "config.json", num_hidden_layers=1)
    return target


def with_a_config_of_another_vocabulary(target: Path) -> Path:
    """The config names a larger vocabulary than the embedding has rows."""
    config = json.loads((BASE / "config.json").read_text())
    set_json(copy_of_base(target) / "config.json", vocab_size=config["vocab_size"] + 64)
    return target


def with_a_missing_shard(target: Path) -> Path:
    """The index names a second shard that is not there."""
    tensors = load_file(copy_of_base(target) / WEIGHTS)
    index = {name: WEIGHTS if name != NORM else "model-00002.safetensors" for name in tensors}
    (target / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return target


def linked_out(target: Path) -> Path:
    """The weights are a link to a file outside of the storage."""
    file = copy_of_base(target) / WEIGHTS
    elsewhere = target.parent.parent.parent / f"{target.name}.safetensors"
    file.replace(elsewhere)
    file.symlink_to(elsewhere)
    return target


BROKEN: dict[str, tuple[Callable[[Path], Path], str]] = {
    "nan": (with_nan, "NaN"),
    "missing": (without_a_tensor, "lacks 1 of"),
    "shape": (with_a_wrong_shape, "do not fit its config"),
    "dtype": (with_another_dtype, "do not fit its config"),
    "truncated": (truncated, "missing or damaged"),
    "pickle": (pickled, "never pickles"),
    "empty": (empty, "config.json does not exist"),
    "infinity": (with_infinity, "infinity"),
    "extra-layer": (with_an_extra_layer, "tensors too many"),
    "other-layers": (with_a_config_of_other_layers, "names 1 layers"),
    "other-vocabulary": (with_a_config_of_another_vocabulary, "names sizes"),
    "missing-shard": (with_a_missing_shard, "missing or damaged"),
}

LINKED_OUT = (linked_out, "outside of the folders")
"""Broken for the server that is asked to load it; the reader of a folder follows links."""
