"""Applies generation_config.json of the models that are loaded to the API server, which reads it only at start.

It holds the stop tokens: a base model ends on <|endoftext|>, its chat-tuned successor on <|im_end|>, and one served
with the other's would never stop.  vLLM has one set of them, whatever adapter answers, so with adapters loaded it is
the union: a base model never writes the turn's end by itself.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def apply_generation_config(engine: Any, state: Any, path: str, adapters: Iterable[Path] = ()) -> None:
    """Use the default sampling parameters of the model in `path`, and its stop tokens with those of `adapters`.

    An adapter's stop tokens are in the generation_config.json of the merged model that its folder lies in.
    """
    config = engine.vllm_config.model_config
    config.model = path
    processor = engine.input_processor
    processor.model_config.model = path
    fields = config.try_get_generation_config()
    stops = {stop for adapter in adapters for stop in _stop_ids(adapter.parent / "generation_config.json")}
    if stops:
        fields["eos_token_id"] = sorted(stops | set(stop_ids_of(fields)))
    processor.generation_config_fields = fields
    sampling = config.get_diff_sampling_param()
    for handler in vars(state)["_state"].values():
        if hasattr(handler, "default_sampling_params"):
            handler.default_sampling_params = sampling


def stop_ids_of(fields: dict[str, Any]) -> list[int]:
    """The stop tokens that the fields of a generation_config.json name."""
    return _listed(fields.get("eos_token_id"))


def _stop_ids(file: Path) -> list[int]:
    return stop_ids_of(json.loads(file.read_bytes())) if file.exists() else []


def _listed(value: Any) -> list[int]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
