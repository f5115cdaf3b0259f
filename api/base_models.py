"""Whether a base model can be fine-tuned: a folder with everything that training and serving read, or a hub name."""

import json
import re
from pathlib import Path
from typing import Any

from core.architecture import Architecture, from_config, of_hub_name
from core.base_model import check_base_id
from core.errors import InvalidRequest, UnknownBaseModel
from core.settings import get_settings
from core.spec import JobSpec

ARCHITECTURES = ("Qwen2ForCausalLM", "Qwen3ForCausalLM", "LlamaForCausalLM", "MistralForCausalLM")
"""Decoders whose projections carry the names that LoRA adapts here."""
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+", re.ASCII)


def check_base_model(spec: JobSpec) -> Architecture | None:
    """The model's sizes, as far as they are known.

    Raises UnknownBaseModel when it cannot be trained, DataChanged when it is not the one that the spec pins,
    InvalidRequest when a stage's sequences are too long for it.
    """
    name = spec.base_model
    if not spec.base_is_path:
        _check_hub_name(name)
        return of_hub_name(name)
    try:
        config = _read_config(Path(name), name)
        _check_files(Path(name), name)
    except OSError as error:
        raise _unknown(name, f"cannot be read: {error.strerror}") from None
    check_base_id(spec.base_id, name, Path(name).resolve())
    _check_lengths(spec, config)
    return from_config(config)


def _check_hub_name(name: str) -> None:
    if not HUB_NAME.fullmatch(name):
        raise _unknown(name, "is neither `owner/name` of the hub nor a path, which starts with ./ or /")
    if (Path(name) / "config.json").is_file():
        raise _unknown(name, f"is read as a name of the hub, but is a folder here: write './{name}' for the folder")


def in_storage(spec: JobSpec) -> list[str]:
    """How a model's row may spell the place of a base model that lies in the storage; nothing for any other."""
    root = get_settings().storage_path.resolve()
    folder = Path(spec.base_model).resolve() if spec.base_is_path else root.parent
    return [str(folder.relative_to(root)), str(folder)] if folder.is_relative_to(root) else []


def not_there(name: str) -> UnknownBaseModel:
    """What to say of a folder that is not there, or that the project must not know of."""
    return _unknown(name, f"is not a folder on the server ({Path(name).absolute()})")


def _read_config(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise not_there(name)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unknown(name, "has no config.json: give the folder of a model in Hugging Face's form") from None
    except ValueError as error:
        raise _unknown(name, f"has a config.json that is not valid JSON: {error}") from None
    architectures = config.get("architectures") if isinstance(config, dict) else None
    if not isinstance(architectures, list) or not set(architectures) & set(ARCHITECTURES):
        raise _unknown(name, f"has the architecture {architectures}; supported are {', '.join(ARCHITECTURES)}")
    assert isinstance(config, dict)
    return config


def _check_files(folder: Path, name: str) -> None:
    if not any(folder.glob("*.safetensors")):
        raise _unknown(name, "holds no *.safetensors file: convert its weights to safetensors first")
    if not (folder / "tokenizer.json").is_file():
        raise _unknown(name, "has no tokenizer.json")
    settings = folder / "tokenizer_config.json"
    in_settings = settings.is_file() and '"chat_template"' in settings.read_text(encoding="utf-8", errors="replace")
    if not in_settings and not (folder / "chat_template.jinja").is_file():
        raise _unknown(name, "has no chat template: add chat_template.jinja, which training and serving both render")


def _check_lengths(spec: JobSpec, config: dict[str, Any]) -> None:
    longest = config.get("max_position_embeddings")
    if not isinstance(longest, int):
        return
    for number, stage in enumerate(spec.stages):
        if stage.max_seq_length > longest:
            param = f"stages[{number}].max_seq_length"
            raise InvalidRequest(
                f"{param} is {stage.max_seq_length}: {spec.base_model} takes at most {longest} tokens "
                "(max_position_embeddings in its config.json); lower it",
                param=param,
            )


def _unknown(name: str, problem: str) -> UnknownBaseModel:
    return UnknownBaseModel(f"base_model {name!r} {problem}", param="base_model")
