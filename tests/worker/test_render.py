"""The loss mask holds exactly what the assistant says, and training prompts equal serving prompts."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from core.errors import BadData
from core.rows import Row
from worker.stages.render import IGNORED, check_parity, tokenize

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda text: text.strip() and "<|" not in text and "tool_" not in text
)
VALUE = st.one_of(TEXT, st.integers(-1000, 1000), st.booleans(), st.lists(TEXT, max_size=2))
CALL = st.builds(
    lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
    st.sampled_from(["get_weather", "send_email"]),
    st.dictionaries(st.sampled_from(["city", "body"]), VALUE, max_size=2),
)
TOOL = {"type": "function", "function": {"name": "get_weather", "description": "", "parameters": {"type": "object"}}}


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """A conversation of one to three exchanges, with and without tools."""
    messages: list[dict[str, Any]] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(TEXT)})
    for _ in range(draw(st.integers(1, 3))):
        messages.append({"role": "user", "content": draw(TEXT)})
        calls = draw(st.lists(CALL, max_size=2))
        if calls:
            messages.append({"role": "assistant", "content": "", "tool_calls": calls})
            messages += [{"role": "tool", "content": draw(TEXT)} for _ in calls]
        messages.append({"role": "assistant", "content": draw(TEXT).lstrip()})
    return Row(messages=messages, tools=draw(st.sampled_from([None, [TOOL]])))


@settings(max_examples=150, deadline=None)
@given(row=rows())
def test_trained_tokens_are_exactly_the_answers(tokenizer: PreTrainedTokenizerFast, row: Row) -> None:
    tokens = tokenize(tokenizer, row)
    trained = tokenizer.decode(
        [i for i, label in zip(tokens.input_ids, tokens.labels, strict=True) if label != IGNORED]
    )
    expected = ""
    for index, message in enumerate(row.messages):
        if message["role"] == "assistant":
            tools: list[Any] | None = row.tools
            until = tokenizer.apply_chat_template(row.messages[: index + 1], tools=tools, tokenize=False)
            prompt = tokenizer.apply_chat_template(
                row.messages[:index], tools=tools, tokenize=False, add_generation_prompt=True
            )
            expected += str(until).removeprefix(str(prompt)).rstrip("\n")
    assert trained == unicodedata.normalize("NFC", expected)  # as Qwen's tokenizer does
    assert all(label in (IGNORED, i) for i, label in zip(tokens.input_ids, tokens.labels, strict=True))


@settings(max_examples=150, deadline=None)
@given(row=rows())
def test_every_answer_follows_the_prompt_that_a_server_renders(tokenizer: PreTrainedTokenizerFast, row: Row) -> None:
    check_parity(tokenizer, row, tokenize(tokenizer, row))


def test_the_end_of_the_turn_is_learned(tokenizer: PreTrainedTokenizerFast) -> None:
    row = Row(messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], tools=None)
    tokens = tokenize(tokenizer, row)
    assert tokens.labels[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_an_answer_that_melts_into_its_prompt_is_refused(tokenizer: PreTrainedTokenizerFast) -> None:
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "\n\nHello"}]
    row = Row(messages=messages, tools=None, origin="rows.jsonl, row 7")
    with pytest.raises(BadData, match=r"^rows\.jsonl, row 7: messages\[1\]: the answer .* begins inside of a token"):
        tokenize(tokenizer, row)


def test_an_answer_of_weight_zero_is_masked(tokenizer: PreTrainedTokenizerFast) -> None:
    first = {"role": "assistant", "content": "wrong", "weight": 0}
    user = {"role": "user", "content": "Hi"}
    row = Row(messages=[user, first, user, {"role": "assistant", "content": "right"}], tools=None)
    trained = [label for label in tokenize(tokenizer, row).labels if label != IGNORED]
    assert tokenizer.decode(trained) == "right<|im_end|>"


@pytest.mark.parametrize("count", [0, 1])
def test_only_masked_answers_leave_nothing_to_train(tokenizer: PreTrainedTokenizerFast, count: int) -> None:
    masked = [{"role": "assistant", "content": "wrong", "weight": 0}] * count
    tokens = tokenize(tokenizer, Row(messages=[{"role": "user", "content": "Hi"}, *masked], tools=None))
    assert tokens.input_ids == []
