"""Weights are counted exactly, of what a config says, and never guessed as if they were."""

import json
from pathlib import Path

import pytest

from core.architecture import from_config, of_hub_name
from core.lora import trainable_parameters
from core.spec import LoraSpec

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"
QWEN_3B = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 2048,
    "num_hidden_layers": 36,
    "num_attention_heads": 16,
    "num_key_value_heads": 2,
    "intermediate_size": 11_008,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
}


def test_the_recipe_trains_29_933_568_parameters_of_qwen2_5_3b() -> None:
    architecture = from_config(QWEN_3B)
    assert architecture is not None
    assert trainable_parameters(architecture, LoraSpec()) == 29_933_568
    assert architecture.parameters == 3_085_938_688


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Qwen/Qwen2.5-0.5B", 494_032_768),
        ("Qwen/Qwen2.5-1.5B-Instruct", 1_543_714_304),
        ("Qwen/Qwen2.5-3B", 3_085_938_688),
        ("unsloth/Qwen2.5-7B", 7_615_616_512),
        ("Qwen/Qwen2.5-14B", 14_770_033_664),
        ("Qwen/Qwen3-0.6B", 596_049_920),
        ("meta-llama/Llama-3.2-1B", 1_235_814_400),
        ("meta-llama/Llama-3.2-3B", 3_212_749_824),
        ("meta-llama/Llama-3.1-8B", 8_030_261_248),
        ("mistralai/Mistral-7B-v0.3", 7_248_023_552),
    ],
)
def test_published_models_have_the_parameters_that_their_pages_state(name: str, parameters: int) -> None:
    architecture = of_hub_name(name)
    assert architecture is not None
    assert (architecture.parameters, architecture.is_exact) == (parameters, True)


def test_a_model_known_by_the_size_in_its_name_alone_is_an_estimate() -> None:
    architecture = of_hub_name("someone/wonder-3B")
    assert architecture is not None
    assert not architecture.is_exact
    assert 2.5e9 < architecture.parameters < 4e9
    assert of_hub_name("someone/wonder") is None
    assert of_hub_name("someone/wonder-0B") is None


def test_a_namesake_of_another_owner_is_not_taken_for_the_published_model() -> None:
    architecture = of_hub_name("someone/Qwen2.5-3B")
    assert architecture is not None
    assert not architecture.is_exact


def test_the_tiny_base_has_the_weights_of_its_file() -> None:
    architecture = from_config(json.loads((TINY_BASE / "config.json").read_text()))
    assert architecture is not None
    header_bytes = int.from_bytes((TINY_BASE / "model.safetensors").read_bytes()[:8], "little")
    size_bytes = (TINY_BASE / "model.safetensors").stat().st_size
    assert architecture.parameters == (size_bytes - 8 - header_bytes) // 2


def test_an_adapter_on_a_layer_of_unknown_size_is_not_counted() -> None:
    architecture = from_config(QWEN_3B)
    assert architecture is not None
    assert trainable_parameters(architecture, LoraSpec(target_modules=("q_proj", "lm_head"))) is None


@pytest.mark.parametrize("missing", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_config_that_lacks_a_size_makes_nothing_up(missing: str) -> None:
    assert from_config({**QWEN_3B, missing: None}) is None
