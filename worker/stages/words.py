"""Text as token ids, word by word: a language has few words, so soon nearly all are known.

Cuts are made before a space that text precedes; `worker.stages.apart` says for which tokenizers that is right.
"""

import re
from array import array
from collections.abc import Sequence

from tokenizers import Tokenizer

from worker.stages.apart import encode

_CUT = re.compile(r"(?<=\S)(?= )")
_KEPT_WORDS = 50_000
"""Each takes about 200 bytes.  Beyond so many all are forgotten: those that are used are soon known again."""


class WordEncoder:
    """The ids of texts, as the tokenizer gives them."""

    def __init__(self, backend: Tokenizer) -> None:
        self._backend = backend
        self._first: dict[str, bytes] = {}
        """The ids of what a text began with, as the bytes of an array."""
        self._further: dict[str, bytes] = {}
        """The same of words behind a space, which their names here lack."""

    def encode(self, texts: Sequence[str]) -> list["array[int]"]:
        """The ids of each text."""
        cut = [_words(text) for text in texts]
        self._learn(self._first, {words[0] for words in cut}, "")
        self._learn(self._further, set().union(*(words[1:] for words in cut)), " ")
        first, further = self._first, self._further.__getitem__
        return [array("i", first[words[0]] + b"".join(map(further, words[1:]))) for words in cut]

    def _learn(self, known: dict[str, bytes], words: set[str], before: str) -> None:
        if len(known) > _KEPT_WORDS:
            known.clear()
        unknown = words.difference(known)
        ids = encode(self._backend, [before + word for word in unknown])
        known.update(zip(unknown, (each.tobytes() for each in ids), strict=True))


def _words(text: str) -> list[str]:
    """The text, cut; all but the first word stand behind a space, which is left out."""
    words = text.split(" ")
    if words[:-1] == text.split()[: len(words) - 1]:
        return words  # each space stands behind a word
    first, *others = _CUT.split(text)
    return [first, *(word[1:] for word in others)]
