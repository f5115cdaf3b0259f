"""Text as token ids, piece by piece: the same ids as of the whole text, found in a fraction of the time.

A special token such as `<|im_end|>` is cut out of a text before anything else is looked at, so what stands before and
behind it is tokenised apart; and nearly every tokenizer ends a word at a line break that text follows.  So special
tokens and lines are pieces, and each piece is tokenised once: tools and system prompts repeat from row to row.
Whether a tokenizer is of that kind is tried on many pairs of pieces; of any other one, fewer things are pieces.
"""

import re
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

_LINES = re.compile(r"(?<=\n)(?=\S)")
_ENDS = ("x", "1", "}", ">", "'", " ", "é", "漢", "😀", "\r", "\n", "")
_STARTS = ("x", "X", "1", "{", '"', "'s", "<", "_", "-", "#", "(", "é", "漢", "😀", "\u0301", "\u2581", "|")
_LONGEST_KEPT, _KEPT, _OVERHEAD = 4096, 1_000_000, 200
"""Characters of the longest piece that is remembered, and of all in one of the two generations; each counts as some
more, which is about what it takes besides."""


@dataclass(frozen=True)
class Encoded:
    """The ids of a text, and where its pieces end."""

    text: str
    ids: "array[int]"
    ends: tuple[tuple[int, int], ...]
    """Behind each piece: characters so far, tokens so far."""


class PieceEncoder:
    """A tokenizer without special tokens added, for texts that a chat template has rendered."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        special = [token for token in tokenizer.added_tokens_decoder.values() if token.special]
        plain = [t.content for t in special if not (t.lstrip or t.rstrip or t.single_word or t.normalized)]
        marks = sorted(plain, key=len, reverse=True)  # the longest first, as the tokenizer finds them
        are_pieces = len(plain) == len(special) and bool(marks) and self._are_apart(marks)
        self._marks = re.compile(f"({'|'.join(map(re.escape, marks))})") if are_pieces else None
        self.by_lines = self._lines_are_apart()
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
        at_characters = at_tokens = 0
        for end, tokens in encoded.ends:
            if end > characters:
                break
            at_characters, at_tokens = end, tokens
        if at_characters == characters:
            return at_tokens
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

    def _encode(self, texts: Sequence[str]) -> list["array[int]"]:
        encodings = self._backend.encode_batch_fast(list(texts), add_special_tokens=False)
        return [array("i", encoding.ids) for encoding in encodings]

    def _are_apart(self, marks: Sequence[str]) -> bool:
        """Whether special tokens divide a text."""
        pairs = [(end, mark, start) for mark, (end, start) in product(marks, zip(_ENDS, _STARTS, strict=False))]
        pairs += [(end, marks[0], start) for end, start in product(_ENDS, (*_STARTS, " ", "\n"))]
        return self._join_as_they_are(pairs)

    def _lines_are_apart(self) -> bool:
        return self._join_as_they_are([(f"{end}\n", start) for end, start in product(_ENDS, _STARTS)])

    def _join_as_they_are(self, cases: Sequence[tuple[str, ...]]) -> bool:
        whole = self._encode(["".join(case) for case in cases])
        parts = iter(self._encode([part for case in cases for part in case]))
        return all(ids == sum((next(parts) for _ in case), array("i")) for ids, case in zip(whole, cases, strict=True))


def _joined(text: str, pieces: Sequence[str], known: dict[str, "array[int]"]) -> Encoded:
    ids: array[int] = array("i")
    ends: list[tuple[int, int]] = []
    characters = 0
    for piece in pieces:
        ids.extend(known[piece])
        characters += len(piece)
        ends.append((characters, len(ids)))
    return Encoded(text, ids, tuple(ends))
