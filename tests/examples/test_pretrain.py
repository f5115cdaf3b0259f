"""The script that makes the tiny base model: it resumes where it stopped, and helpers change nothing."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast, Qwen2ForCausalLM

from examples.pretrain import train
from examples.pretrain.batches import batch
from examples.pretrain.courses import Course, at
from examples.pretrain.model import new_model
from examples.pretrain.muon import orthogonalised
from examples.pretrain.team import gather, loss_of
from examples.pretrain.text import CHOOSING, COPYING

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"
STEP = 2048
COURSES = (
    Course("copying", COPYING, steps=2, short_share=0.5, peak_lr=3e-3, decay_from=0.5),
    Course("choosing", CHOOSING, steps=2, short_share=1.0, peak_lr=2e-3, decay_from=0.5),
)


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A work folder with the tokenizer, for runs of a few small steps with a checkpoint after every one."""
    monkeypatch.setattr(train, "TOKENS_PER_STEP", STEP)
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 1)
    folder = tmp_path / "work"
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copy(TINY_BASE / name, folder)
    return folder


def weights(folder: Path) -> dict[str, Tensor]:
    state: dict[str, Tensor] = Qwen2ForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).state_dict()
    return state


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train.pretrain(work, tmp_path / "whole", COURSES, seed=3, workers=1)
    (work / "checkpoint.pt").unlink()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(train, "REPORT_EVERY", 2)
        patched.setattr("builtins.print", lambda *text, **_: stop() if "step 2/" in text[0] else None)
        with pytest.raises(KeyboardInterrupt):
            train.pretrain(work, tmp_path / "never", COURSES, seed=3, workers=1)
    train.pretrain(work, tmp_path / "resumed", COURSES, seed=3, workers=1)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "resumed")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_teams_gradient_is_the_batchs(workers: int) -> None:
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY_BASE)
    rows = torch.from_numpy(batch(tokenizer, 0, 0, rows=8, length=64))
    alone, shared = new_model(1), new_model(1)
    loss_of(alone, rows).backward()  # type: ignore[no-untyped-call]
    team = gather(shared, rows.numel(), workers)
    loss = team.step(rows)
    assert loss == pytest.approx(loss_of(alone, rows).item(), abs=0.02)
    for one, other in zip(alone.parameters(), shared.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.nn.functional.cosine_similarity(one.grad.flatten(), other.grad.flatten(), 0) > 0.99


def test_muon_makes_updates_nearly_orthogonal() -> None:
    torch.manual_seed(0)
    for shape in ((2, 48, 96), (1, 96, 48)):
        singular = torch.linalg.svdvals(orthogonalised(torch.randn(shape)))
        assert singular.min() > 0.3
        assert singular.max() < 1.4


def test_learning_rate_rises_stays_and_falls() -> None:
    course = Course("any", COPYING, steps=1000, short_share=0.5, peak_lr=3e-3, decay_from=0.5)
    rates = [course.learning_rate(step) for step in range(1000)]
    assert rates[0] < rates[30] < rates[59] == rates[400] == 3e-3
    assert rates[600] > rates[900] > 0


def test_courses_follow_one_another() -> None:
    first, second = COURSES
    assert [at(COURSES, step) for step in range(4)] == [(first, 0), (first, 1), (second, 0), (second, 1)]
    with pytest.raises(IndexError):
        at(COURSES, 4)


def test_committed_folder_is_a_base_model_of_at_most_8_mb() -> None:
    size_bytes = sum(file.stat().st_size for file in TINY_BASE.iterdir())
    assert size_bytes <= 8_000_000
    config = json.loads((TINY_BASE / "config.json").read_text())
    assert config["architectures"] == ["Qwen2ForCausalLM"]
    assert (config["vocab_size"], config["tie_word_embeddings"], config["dtype"]) == (1024, True, "bfloat16")
    generation = json.loads((TINY_BASE / "generation_config.json").read_text())
    tokenizer = PreTrainedTokenizerFast.from_pretrained(TINY_BASE)
    assert generation["eos_token_id"] == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|endoftext|>")


def test_every_row_of_the_embedding_has_a_direction_of_its_own() -> None:
    """Rows that are never trained collapse onto one direction, and then one name comes out as another."""
    rows = weights(TINY_BASE)["model.embed_tokens.weight"].float()
    unit = rows / rows.norm(dim=1, keepdim=True)
    likeness = (unit @ unit.T).fill_diagonal_(0)
    assert likeness.max() < 0.9
    assert rows.norm(dim=1).min() > 0.3 * rows.norm(dim=1).median()
