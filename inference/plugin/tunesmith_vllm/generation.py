"""Applies generation_config.json of the swapped-in model to the API server, which otherwise reads it only at start.

It holds the stop tokens: a base model ends on <|endoftext|>, its chat-tuned successor on <|im_end|>, and one served
with the other's would never stop.
"""

from typing import Any


def apply_generation_config(engine: Any, state: Any, path: str) -> None:
    """Make the server use the stop tokens and default sampling parameters of the model in `path`."""
    config = engine.vllm_config.model_config
    config.model = path
    processor = engine.input_processor
    processor.model_config.model = path
    processor.generation_config_fields = config.try_get_generation_config()
    sampling = config.get_diff_sampling_param()
    for handler in vars(state)["_state"].values():
        if hasattr(handler, "default_sampling_params"):
            handler.default_sampling_params = sampling
