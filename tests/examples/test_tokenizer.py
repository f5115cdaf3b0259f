"""The tiny model's tokenizer is the same one through both loaders, and cuts a word alike wherever it stands."""

from pathlib import Path
from random import Random

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from examples.pretrain.text import document
from examples.pretrain.tokenizer import TOOL_MARKS, TURN_MARKS, VOCABULARY

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"
ODD_SIGNS = "abc XYZ'\"s 1290 é ü漢字🙂\n\t{}:,<>|_.-'ll'S@()[]"


@pytest.fixture(scope="module")
def as_qwen() -> PreTrainedTokenizerFast:
    """As transformers, Unsloth and vLLM load it: a Qwen2Tokenizer with Qwen's own pre-tokenizer."""
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(TINY_BASE)  # type: ignore[assignment]
    return loaded


@pytest.fixture(scope="module")
def as_written() -> PreTrainedTokenizerFast:
    """As tokenizer.json says."""
    loaded: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(TINY_BASE)
    return loaded


def texts() -> list[str]:
    rng = Random(2024)
    odd = ["".join(rng.choice(ODD_SIGNS) for _ in range(rng.randint(1, 80))) for _ in range(800)]
    return [document(rng) for _ in range(1200)] + odd


def test_both_loaders_agree_on_2000_texts(
    as_qwen: PreTrainedTokenizerFast, as_written: PreTrainedTokenizerFast
) -> None:
    assert type(as_qwen) is not type(as_written)
    different = [text for text in texts() if as_qwen.encode(text) != as_written.encode(text)]
    assert different == []


def test_text_comes_back_unchanged(as_qwen: PreTrainedTokenizerFast) -> None:
    text = 'Send "Hello, Łódź 漢字" to anna@mail.com:\n\t{"a": [1, 2.5]} <|im_end|>'
    assert as_qwen.decode(as_qwen.encode(text)) == text


@pytest.mark.parametrize("word", ["Reykjavik", "strawberry", "QCOM", "umbrella"])
def test_a_word_is_the_same_tokens_everywhere(as_qwen: PreTrainedTokenizerFast, word: str) -> None:
    alone = as_qwen.encode(word)
    for around in ("in {} now", '"{}"', '{{"city": "{}"}}', "<b>{}</b>", "\n{}?", "({})", "{}'s"):
        ids = as_qwen.encode(around.format(word))
        assert any(ids[at : at + len(alone)] == alone for at in range(len(ids))), around


def test_digits_stand_alone(as_qwen: PreTrainedTokenizerFast) -> None:
    assert [as_qwen.decode([token]) for token in as_qwen.encode("2028-06")] == ["2", "0", "2", "8", "-", "0", "6"]


def test_vocabulary_and_marks_are_a_qwen_bases(as_qwen: PreTrainedTokenizerFast) -> None:
    assert len(as_qwen) == VOCABULARY
    assert as_qwen.eos_token == as_qwen.pad_token == "<|endoftext|>"
    for mark in (*TURN_MARKS, *TOOL_MARKS):
        assert len(as_qwen.encode(mark)) == 1, mark
    # A parser of tool calls reads the answer with special tokens skipped: the tool marks must stay in it.
    call = as_qwen.encode("<tool_call>\n{}\n</tool_call><|im_end|>")
    assert as_qwen.decode(call, skip_special_tokens=True) == "<tool_call>\n{}\n</tool_call>"
