"""Rows as token ids: the model's own chat template, and loss on exactly what the assistant says.

The prompt of every assistant turn is rendered as a server would render it (`add_generation_prompt`), so what is
trained is what will be served.  The closing `<|im_end|>` is learned too, or the tuned model never stops.
"""

from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from core.errors import BadData
from core.rows import Row
from worker.stages.served import served_messages, served_tools

IGNORED = -100
"""The label of a token that is not learned."""


@dataclass(frozen=True)
class Tokens:
    """A rendered row: `input_ids` and `labels` of equal length."""

    input_ids: list[int]
    labels: list[int]


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
    text = _render(tokenizer, row, len(row.messages))
    learned = [i for i, m in enumerate(row.messages) if m["role"] == "assistant" and m.get("weight", 1)]
    spans = [(index, *_answer_span(tokenizer, row, index, text)) for index in learned]
    encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    labels = [IGNORED] * len(encoded["input_ids"])
    position = 0
    for index, start, end in spans:
        while encoded["offset_mapping"][position][1] <= start:
            position += 1
        if encoded["offset_mapping"][position][0] < start:
            raise BadData(
                f"{row.origin}: messages[{index}]: the answer {text[start : start + 20]!r} begins inside of a token "
                "that its prompt begins: leave out the white space before it"
            )
        while position < len(labels) and encoded["offset_mapping"][position][0] < end:
            labels[position] = encoded["input_ids"][position]
            position += 1
    last = max((i for i, label in enumerate(labels) if label != IGNORED), default=-1)
    return Tokens(input_ids=encoded["input_ids"][: last + 1], labels=labels[: last + 1])


def prompt_ids(tokenizer: PreTrainedTokenizerFast, row: Row, index: int) -> list[int]:
    """The ids that a server feeds to the model to get message `index`."""
    text = _render(tokenizer, row, index, add_generation_prompt=True)
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def check_parity(tokenizer: PreTrainedTokenizerFast, row: Row, tokens: Tokens) -> None:
    """BadData unless every trained answer follows exactly the ids that serving would prompt with."""
    for index, message in enumerate(row.messages):
        if message["role"] == "assistant" and message.get("weight", 1):
            prompt = prompt_ids(tokenizer, row, index)
            if tokens.input_ids[: len(prompt)] != prompt or tokens.labels[len(prompt)] == IGNORED:
                raise BadData(
                    f"{row.origin}: messages[{index}]: the training ids differ from the ids that a server would render "
                    "as the prompt of this answer; the chat template or the tokenizer is not prefix-stable"
                )


def _render(tokenizer: PreTrainedTokenizerFast, row: Row, count: int, **options: Any) -> str:
    tools: list[Any] | None = served_tools(row.tools)
    messages = served_messages(row.messages[:count], str(tokenizer.chat_template))
    try:
        rendered = tokenizer.apply_chat_template(messages, tools=tools, tokenize=False, **options)
    except (TemplateError, LookupError, TypeError, ValueError) as error:
        where = "messages" if count == len(row.messages) else f"messages[:{count}]"
        raise BadData(
            f"{row.origin}: {where}: the chat template cannot render them ({type(error).__name__}: {error}); mend or "
            "leave out the row, or use a model whose template takes it"
        ) from error
    assert isinstance(rendered, str)
    return rendered


def _answer_span(tokenizer: PreTrainedTokenizerFast, row: Row, index: int, text: str) -> tuple[int, int]:
    """Where an answer stands in the rendered text: behind its prompt, up to and with the end-of-turn token."""
    prompt = _render(tokenizer, row, index, add_generation_prompt=True)
    through = _render(tokenizer, row, index + 1)
    if not text.startswith(through) or not through.startswith(prompt):
        raise BadData(
            f"{row.origin}: messages[{index}]: the chat template renders this answer differently once later messages "
            "follow; train on rows that end with it, or use a model whose template keeps the history unchanged"
        )
    return len(prompt), len(through.rstrip("\n"))
