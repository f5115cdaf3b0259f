"""Answers that were given are found again, whatever the run that asked ended by."""

from pathlib import Path
from typing import Any

import pytest

from worker.stages.answer_log import AnswerLog


def request(number: int, model: str = "m") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"{number} \ud800 \0"}]}


def filled(path: Path, count: int) -> None:
    with AnswerLog(path) as log:
        for number in range(count):
            log.add(request(number), {"content": f"answer {number} \udfff \0"})


def test_an_answer_is_that_of_the_very_request(tmp_path: Path) -> None:
    filled(tmp_path / "asked.jsonl", 3)
    with AnswerLog(tmp_path / "asked.jsonl") as log:
        assert len(log) == 3
        assert log.find(request(1)) == {"content": "answer 1 \udfff \0"}
        assert log.find(request(3)) is None
        assert log.find(request(1, model="another")) is None
        assert log.find({**request(1), "max_tokens": 7}) is None


@pytest.mark.parametrize(
    "torn", [b'{"request": "a', b'{"request": "a", "answer"', b"\0\0\0", b'{"request": "a"}\n', b"7\n"]
)
def test_a_torn_last_line_is_cut_off_and_later_ones_follow_the_whole_ones(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "asked.jsonl"
    filled(path, 2)
    path.write_bytes(path.read_bytes() + torn)
    with AnswerLog(path) as log:
        assert len(log) == 2
        log.add(request(2), {"content": "third"})
    with AnswerLog(path) as log:
        assert len(log) == 3
        assert log.find(request(2)) == {"content": "third"}


def test_a_last_line_that_lacks_its_end_only_is_asked_again(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    filled(path, 2)
    path.write_bytes(path.read_bytes()[:-1])
    with AnswerLog(path) as log:
        assert (len(log), log.find(request(1))) == (1, None)


def test_the_time_of_earlier_runs_counts(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_text('{"request": "a", "spent_s": 70.5, "answer": {}}\n')
    with AnswerLog(path) as log:
        assert 70.5 <= log.spent_s < 80
