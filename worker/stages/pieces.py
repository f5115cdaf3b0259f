"""Text as token ids, piece by piece: the same ids as of the whole text, found in a fraction of the time.

Special tokens and lines are pieces where the tokenizer tokenises them apart (`worker.stages.apart`).  Each is tokenised
once: tools and system prompts repeat from row to row.
"""

import re
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from worker.stages.apart import encode, lines_are_apart, special_marks, words_are_apart
from worker.stages.words import WordEncoder

_LINES = re.compile(r"(?<=\n)(?=\S)")
_LONGEST_KEPT, _KEPT, _OVERHEAD = 4096, 1_000_000, 200
"""Characters of the longest piece that is remembered, and of all in one of the two generations; each counts as some
more, which is about what it takes besides."""


@dataclass(frozen=True)
class Encoded:
    """The ids of a text, and where its pieces end."""

    text: str
    ids: "array[int]"
    ends: Mapping[int, int]
    """Characters up to the end of each piece, and the tokens up to there, in order."""


class PieceEncoder:
    """A tokenizer without special tokens added, for texts that a chat template has rendered."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        marks = special_marks(tokenizer, self._backend)
        self._marks = re.compile(f"({'|'.join(map(re.escape, marks))})") if marks else None
        self.by_lines = lines_are_apart(self._backend)
        self.by_words = words_are_apart(tokenizer, self._backend)
        self._encode: Callable[[Sequence[str]], list[array[int]]] = (
            WordEncoder(self._backend).encode if self.by_words else lambda texts: encode(self._backend, texts)
        )
        self._new: dict[str, array[int]] = {}
        self._old: dict[str, array[int]] = {}
        self._kept = 0

    def encode(self, texts: Sequence[str]) -> list[Encoded]:
        """All the texts at once, which is faster than one by one."""
        pieces = [self._pieces(text) for text in texts]
        known = self._ids_of({piece for each in pieces for piece in each})
        return [_joined(text, each, known) for text, each in zip(texts, pieces, strict=True)]

    def tokens_before(self, encoded: Encoded, characters: int) -> int | None:
        """The tokens of the text's first characters; None where they end inside of a token."""
        if (tokens := encoded.ends.get(characters)) is not None:
            return tokens
        at_characters = max(end for end in encoded.ends if end <= characters)
        at_tokens = encoded.ends[at_characters]
        part = encoded.text[at_characters:characters]
        ids = self._ids_of([part])[part]
        if encoded.ids[at_tokens : at_tokens + len(ids)] != ids:
            return None
        return at_tokens + len(ids)

    def _pieces(self, text: str) -> list[str]:
        parts = self._marks.split(text) if self._marks else [text]
        if self.by_lines:
            parts = [line for part in parts for line in (_LINES.split(part) if "\n" in part else (part,))]
        return [part for part in parts if part]

    def _ids_of(self, pieces: Iterable[str]) -> dict[str, "array[int]"]:
        found: dict[str, array[int]] = {}
        missing: list[str] = []
        for piece in pieces:
            ids = self._new.get(piece)
            if ids is None and (ids := self._old.get(piece)) is not None:
                self._keep(piece, ids)
            if ids is None:
                missing.append(piece)
            else:
                found[piece] = ids
        for piece, encoding in zip(missing, self._encode(missing), strict=True):
            found[piece] = encoding
            self._keep(piece, encoding)
        return found

    def _keep(self, piece: str, ids: "array[int]") -> None:
        """Remember a piece; when the young generation is full it becomes the old one, and what is unused goes."""
        if len(piece) > _LONGEST_KEPT:
            return
        self._new[piece] = ids
        self._kept += len(piece) + _OVERHEAD
        if self._kept > _KEPT:
            self._new, self._old, self._kept = {}, self._new, 0


def _joined(text: str, pieces: Sequence[str], known: dict[str, "array[int]"]) -> Encoded:
    ids: array[int] = array("i")
    characters, ends = 0, {0: 0}
    for piece in pieces:
        ids.extend(known[piece])
        characters += len(piece)
        ends[characters] = len(ids)
    return Encoded(text, ids, ends)
