"""The reference computes what transformers' own forward and generation compute, and leaves the model as it is."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from worker.stages.reference import Reference

IDS = list(range(300, 340))


@pytest.fixture(scope="module")
def reference(tiny_base: Path) -> Reference:
    """Of the tiny base model."""
    return Reference(tiny_base)


def teacher_forced(folder: Path, dtype: torch.dtype) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    with torch.inference_mode():
        logprobs = model(torch.tensor([IDS])).logits[0].float().log_softmax(-1)
    return torch.stack([logprobs[place, token] for place, token in enumerate(IDS[1:])])


def test_in_its_own_type_the_probabilities_are_those_of_a_forward(reference: Reference, tiny_base: Path) -> None:
    assert reference.dtype == "bfloat16"
    expected = teacher_forced(tiny_base, torch.bfloat16)
    torch.testing.assert_close(torch.tensor(reference.logprobs(IDS)), expected, rtol=0, atol=1e-5)


def test_in_float32_they_are_those_of_a_model_in_float32(reference: Reference, tiny_base: Path) -> None:
    before = {name: weight.clone() for name, weight in reference.model.state_dict().items()}
    with reference.in_float32():
        exact = torch.tensor(reference.logprobs(IDS))
    torch.testing.assert_close(exact, teacher_forced(tiny_base, torch.float32), rtol=0, atol=1e-4)
    after = reference.model.state_dict()
    assert all(
        weight.dtype == after[name].dtype and torch.equal(weight, after[name]) for name, weight in before.items()
    )
    rounded = torch.tensor(reference.logprobs(IDS))
    torch.testing.assert_close(rounded, teacher_forced(tiny_base, torch.bfloat16), rtol=0, atol=1e-5)


def test_an_answer_is_what_greedy_generation_gives(reference: Reference) -> None:
    prompt = torch.tensor([IDS])
    generated = reference.model.generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False
    )
    expected = [token for token in generated[0, len(IDS) :].tolist() if token not in reference.stop_ids]
    assert reference.answer(IDS, 12) == expected
    assert len(reference.answer(IDS, 3)) <= 3
