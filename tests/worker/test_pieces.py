"""Ids found piece by piece are those of the whole text, and the learned ones are those that offsets point at."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from core.rows import Row
from tests.worker.test_render import rows
from worker.stages.pieces import PieceEncoder
from worker.stages.render import IGNORED, Renderer

TEXT = st.lists(
    st.one_of(
        st.sampled_from(
            ["<|im_start|>", "<|im_end|>", "<tool_call>", "\n", "\n\n", " ", "\r\n", "user\n", "'s", "\u0301"]
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12),
    ),
    max_size=30,
).map("".join)


@pytest.fixture(scope="module")
def encoder(tokenizer: PreTrainedTokenizerFast) -> PieceEncoder:
    return PieceEncoder(tokenizer)


@pytest.fixture(scope="module")
def renderer(tokenizer: PreTrainedTokenizerFast) -> Renderer:
    return Renderer(tokenizer)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_the_ids_are_those_of_the_whole_text(
    tokenizer: PreTrainedTokenizerFast, encoder: PieceEncoder, texts: list[str]
) -> None:
    for _ in range(2):  # the second time from memory
        for text, encoded in zip(texts, encoder.encode(texts), strict=True):
            assert encoded.ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]


@settings(max_examples=200, deadline=None)
@given(text=TEXT, place=st.floats(0, 1))
def test_tokens_before_a_place_are_those_of_the_text_before_it(
    tokenizer: PreTrainedTokenizerFast, encoder: PieceEncoder, text: str, place: float
) -> None:
    characters = round(place * len(text))
    [encoded] = encoder.encode([text])
    before = encoder.tokens_before(encoded, characters)
    expected = tokenizer(text[:characters], add_special_tokens=False)["input_ids"]
    assert before is None or encoded.ids[:before].tolist() == expected


@settings(max_examples=150, deadline=None)
@given(row=rows())
def test_learned_tokens_are_those_that_offsets_point_at(
    tokenizer: PreTrainedTokenizerFast, renderer: Renderer, row: Row
) -> None:
    [rendered] = renderer.render([row])  # one renderer for all rows, so that it meets shapes that it has seen
    assert rendered.labels.tolist() == labels_by_offsets(tokenizer, row)[: len(rendered.ids)]


def labels_by_offsets(tokenizer: PreTrainedTokenizerFast, row: Row) -> list[int]:
    """The same by another way: every prompt rendered, and characters found in tokens by the tokenizer's offsets."""
    tools: list[Any] | None = row.tools

    def text(count: int, *, prompt: bool = False) -> str:
        messages = row.messages[:count]
        return str(tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, add_generation_prompt=prompt))

    encoded = tokenizer(text(len(row.messages)), add_special_tokens=False, return_offsets_mapping=True)
    labels = [IGNORED] * len(encoded["input_ids"])
    for index, message in enumerate(row.messages):
        if message["role"] == "assistant" and message.get("weight", 1):
            start, end = len(text(index, prompt=True)), len(text(index + 1).rstrip("\n"))
            for place, (first, behind) in enumerate(encoded["offset_mapping"]):
                if behind > start and first < end:
                    labels[place] = encoded["input_ids"][place]
    return labels


def test_a_tokenizer_that_joins_lines_is_not_given_lines() -> None:
    backend = Tokenizer(models.BPE({"x": 0, "\n": 1, "\nx": 2, "<|end|>": 3}, [("\n", "x")]))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")  # type: ignore[no-untyped-call]
    encoder = PieceEncoder(tokenizer)
    assert not encoder.by_lines
    [encoded] = encoder.encode(["x\nx<|end|>\nx"])
    assert encoded.ids.tolist() == [0, 2, 3, 2]
    assert encoder.tokens_before(encoded, 2) is None
    assert encoder.tokens_before(encoded, len("x\nx<|end|>")) == 3
