"""Rows as token ids: the model's own chat template, and loss on exactly what the assistant says.

The prompt of every assistant turn is rendered as a server would render it (`add_generation_prompt`), so what is
trained is what will be served.  The closing `<|im_end|>` is learned too, or the tuned model never stops.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core.errors import BadData
from core.rows import Row
from worker.stages.answers import Answers, Text, render
from worker.stages.pieces import Encoded, PieceEncoder

IGNORED = -100
"""The label of a token that is not learned."""
TURN_END = "<|im_end|>"


@dataclass(frozen=True)
class Tokens:
    """A rendered row: `input_ids` and `labels` of equal length."""

    input_ids: list[int]
    labels: list[int]


@dataclass(frozen=True)
class Rendered:
    """A row's ids up to its last learned token, and where they are learned: (first, behind the last) of each answer."""

    ids: "array[int]"
    learned: tuple[tuple[int, int], ...]

    @property
    def labels(self) -> "array[int]":
        """The ids, but for those that are not learned."""
        labels = array("i", [IGNORED]) * len(self.ids)
        for start, end in self.learned:
            labels[start:end] = self.ids[start:end]
        return labels

    @property
    def trained_tokens(self) -> int:
        """So many of the ids are learned."""
        return sum(end - start for start, end in self.learned)


class Renderer:
    """Renders and tokenises rows with one tokenizer."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.encoder = PieceEncoder(tokenizer)
        known = tokenizer.get_vocab()
        stops = frozenset(stop for stop in (TURN_END, tokenizer.eos_token) if stop in known)
        self.answers = Answers(tokenizer, stops)
        self.stop_ids = {known[stop] for stop in stops}

    def render(self, rows: Sequence[Row]) -> list[Rendered]:
        """The rows as ids; BadData at the first whose template cannot be rendered, or split into prompt and answer."""
        texts = [self.answers.find(row) for row in rows]
        encoded = self.encoder.encode([text.text for text in texts])
        return [self._rendered(text, each) for text, each in zip(texts, encoded, strict=True)]

    def stops(self, rendered: Rendered) -> bool:
        """Whether every answer that is learned ends with a token that ends the turn."""
        return all(rendered.ids[end - 1] in self.stop_ids for _, end in rendered.learned)

    def _rendered(self, text: Text, encoded: Encoded) -> Rendered:
        learned = []
        for index, start, end in text.answers:
            first = self.encoder.tokens_before(encoded, start)
            if first is None:
                raise BadData(
                    f"{text.row.origin}: messages[{index}]: the answer {text.text[start : start + 20]!r} begins inside "
                    "of a token that its prompt begins: leave out the white space before it"
                )
            behind = self.encoder.tokens_before(encoded, end)
            if behind is None:
                last = text.text[max(start, end - 20) : end]
                raise BadData(
                    f"{text.row.origin}: messages[{index}]: the answer's end {last!r} is one token with what "
                    " follows it: use a model whose chat template ends a turn with a special token"
                )
            learned.append((first, behind))
        return Rendered(encoded.ids[: learned[-1][1] if learned else 0], tuple(learned))


def load_tokenizer(folder: str) -> PreTrainedTokenizerFast:
    """The model's tokenizer; BadData when it cannot render or locate chat turns."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if tokenizer.chat_template is None:
        raise BadData(f"{folder} has no chat template: add chat_template.jinja to the model's folder")
    if not isinstance(tokenizer, PreTrainedTokenizerFast):
        raise BadData(f"{folder} has no fast tokenizer (tokenizer.json), which the loss mask needs")
    return tokenizer


def tokenize(tokenizer: PreTrainedTokenizerFast, row: Row) -> Tokens:
    """Token ids and labels of a row; BadData when its template cannot be rendered, or split into prompt and answer."""
    [rendered] = _renderer(tokenizer).render([row])
    return Tokens(input_ids=rendered.ids.tolist(), labels=rendered.labels.tolist())


@lru_cache(maxsize=2)
def _renderer(tokenizer: PreTrainedTokenizerFast) -> Renderer:
    return Renderer(tokenizer)


def prompt_ids(tokenizer: PreTrainedTokenizerFast, row: Row, index: int) -> list[int]:
    """The ids that a server feeds to the model to get message `index`."""
    return _whole_ids(tokenizer, render(tokenizer, row, index, add_generation_prompt=True))


def check_parity(tokenizer: PreTrainedTokenizerFast, row: Row, tokens: Tokens) -> None:
    """BadData unless the ids are those of the whole text, and every learned answer follows what a server prompts."""
    if _whole_ids(tokenizer, render(tokenizer, row, len(row.messages)))[: len(tokens.input_ids)] != tokens.input_ids:
        raise BadData(
            f"{row.origin}: its ids, found piece by piece, differ from those of its whole text: the tokenizer joins "
            "what stands apart in all other texts that were tried; leave the row out"
        )
    for index, message in enumerate(row.messages):
        if message["role"] == "assistant" and message.get("weight", 1):
            prompt = prompt_ids(tokenizer, row, index)
            if tokens.input_ids[: len(prompt)] != prompt or tokens.labels[len(prompt)] == IGNORED:
                raise BadData(
                    f"{row.origin}: messages[{index}]: the training ids differ from the ids that a server would render "
                    "as the prompt of this answer; the chat template or the tokenizer is not prefix-stable"
                )


def _whole_ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids
