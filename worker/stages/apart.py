"""Which parts of a text a tokenizer tokenises apart: their ids, one after the other, are those of the whole text.

A special token such as `<|im_end|>` is cut out of a text before anything else is looked at, so what stands before and
behind it is tokenised apart.  Nearly every tokenizer ends a word at a line break that text follows, and begins one at a
space that text precedes.  Whether a tokenizer does is tried on many pairs; for words, also read off its vocabulary.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from itertools import product

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

_ENDS = ("x", "1", "}", ">", "'", ".", "é", "漢", "😀", "12", " ", "\r", "\n", "")
_STARTS = ("x", "X", "1", "{", '"', "'s", "<", "_", "-", "#", "(", "é", "漢", "😀", "\u0301", "\u2581", "|")
_OVER_A_SPACE = re.compile(r"[^\sĠĊĉċČč▁][ Ġ▁]")
"""Of a vocabulary: a token that holds a character and a space behind it.  Byte-level ones write a space as Ġ, and other
white space as the letters that follow it here; SentencePiece writes a space as ▁."""


def encode(backend: Tokenizer, texts: Iterable[str]) -> list["array[int]"]:
    """The ids of each text, without special tokens added; all at once, which is faster than one by one."""
    return [array("i", each.ids) for each in backend.encode_batch_fast(list(texts), add_special_tokens=False)]


def special_marks(tokenizer: PreTrainedTokenizerFast, backend: Tokenizer) -> list[str]:
    """The special tokens, the longest first as the tokenizer finds them; none where they do not divide a text."""
    special = [token for token in tokenizer.added_tokens_decoder.values() if token.special]
    if any(token.lstrip or token.rstrip or token.single_word or token.normalized for token in special):
        return []
    marks = sorted((token.content for token in special), key=len, reverse=True)
    pairs = [(end, mark, start) for mark, (end, start) in product(marks, zip(_ENDS, _STARTS, strict=False))]
    pairs += [(end, mark, start) for mark in marks[:1] for end, start in product(_ENDS, (*_STARTS, " ", "\n"))]
    return marks if _join_as_they_are(backend, pairs) else []


def lines_are_apart(backend: Tokenizer) -> bool:
    """Whether a line break ends a word, where a character follows."""
    return _join_as_they_are(backend, [(f"{end}\n", start) for end, start in product(_ENDS, _STARTS)])


def words_are_apart(tokenizer: PreTrainedTokenizerFast, backend: Tokenizer) -> bool:
    """Whether a space begins a word, where a character precedes."""
    if any(token.rstrip for token in tokenizer.added_tokens_decoder.values()):
        return False  # it takes the space behind it
    if _OVER_A_SPACE.search("\n".join(tokenizer.get_vocab())):
        return False
    ends = [end for end in _ENDS if end.strip()]
    return _join_as_they_are(backend, [(end, f" {start}") for end, start in product(ends, (*_STARTS, " ", "\n", ""))])


def _join_as_they_are(backend: Tokenizer, cases: Sequence[tuple[str, ...]]) -> bool:
    whole = encode(backend, ["".join(case) for case in cases])
    parts = iter(encode(backend, [part for case in cases for part in case]))
    return all(ids == sum((next(parts) for _ in case), array("i")) for ids, case in zip(whole, cases, strict=True))
