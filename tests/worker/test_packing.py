"""A micro-batch packed into one sequence teaches what its rows teach alone: no row sees another."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from core.rows import Row
from worker.stages.render import IGNORED, Renderer

TEXTS = [("Hi", "Hello there, how are you?"), ("Name a colour.", "Blue."), ("Count", "one two three " * 9), ("x", "y")]


@pytest.fixture(scope="module")
def features(tokenizer: PreTrainedTokenizerFast) -> list[dict[str, list[int]]]:
    """Rows as the trainer has them, of very different lengths."""
    rows = [
        Row(messages=[{"role": "user", "content": question}, {"role": "assistant", "content": answer}], tools=None)
        for question, answer in TEXTS
    ]
    rendered = Renderer(tokenizer).render(rows)
    return [{"input_ids": each.ids.tolist(), "labels": each.labels.tolist()} for each in rendered]


@pytest.fixture(scope="module")
def model(tiny_base: Path) -> Any:
    """A plain transformers model, without Unsloth."""
    model: Any = AutoModelForCausalLM.from_pretrained(tiny_base, dtype=torch.float32, use_cache=False)
    return model.eval()


@pytest.fixture
def packed(features: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
    """The rows as TRL packs a micro-batch, which is what a GPU is given."""
    batch: dict[str, torch.Tensor] = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=True)(features)
    return batch


def test_packed_rows_are_answered_as_alone(
    model: Any, features: list[dict[str, list[int]]], packed: dict[str, torch.Tensor]
) -> None:
    assert packed["input_ids"].shape == (1, sum(len(each["input_ids"]) for each in features))
    with torch.no_grad():
        together = model(input_ids=packed["input_ids"], position_ids=packed["position_ids"]).logits[0]
        alone = torch.cat([model(input_ids=torch.tensor([each["input_ids"]])).logits[0] for each in features])
    torch.testing.assert_close(together, alone, atol=2e-4, rtol=1e-4)
    with torch.no_grad():  # and the test can fail: without the places of their tokens the rows do see each other
        mixed = model(input_ids=packed["input_ids"]).logits[0]
    assert (mixed - alone).abs().max() > 0.1


def test_no_row_is_learned_from_the_end_of_another(
    features: list[dict[str, list[int]]], packed: dict[str, torch.Tensor]
) -> None:
    starts = [place for place, number in enumerate(packed["position_ids"][0].tolist()) if number == 0]
    assert len(starts) == len(features)
    assert packed["labels"][0, starts].tolist() == [IGNORED] * len(features)
    learned = int((packed["labels"] != IGNORED).sum())
    assert learned == sum(label != IGNORED for each in features for label in each["labels"])
