"""Texts are cut where the tokenizer at hand tokenises the parts apart: of any kind, the ids are those of the whole."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from worker.stages.apart import special_marks
from worker.stages.pieces import PieceEncoder

END = "<|end|>"
CORPUS = [
    "the cat sat on the mat. it's 12 o'clock, and 3 cats sit there",
    "é ça va? dix-huit mots\n\tdef f(x):\n    return x",
]
PARTS = ("the", "cat", "o", " ", " ", "  ", "\n", "\t", ".", "'s", "12", "é", "\u0301", "\u3000", "\x1c", END)
QWEN = r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def trained(model: models.Model, trainer: trainers.Trainer, *pre: pre_tokenizers.PreTokenizer) -> Tokenizer:
    backend = Tokenizer(model)
    if pre:
        backend.pre_tokenizer = pre_tokenizers.Sequence(list(pre))
    backend.train_from_iterator(CORPUS * 20, trainer)
    return backend


def bpe(*pre: pre_tokenizers.PreTokenizer, unk: str | None = None) -> Tokenizer:
    special = [unk] if unk else []
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    return trained(models.BPE(unk_token=unk), trainer, *pre)


def like_qwen() -> Tokenizer:
    split = pre_tokenizers.Split(Regex(QWEN), "isolated")
    backend = bpe(split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    backend.normalizer = normalizers.NFC()
    return backend


def word_piece() -> Tokenizer:
    trainer = trainers.WordPieceTrainer(vocab_size=300, special_tokens=["[UNK]"], show_progress=False)
    backend = trained(models.WordPiece(unk_token="[UNK]"), trainer, pre_tokenizers.BertPreTokenizer())
    backend.normalizer = normalizers.BertNormalizer()
    return backend


def unigram() -> Tokenizer:
    trainer = trainers.UnigramTrainer(vocab_size=100, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    return trained(models.Unigram(), trainer, pre_tokenizers.Metaspace())


KINDS: dict[str, tuple[Callable[[], Tokenizer], bool]] = {
    "like GPT-2": (lambda: bpe(pre_tokenizers.ByteLevel(add_prefix_space=False)), True),
    "like GPT-2, with a space put in front": (lambda: bpe(pre_tokenizers.ByteLevel(add_prefix_space=True)), True),
    "like Qwen": (like_qwen, True),
    "WordPiece": (word_piece, True),
    "Unigram, with a sign put in front": (unigram, True),
    "BPE, with a sign put in front": (lambda: bpe(pre_tokenizers.Metaspace(), unk="<unk>"), True),
    "whose words go over spaces": (lambda: bpe(unk="<unk>"), False),
}
"""Kinds of tokenizers, and whether words are apart."""


def fast(backend: Tokenizer, end: AddedToken | str = END) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token=end)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> tuple[PreTrainedTokenizerFast, PieceEncoder, bool]:
    make, words = KINDS[request.param]
    tokenizer = fast(make())
    return tokenizer, PieceEncoder(tokenizer), words


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.sampled_from(PARTS), max_size=25).map("".join))
def test_the_ids_are_those_of_the_whole_text(
    kind: tuple[PreTrainedTokenizerFast, PieceEncoder, bool], text: str
) -> None:
    tokenizer, encoder, _ = kind
    [encoded] = encoder.encode([text])
    assert encoded.ids.tolist() == tokenizer(text, add_special_tokens=False)["input_ids"]
    assert encoded.ends[len(text)] == len(encoded.ids)


def test_words_are_cut_where_that_is_right(kind: tuple[PreTrainedTokenizerFast, PieceEncoder, bool]) -> None:
    _, encoder, words = kind
    assert encoder.by_words == words


def test_a_token_that_takes_the_space_behind_it_keeps_words_whole() -> None:
    tokenizer = fast(like_qwen())
    tokenizer.add_tokens([AddedToken("cat", rstrip=True)])
    encoder = PieceEncoder(tokenizer)
    assert not encoder.by_words
    [encoded] = encoder.encode(["the cat the"])
    assert encoded.ids.tolist() == tokenizer("the cat the", add_special_tokens=False)["input_ids"]


def test_special_tokens_that_take_white_space_divide_nothing() -> None:
    tokenizer = fast(like_qwen(), AddedToken(END, special=True, lstrip=True))
    assert special_marks(tokenizer, tokenizer.backend_tokenizer) == []
