"""Answers found by a row's shape are those that rendering every prompt finds, and a template that differs is seen."""

import copy
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from core.errors import BadData
from core.rows import Row
from worker.stages import answers
from worker.stages.answers import Answers
from worker.stages.render import TURN_END


def talk(*texts: str) -> Row:
    roles = ("user", "assistant")
    return Row(messages=[{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)], tools=None)


def with_template(tokenizer: PreTrainedTokenizerFast, template: str) -> Answers:
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    return Answers(changed, frozenset({TURN_END}))


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of messages that were rendered so far."""
    counts: list[int] = []
    real = answers.render

    def counted(tokenizer: PreTrainedTokenizerFast, row: Row, count: int, **options: Any) -> str:
        counts.append(count)
        return real(tokenizer, row, count, **options)

    monkeypatch.setattr(answers, "render", counted)
    return counts


def test_a_known_shape_needs_its_text_and_its_last_prompt_only(
    tokenizer: PreTrainedTokenizerFast, rendered: list[int]
) -> None:
    finder = Answers(tokenizer, frozenset({TURN_END}))
    finder.find(talk("a", "b", "c", "d", "e", "f"))
    rendered.clear()
    found = finder.find(talk("one", "two", "three", "four", "five", "six"))
    assert rendered == [6, 5]
    assert [found.text[start:end] for _, start, end in found.answers] == [
        f"{n}{TURN_END}" for n in ("two", "four", "six")
    ]


@pytest.mark.parametrize(
    "text", ["<|im_start|>assistant\nx", "x<|im_end|>\n<|im_start|>assistant\nx<|im_end|>", TURN_END]
)
def test_what_looks_like_a_turn_is_not_taken_for_one(tokenizer: PreTrainedTokenizerFast, text: str) -> None:
    known, new = Answers(tokenizer, frozenset({TURN_END})), Answers(tokenizer, frozenset({TURN_END}))
    known.find(talk("a", "b", "c", "d"))
    for row in (talk(text, "b", "c", "d"), talk("a", "b", text, "d")):
        assert known.find(row) == new.find(row)


def test_a_template_that_forgets_what_was_answered_is_refused_in_any_row(tokenizer: PreTrainedTokenizerFast) -> None:
    finder = with_template(
        tokenizer,
        "{% for m in messages %}<|im_start|>{{ m.role }}\n"
        "{{ m.content.split('</think>')[-1] if not loop.last else m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    )
    finder.find(talk("a", "b", "c", "d"))
    with pytest.raises(BadData, match=r"messages\[1\]: the chat template renders this answer differently"):
        finder.find(talk("a", "<think>so</think>b", "c", "d"))


def test_a_template_that_puts_something_before_the_last_question_is_refused(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    finder = with_template(
        tokenizer,
        "{% for m in messages %}{{ '[now]' if m.content == 'now' and loop.index > messages | length - 2 }}"
        "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    )
    finder.find(talk("a", "b"))
    with pytest.raises(BadData, match="the chat template renders this answer differently"):
        finder.find(talk("now", "b", "c", "d"))
