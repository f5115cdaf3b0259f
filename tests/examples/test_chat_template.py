"""The tiny model's chat template writes exactly what Qwen2.5's does, but for a plain default system prompt."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

TINY_BASE = Path(__file__).parents[2] / "examples" / "tiny-base"
TOOL_ONE = {"type": "function", "function": {"name": "one", "description": "Ünö.", "parameters": {"z": 1, "a": [2]}}}
TOOL_TWO = {"type": "function", "function": {"name": "two"}}
SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
TOOLS = """

# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
{"type": "function", "function": {"name": "one", "description": "Ünö.", "parameters": {"z": 1, "a": [2]}}}
{"type": "function", "function": {"name": "two"}}
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
<tool_call>
{"name": <function-name>, "arguments": <args-json-object>}
</tool_call><|im_end|>
"""


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    loaded: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(TINY_BASE)  # type: ignore[assignment]
    return loaded


def call(name: str, **arguments: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


USER = {"role": "user", "content": "Hi"}
Tools = list[dict[Any, Any] | Callable[..., Any]]
CASES: dict[str, tuple[list[dict[str, Any]], Tools | None, str]] = {
    "default system prompt": ([USER], None, SYSTEM + "<|im_start|>user\nHi<|im_end|>\n"),
    "own system prompt": (
        [{"role": "system", "content": "Be short."}, USER],
        None,
        "<|im_start|>system\nBe short.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    ),
    "tools under the default system prompt": (
        [USER],
        [TOOL_ONE, TOOL_TWO],
        "<|im_start|>system\nYou are a helpful assistant." + TOOLS + "<|im_start|>user\nHi<|im_end|>\n",
    ),
    "tools under an own system prompt": (
        [{"role": "system", "content": "Be short."}, USER],
        [TOOL_ONE, TOOL_TWO],
        "<|im_start|>system\nBe short." + TOOLS + "<|im_start|>user\nHi<|im_end|>\n",
    ),
    "a later system message": (
        [USER, {"role": "system", "content": "Now shout."}],
        None,
        SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>system\nNow shout.<|im_end|>\n",
    ),
    "plain answer": (
        [USER, {"role": "assistant", "content": "Hello!"}],
        None,
        SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n",
    ),
    "calls without words": (
        [USER, {"role": "assistant", "content": None, "tool_calls": [call("one", b="ä", a=1), call("two")]}],
        None,
        SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "one", "arguments": {"b": "ä", "a": 1}}\n</tool_call>\n'
        '<tool_call>\n{"name": "two", "arguments": {}}\n</tool_call><|im_end|>\n',
    ),
    "a call after words": (
        [USER, {"role": "assistant", "content": "Wait.", "tool_calls": [{"name": "two", "arguments": {}}]}],
        None,
        SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nWait.\n"
        '<tool_call>\n{"name": "two", "arguments": {}}\n</tool_call><|im_end|>\n',
    ),
    "results share a turn": (
        [USER, {"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}, USER],
        None,
        SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>user\n<tool_response>\n1\n</tool_response>"
        "\n<tool_response>\n2\n</tool_response><|im_end|>\n<|im_start|>user\nHi<|im_end|>\n",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_writes_qwens_format(tokenizer: PreTrainedTokenizerFast, case: str) -> None:
    messages, tools, expected = CASES[case]
    assert tokenizer.apply_chat_template(messages, tools=tools, tokenize=False) == expected


def test_generation_prompt_opens_the_assistants_turn(tokenizer: PreTrainedTokenizerFast) -> None:
    text = tokenizer.apply_chat_template([USER], tokenize=False, add_generation_prompt=True)
    assert text == SYSTEM + "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
