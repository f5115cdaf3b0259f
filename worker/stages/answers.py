"""A row as the text that the model's chat template makes of it, and where in that the learned answers stand.

An answer begins behind its prompt, which is rendered as a server would (`add_generation_prompt`), and ends with the
token that ends the turn.  Rendering every prompt of a long conversation costs many times its text.  So that is done for
one row of each shape (who speaks, with how many calls); where the answers of that row are just the turns that the
generation prompt opens, those of further rows of the shape are found so too, and only the last prompt is rendered.
"""

from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerFast

from core.errors import BadData
from core.rows import Row

_SHAPES = 10_000
"""So many shapes are remembered."""


@dataclass(frozen=True)
class Text:
    """A rendered row, and its learned answers: (message, first character, behind the last)."""

    row: Row
    text: str
    answers: tuple[tuple[int, int, int], ...]


class Answers:
    """Renders rows with one tokenizer's chat template."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, stops: frozenset[str]) -> None:
        """`stops` are the special tokens that end a turn."""
        self.tokenizer, self.stops = tokenizer, stops
        self._turns: dict[tuple[Any, ...], tuple[str, str]] = {}
        """For each shape what stands before an answer, and the token behind it."""

    def find(self, row: Row) -> Text:
        """BadData when the template cannot render the row, or would render an answer otherwise while it is served."""
        text, shape = render(self.tokenizer, row, len(row.messages)), _shape(row)
        spoken = [i for i, message in enumerate(row.messages) if message["role"] == "assistant"]
        learned = [i for i in spoken if row.messages[i].get("weight", 1)]
        if learned and shape in self._turns:
            spans = _opened(row, text, spoken, *self._turns[shape])
            if spans is not None and text[: spans[learned[-1]][0]] == self._prompt(row, learned[-1]):
                return Text(row, text, tuple((i, *spans[i]) for i in learned))
        answers = tuple((i, *self._span(row, i, text)) for i in learned)
        if answers and len(self._turns) < _SHAPES:
            self._remember(row, text, shape, spoken, answers)
        return Text(row, text, answers)

    def _prompt(self, row: Row, index: int) -> str:
        return render(self.tokenizer, row, index, add_generation_prompt=True)

    def _span(self, row: Row, index: int, text: str) -> tuple[int, int]:
        """Behind the prompt, up to and with the end-of-turn token."""
        prompt = self._prompt(row, index)
        through = text if index + 1 == len(row.messages) else render(self.tokenizer, row, index + 1)
        if not text.startswith(through) or not through.startswith(prompt):
            raise BadData(
                f"{row.origin}: messages[{index}]: the chat template renders this answer differently once later "
                "messages follow; train on rows that end with it, or use a model whose template keeps the history "
                "unchanged"
            )
        return len(prompt), len(through.rstrip("\n"))

    def _remember(
        self, row: Row, text: str, shape: tuple[Any, ...], spoken: list[int], answers: tuple[tuple[int, int, int], ...]
    ) -> None:
        """Remember the shape if its answers are the turns that the generation prompt opens."""
        _, start, end = answers[-1]
        stop = next((stop for stop in self.stops if text.endswith(stop, start, end)), None)
        if stop is None or (before := text.rfind(stop, 0, start)) < 0:
            return
        opening = text[before:start]
        spans = _opened(row, text, spoken, opening, stop)
        if spans is not None and all(spans[index] == (first, behind) for index, first, behind in answers):
            self._turns[shape] = opening, stop


def render(tokenizer: PreTrainedTokenizerFast, row: Row, count: int, **options: Any) -> str:
    """The first messages of the row as text."""
    tools: list[Any] | None = row.tools
    try:
        rendered = tokenizer.apply_chat_template(row.messages[:count], tools=tools, tokenize=False, **options)
    except (TemplateError, LookupError, TypeError, ValueError) as error:
        where = "messages" if count == len(row.messages) else f"messages[:{count}]"
        raise BadData(
            f"{row.origin}: {where}: the chat template cannot render them ({type(error).__name__}: {error}); mend or "
            "leave out the row, or use a model whose template takes it"
        ) from error
    assert isinstance(rendered, str)
    return rendered


def _shape(row: Row) -> tuple[Any, ...]:
    turns = ((m["role"], bool(m["content"].strip()), len(m.get("tool_calls") or ())) for m in row.messages)
    return bool(row.tools), *turns


def _opened(row: Row, text: str, spoken: list[int], opening: str, stop: str) -> dict[int, tuple[int, int]] | None:
    """Where each assistant turn stands, as the opening and the stop say; None unless the text is just so."""
    if text.count(opening) != len(spoken):
        return None
    spans, position = {}, 0
    for index in spoken:
        start = text.index(opening, position) + len(opening)
        end = text.find(stop, start) + len(stop)
        if end < len(stop) or row.messages[index]["content"].strip() not in text[start:end]:
            return None
        spans[index] = start, end
        position = end - len(stop)  # the stop begins the next opening
    return spans
