"""Rows of chat become figures with their number of rows, and are kept as they were measured."""

import math
from pathlib import Path

import pytest

from core.chat_regression import ChatRow, compare_chat
from worker.stages.chat_quality import ChatAnswer, keep, kept, lengths, summarise_chat


def row(number: int, nats: float = 20.0, tokens: int = 10, length: int = 9, **changes: bool) -> ChatRow:
    faults = {"stopped": True, "empty": False, "repetitive": False, **changes}
    return ChatRow(key=f"row {number}", nats=nats, tokens=tokens, answer_tokens=length, reference_tokens=12, **faults)


def test_the_loss_is_that_of_a_token_whatever_the_length_of_its_row() -> None:
    loss = summarise_chat([row(1, nats=10, tokens=10), row(2, nats=30, tokens=90)], None)["loss"]
    assert loss == {"value": 0.4, "perplexity": round(math.exp(0.4), 3), "tokens": 100}


def test_every_share_has_its_rows_and_an_interval() -> None:
    rows = [row(1, stopped=False, repetitive=True), row(2, empty=True), row(3), row(4)]
    chat = summarise_chat(rows, None)
    assert [chat[name]["value"] for name in ("stop_rate", "empty_rate", "repetition_rate")] == [0.75, 0.25, 0.25]
    assert all(chat[name]["n"] == 4 for name in ("stop_rate", "empty_rate", "repetition_rate"))
    assert chat["stop_rate"]["low"] < 0.75 < chat["stop_rate"]["high"]
    assert chat["regression"] is None


def test_rows_without_a_learned_token_have_no_loss() -> None:
    assert summarise_chat([row(1, nats=0, tokens=0)], None)["loss"] is None


def test_a_model_that_holds_everything_for_impossible_has_a_loss_but_no_perplexity() -> None:
    loss = summarise_chat([row(1, nats=99_990, tokens=10)], None)["loss"]
    assert loss == {"value": 9999.0, "perplexity": None, "tokens": 10}


def test_a_regression_is_part_of_the_figures() -> None:
    earlier, later = [row(n) for n in range(5)], [row(n, nats=30) for n in range(5)]
    chat = summarise_chat(later, compare_chat("chat", earlier, later))
    assert chat["regression"]["before"] == "chat"
    assert chat["regression"]["loss"] == {"value": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [([7], (7, 7, 7)), ([3, 1, 2], (2, 2, 3)), (list(range(1, 101)), (50.5, 50, 95)), ([0] * 99 + [1000], (10, 0, 0))],
)
def test_lengths_are_ones_that_occur(tokens: list[int], expected: tuple[float, float, float]) -> None:
    assert tuple(lengths(tokens).values()) == expected


def test_rows_are_read_as_they_were_kept(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Say it\nin two lines\u2028or three"}]
    answers = [ChatAnswer(messages=asked, content="half a pair: \ud83d, a NUL: \0", row=row(n)) for n in range(3)]
    keep(tmp_path, answers)
    assert kept(tmp_path) == answers
    assert kept(tmp_path / "elsewhere") == []
