"""What a server is asked about is what is trained, some of each kind; before training, only where one can be asked."""

from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from bench.ports import free_port
from core.parity import FILE, Question, load, save
from core.rows import Row
from tests.conftest import Services, forget_settings
from tests.worker.programs import new_keeper
from tests.worker.training import run_directory, run_to_end
from worker.parity import ParityBeforeTraining
from worker.report import Reporter
from worker.stages.parity import sample
from worker.stages.render import IGNORED, tokenize
from worker.stages.run_dir import Exit

TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": {"type": "object"}}}
]
TEXT: dict[str, Any] = {"role": "assistant", "content": "Done."}
RESULT: dict[str, Any] = {"role": "tool", "content": "42"}


def asks(number: int = 0) -> dict[str, Any]:
    return {"role": "user", "content": f"Do number {number}"}


def calls(*values: int) -> dict[str, Any]:
    made = [{"function": {"name": "f", "arguments": {"x": value}}} for value in values]
    return {"role": "assistant", "content": "", "tool_calls": made}


def kinds(found: list[Question]) -> list[str]:
    return [question.kind for question in found]


def test_every_kind_of_answer_is_told_apart(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [
        Row([asks(), calls(1), RESULT, TEXT], TOOLS, origin="a"),
        Row([asks(), calls(1, 2)], TOOLS, origin="b"),
        Row([asks(), TEXT], TOOLS, origin="c"),
        Row([asks(), TEXT, asks(), TEXT], None, origin="d"),
    ]
    found = sample(tokenizer, rows, 512)
    assert kinds(found) == ["chat", "chat", "multi_turn", "none", "parallel", "single"]
    assert [question.row for question in found][2:] == [
        "a, messages[3]",
        "c, messages[1]",
        "b, messages[1]",
        "a, messages[1]",
    ]
    assert found[4].calls == [{"name": "f", "arguments": {"x": 1}}, {"name": "f", "arguments": {"x": 2}}]


def test_a_question_is_a_prompt_and_an_answer_as_they_are_trained(tokenizer: PreTrainedTokenizerFast) -> None:
    row = Row([asks(), calls(1), RESULT, {**TEXT, "weight": 0}, asks(), calls(2)], TOOLS)
    tokens = tokenize(tokenizer, row)
    last, first = sample(tokenizer, [row], 512)
    for question in (first, last):
        start, end = len(question.prompt_ids), len(question.prompt_ids + question.answer_ids)
        assert tokens.input_ids[:end] == question.prompt_ids + question.answer_ids
        assert tokens.labels[start - 1] == IGNORED
        assert tokens.labels[start:end] == question.answer_ids
        assert tokenizer.decode(question.answer_ids[-1]) == "<|im_end|>"
    assert first.messages == [asks()]
    assert last.messages[1]["tool_calls"][0]["function"]["arguments"] == '{"x": 1}'
    assert last.messages[2]["tool_call_id"] == last.messages[1]["tool_calls"][0]["id"]


def test_they_come_from_all_over_the_rows_and_are_the_same_every_time(tokenizer: PreTrainedTokenizerFast) -> None:
    rows = [Row([asks(number), TEXT], None, origin=f"row {number}") for number in range(40)]
    found = sample(tokenizer, rows, 512, per_kind=4)
    assert [question.row for question in found] == [f"row {number}, messages[1]" for number in (0, 10, 20, 30)]
    assert sample(tokenizer, rows, 512, per_kind=4) == found


def test_what_is_too_long_to_be_trained_gives_its_place_to_others(tokenizer: PreTrainedTokenizerFast) -> None:
    long = Row([{"role": "user", "content": "word " * 200}, TEXT], None, origin="long")
    found = sample(tokenizer, [long, *(Row([asks(number), TEXT], None) for number in range(3))], 100, per_kind=2)
    assert [question.row for question in found] == ["a row, messages[1]"] * 2


def test_preparing_leaves_them_in_the_run_directory(tmp_path: Path) -> None:
    run = run_directory(tmp_path / "job", rows=5)
    assert run_to_end("prepare", run) == Exit.DONE
    expected = [f"rows.jsonl, row {number}, messages[1]" for number in range(1, 6)]
    assert [question.row for question in load(run)] == expected


def test_without_a_model_of_the_base_nobody_is_asked(database: Services, tmp_path: Path) -> None:
    keeper = new_keeper()
    record = ParityBeforeTraining(keeper, Reporter(keeper)).check("chat", tmp_path, None)
    assert (record.checked, record.why) == (False, "no model of this base was live before training")


@pytest.mark.usefixtures("database")
def test_a_gateway_that_cannot_be_asked_leaves_the_check_to_the_deployment(
    tokenizer: PreTrainedTokenizerFast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = new_keeper()
    check = ParityBeforeTraining(keeper, Reporter(keeper))
    assert "nothing to ask about" in (check.check("chat", tmp_path, "base").why or "")
    save(tmp_path, sample(tokenizer, [Row([asks(), TEXT], None)], 512))
    assert (tmp_path / FILE).exists()
    monkeypatch.setenv("TUNESMITH_INFERENCE_URL", f"http://127.0.0.1:{free_port()}")
    forget_settings()
    try:
        record = check.check("chat", tmp_path, "base")
    finally:
        monkeypatch.undo()
        forget_settings()
    assert not record.checked
    assert "could not be asked before training: ConnectError" in (record.why or "")
