"""The memory formula: its parts, what they grow with, and what to change where a job does not fit."""

from typing import Any

import pytest

from core.architecture import Architecture, from_config, of_hub_name
from core.fitting import Need, change_to_fit
from core.memory import GIB, MIB, Batch, needed_bytes, training_memory
from core.spec import JobSpec, StageSpec


def stage(**changes: Any) -> StageSpec:
    return StageSpec.model_validate({"name": "chat", "data": {"source": "rows.jsonl"}, **changes})


def known(name: str) -> Architecture:
    architecture = of_hub_name(name)
    assert architecture is not None
    return architecture


QWEN = known("Qwen/Qwen2.5-3B")
RECIPE = Batch(rows=4, longest=2048)


def test_the_recipe_keeps_its_base_in_four_bits_but_for_the_embeddings() -> None:
    memory = training_memory(stage(), QWEN, RECIPE, "cuda")
    assert memory.weights / GIB == pytest.approx(0.516 * 2.775 / 1.0737 + 2 * 0.311 / 1.0737, rel=0.01)
    assert (memory.adapter, memory.gradients, memory.optimizer) == (
        4 * 29_933_568,
        4 * 29_933_568,
        2 * 29_933_568,
    )
    assert 4 * GIB < memory.total < 8 * GIB


def test_the_parts_add_up() -> None:
    memory = training_memory(stage(), QWEN, RECIPE, "cuda")
    parts = (memory.weights, memory.adapter, memory.gradients, memory.optimizer)
    assert memory.total == sum(parts) + memory.activations + memory.logits + memory.overhead


@pytest.mark.parametrize("backend", ["cuda", "cpu"])
def test_activations_grow_with_the_tokens_of_the_largest_batch(backend: Any) -> None:
    one, four = (training_memory(stage(), QWEN, Batch(rows, 512), backend) for rows in (1, 4))
    assert four.activations == pytest.approx(4 * one.activations, rel=0.001)
    assert four.weights == one.weights


def test_a_cpu_keeps_every_layer_and_a_gpu_only_one() -> None:
    on_cpu, on_gpu = (training_memory(stage(), QWEN, Batch(1, 512), backend) for backend in ("cpu", "cuda"))
    assert on_cpu.activations > 10 * on_gpu.activations


def test_eight_bit_adam_is_thirty_two_bit_adam_on_a_cpu() -> None:
    assert training_memory(stage(), QWEN, RECIPE, "cpu").optimizer == 8 * 29_933_568
    assert training_memory(stage(optimizer="adamw_torch"), QWEN, RECIPE, "cuda").optimizer == 8 * 29_933_568


@pytest.mark.parametrize(
    ("sizes", "rows", "longest", "measured_mib"),
    # Peak resident memory, measured on two cores; python -m bench.memory measures it here.
    [
        ((512, 8, 8, 2, 1408, 32_000), 1, 827, 1125),
        ((512, 8, 8, 2, 1408, 32_000), 4, 827, 2158),
        ((768, 12, 12, 4, 2048, 32_000), 2, 1227, 3184),
        ((1024, 16, 16, 4, 3584, 65_536), 1, 147, 1593),
        ((1024, 16, 16, 4, 3584, 65_536), 2, 827, 4066),
    ],
)
def test_the_formula_meets_what_was_measured_on_a_cpu(
    sizes: tuple[int, ...], rows: int, longest: int, measured_mib: int
) -> None:
    hidden, layers, heads, kv_heads, ffn, vocabulary = sizes
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "intermediate_size": ffn,
        "vocab_size": vocabulary,
        "tie_word_embeddings": True,
    }
    architecture = from_config(config)
    assert architecture is not None
    predicted = training_memory(stage(), architecture, Batch(rows, longest), "cpu").total / MIB
    assert abs(predicted - measured_mib) < 0.15 * (measured_mib - 507)


def test_a_job_needs_what_its_hungriest_stage_does_or_what_its_spec_says() -> None:
    recipe = JobSpec(base_model="Qwen/Qwen2.5-3B")
    assert needed_bytes(recipe, QWEN) == training_memory(recipe.stages[0], QWEN, RECIPE, "cuda").total
    assert needed_bytes(recipe.model_copy(update={"memory_gb": 3.0}), QWEN) == 3 * GIB
    assert needed_bytes(recipe, None) == 0


def test_what_fits_needs_no_change() -> None:
    assert change_to_fit(Need(0, stage(), QWEN, RECIPE), "cuda", 16 * GIB) is None


def test_a_smaller_micro_batch_is_proposed_first() -> None:
    need = Need(1, stage(batch_size=16), QWEN, Batch(16, 2048))
    change = change_to_fit(need, "cuda", 10 * GIB)
    assert change is not None
    assert change.startswith(
        "stages[1]: set batch_size to 8 and gradient_accumulation_steps to 8, the same rows per step"
    )


def test_then_four_bits_then_shorter_rows() -> None:
    wide = Need(0, stage(load_in_4bit=False), known("Qwen/Qwen2.5-7B"), RECIPE)
    assert "set load_in_4bit to true" in str(change_to_fit(wide, "cuda", 14 * GIB))
    long = Need(0, stage(batch_size=1), QWEN, Batch(1, 32_768))
    assert "set max_seq_length to" in str(change_to_fit(long, "cuda", 5 * GIB))


def test_a_model_too_large_for_any_setting_is_said_to_be() -> None:
    change = change_to_fit(Need(0, stage(), known("Qwen/Qwen2.5-14B"), RECIPE), "cuda", 4 * GIB)
    assert "take a smaller base model" in str(change)
