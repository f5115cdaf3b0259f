"""`python -m bench.memory_models FOLDER SIZES`: a Qwen2 model of these sizes with random weights, for `bench.memory`.

It has the tokenizer and the template of the tiny base.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, Qwen2Config

from cli.migrate import PROJECT

_TINY_BASE = PROJECT / "examples" / "tiny-base"
_KEPT = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")


def make(folder: Path, sizes: dict[str, int]) -> None:
    """Write the model, in BF16."""
    torch.manual_seed(0)
    config = Qwen2Config(
        hidden_size=sizes["hidden"],
        num_hidden_layers=sizes["layers"],
        num_attention_heads=sizes["heads"],
        num_key_value_heads=sizes["kv_heads"],
        intermediate_size=sizes["ffn"],
        vocab_size=sizes["vocabulary"],
        tie_word_embeddings=True,
        max_position_embeddings=2048,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)  # type: ignore[no-untyped-call]
    model.save_pretrained(folder)
    for name in _KEPT:
        shutil.copy(_TINY_BASE / name, folder / name)


if __name__ == "__main__":
    make(Path(sys.argv[1]), json.loads(sys.argv[2]))
