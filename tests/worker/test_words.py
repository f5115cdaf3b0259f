"""Ids found word by word are those that the tokenizer gives, also once words were forgotten."""

from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from worker.stages import words
from worker.stages.apart import encode
from worker.stages.words import WordEncoder

TEXTS = st.lists(st.text(st.sampled_from("ab.é1 \t\n\u3000\0"), max_size=30), max_size=5)


@pytest.fixture(scope="module")
def backend(tokenizer: PreTrainedTokenizerFast) -> Tokenizer:
    return tokenizer.backend_tokenizer


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS)
def test_the_ids_are_the_tokenizers(backend: Tokenizer, monkeypatch: pytest.MonkeyPatch, texts: list[str]) -> None:
    monkeypatch.setattr(words, "_KEPT_WORDS", 3)
    encoder = WordEncoder(backend)
    for _ in range(2):
        assert encoder.encode(texts) == encode(backend, texts)


def test_a_word_is_tokenised_once(backend: Tokenizer) -> None:
    seen: list[str] = []

    class Seeing:
        def encode_batch_fast(self, texts: list[str], add_special_tokens: bool) -> object:
            seen.extend(texts)
            return backend.encode_batch_fast(texts, add_special_tokens=add_special_tokens)

    encoder = WordEncoder(cast("Tokenizer", Seeing()))
    encoder.encode(["red green red", "green red"])
    encoder.encode(["red red green"])
    assert sorted(seen) == [" green", " red", "green", "red"]
