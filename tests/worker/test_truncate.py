"""A conversation is cut by whole turns from the left; its system prompt, tools and last answer stay."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from core.rows import Row
from tests.worker.test_render import rows
from worker.stages.render import Renderer
from worker.stages.truncate import cut_left, turns


@pytest.fixture(scope="module")
def renderer(tokenizer: PreTrainedTokenizerFast) -> Renderer:
    return Renderer(tokenizer)


@settings(max_examples=150, deadline=None)
@given(row=rows(), limit=st.integers(16, 400))
def test_a_cut_row_fits_and_is_the_longest_that_does(renderer: Renderer, row: Row, limit: int) -> None:
    [whole] = renderer.render([row])
    if len(whole.ids) <= limit:
        return
    starts, head = turns(row), [message for message in row.messages[:1] if message["role"] == "system"]
    choices = [Row([*head, *row.messages[start:]], row.tools) for start in starts[1:]]
    fitting = [(choice, ids) for choice in choices if len(ids := renderer.render([choice])[0].ids) <= limit]
    cut = cut_left(renderer, row, limit)
    if not fitting:
        assert cut is None
        return
    assert cut is not None
    longest, ids = fitting[0]
    assert (cut[0].messages, cut[0].tools, cut[1].ids) == (longest.messages, row.tools, ids)
    assert cut[1].ids[-1] == whole.ids[-1]


def test_calls_and_their_results_are_never_parted() -> None:
    call = {"type": "function", "function": {"name": "f", "arguments": {}}}
    exchange: list[dict[str, Any]] = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "1"},
        {"role": "assistant", "content": "b"},
    ]
    assert turns(Row(messages=[*exchange, *exchange], tools=None)) == [0, 4]


def test_the_turn_of_the_last_learned_answer_stays_whatever_follows() -> None:
    user: dict[str, Any] = {"role": "user", "content": "a"}
    learned: dict[str, Any] = {"role": "assistant", "content": "c"}
    masked = {**learned, "weight": 0}
    assert turns(Row(messages=[user, masked, user, learned, user, masked], tools=None)) == [0, 2]
