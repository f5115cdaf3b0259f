"""Rows of every form, rendered: what the assistant says is learned, nothing else, and its calls are read back."""

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from transformers import PreTrainedTokenizerFast

from core.rows import Row, convert, read_rows
from tests.core.rows.conversations import rows
from tests.core.rows.wire_forms import as_openai, as_sharegpt
from worker.stages.render import IGNORED, check_parity, tokenize
from worker.stages.wire import written_calls

SHARED_DATA = Path(__file__).parents[3] / "shared" / "data"
needs_real_rows = pytest.mark.skipif(not SHARED_DATA.exists(), reason="the folder with real public rows is not here")
END = "<|im_end|>"
NO_CALL = {"role": "assistant", "content": "None of the tools can do that."}


def said(message: dict[str, Any]) -> str:
    """What a model writes to say the message."""
    calls = [call["function"] for call in message.get("tool_calls", [])]
    written = [
        f'<tool_call>\n{{"name": "{call["name"]}", "arguments": {json.dumps(call["arguments"], ensure_ascii=False)}}}\n'
        "</tool_call>"
        for call in calls
    ]
    texts = [message["content"], *written] if message["content"] else written
    return "\n".join(texts) + END


def trained(tokenizer: PreTrainedTokenizerFast, row: Row) -> list[str]:
    """The texts that are learned, one for each run of trained tokens; all others are ignored."""
    tokens = tokenize(tokenizer, row)
    check_parity(tokenizer, row, tokens)
    runs: list[list[int]] = [[]]
    for token, label in zip(tokens.input_ids, tokens.labels, strict=True):
        if label == IGNORED:
            runs.append([])
        else:
            assert label == token
            runs[-1].append(token)
    return [str(tokenizer.decode(run)) for run in runs if run]


def check(tokenizer: PreTrainedTokenizerFast, row: Row) -> int:
    """What is learned is what the assistant says, and nothing else; returns how many calls were read back from it."""
    learned = [m for m in row.messages if m["role"] == "assistant" and m.get("weight", 1)]
    texts = trained(tokenizer, row)
    assert texts == [unicodedata.normalize("NFC", said(message)) for message in learned]  # as Qwen's tokenizer does
    for message in learned:
        expected = [call["function"] for call in message.get("tool_calls", [])]
        assert written_calls(said(message)) == expected
    for tool in row.tools or []:
        Draft202012Validator.check_schema(tool["function"]["parameters"])
    return sum(len(message.get("tool_calls", [])) for message in learned)


def is_plain(row: Row) -> bool:
    """Whether no text holds what the template marks turns and calls with."""
    text = json.dumps([row.messages, row.tools], ensure_ascii=False)
    return "<|" not in text and "tool_call" not in text.replace('"tool_calls"', "")


@settings(max_examples=60, deadline=None)
@given(row=rows().filter(is_plain))
@pytest.mark.parametrize("form", ["openai", "sharegpt"])
def test_what_the_assistant_says_is_learned_and_read_back(
    tokenizer: PreTrainedTokenizerFast, form: str, row: Row
) -> None:
    written = as_openai(row) if form == "openai" else as_sharegpt(row)
    check(tokenizer, convert(written, form))


@needs_real_rows
@pytest.mark.parametrize(("name", "count", "calls"), [("glaive_toolcall_300", 300, 211), ("alpaca_1000", 999, 0)])
def test_public_rows_are_learned_whole(tokenizer: PreTrainedTokenizerFast, name: str, count: int, calls: int) -> None:
    found = list(read_rows(SHARED_DATA / f"{name}.json"))
    assert (len(found), sum(check(tokenizer, row) for row in found)) == (count, calls)


@needs_real_rows
@pytest.mark.parametrize(
    ("name", "count", "calls"), [("simple_python", 400, 400), ("multiple", 200, 200), ("irrelevance", 240, 0)]
)
def test_public_questions_with_their_answers_are_learned_whole(
    tokenizer: PreTrainedTokenizerFast, name: str, count: int, calls: int, tmp_path: Path
) -> None:
    path = tmp_path / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in benchmark_rows(name)))
    found = list(read_rows(path))
    assert (len(found), sum(check(tokenizer, row) for row in found)) == (count, calls)


def benchmark_rows(name: str) -> list[dict[str, Any]]:
    """The benchmark's questions as OpenAI rows, answered with the first values that it accepts."""
    folder = SHARED_DATA / "bfcl"
    questions = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    answers = [NO_CALL] * len(questions)
    if (accepted := folder / "possible_answer" / f"{name}.jsonl").exists():
        answers = [answer(json.loads(line)["ground_truth"]) for line in accepted.read_text().splitlines()]
    return [
        {"messages": [*question["question"][0], message], "tools": question["function"]}
        for question, message in zip(questions, answers, strict=True)
    ]


def answer(truth: list[dict[str, dict[str, list[Any]]]]) -> dict[str, Any]:
    """An assistant message that makes the accepted calls; an argument that may be left out is."""
    calls = [
        {"name": name, "arguments": json.dumps({key: values[0] for key, values in given.items() if "" not in values})}
        for call in truth
        for name, given in call.items()
    ]
    return {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": c} for c in calls]}
