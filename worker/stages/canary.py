"""What a server that has just loaded the merged model must answer, computed without one.

Sequences of tokens with their log-probabilities show whether all weights are the model's; calls and answers without a
call, whether it is prompted and read as it was trained.  Only what the model gets right here is recorded: a weak model
is no broken load.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from core.rows import Row
from worker.stages.reference import Reference, no_numbers
from worker.stages.render import load_tokenizer, prompt_ids, tokenize
from worker.stages.wire import wire, written_calls

SEQUENCES, LONGEST_SEQUENCE = 3, 64
RECORDED, TRIED = 3, 8
"""Rows of each kind that are recorded, and that are tried for it, the shortest first."""
MAX_TOKENS = 64
SEARCH_S = 120
"""A large model on a CPU is not asked for longer."""
FACTOR, SMALLEST_DIFFERENCE = 4.0, 0.02
BECAUSE = (
    f"{FACTOR:g} times what rounding to the model's own type changes in these sequences, {SMALLEST_DIFFERENCE:g} at "
    "least. On the tiny model, vLLM differs by 0.7 to 1.1 times that, or 0.9 to 1.7 times with the model as an adapter "
    "on its base; the weights of the stage before by 50 to 100 times, and an lm_head left from another model by 8 to "
    "11 times."
)
"""Why `max_mean_difference` is what it is; the figures are measured (vLLM 0.32 on a CPU, in BF16)."""


@dataclass(frozen=True)
class Question:
    """The first answer of a row that is trained, as it would be asked for."""

    row: Row
    index: int

    @property
    def names(self) -> list[str]:
        """The functions that it calls."""
        return [call["function"]["name"] for call in self.row.messages[self.index].get("tool_calls", [])]

    @property
    def size(self) -> int:
        """Characters of the prompt, about."""
        return len(str(self.row.messages[: self.index])) + len(str(self.row.tools))

    def asked(self) -> dict[str, Any]:
        """The prompt as a client sends it."""
        return {"messages": wire(self.row.messages[: self.index]), "tools": self.row.tools}


def record(folder: Path, rows: list[Row], report: Callable[[int], None]) -> dict[str, Any]:
    """What is kept with the model of the folder (`Model.canary`), for some of the rows that it was trained on."""
    tokenizer, reference = load_tokenizer(str(folder)), Reference(folder)
    sequences = sample_sequences(tokenizer, rows)
    rounded = [reference.logprobs(ids) for ids in sequences]
    with reference.in_float32():
        exact = [reference.logprobs(ids) for ids in sequences]
    rounding = mean_difference(exact, rounded)
    if not math.isfinite(rounding):
        raise no_numbers()
    questions = sorted((q for row in rows if row.tools and (q := _question(row)) is not None), key=lambda q: q.size)
    search = Search(tokenizer, reference, report)
    calls = search.right([question for question in questions if question.names])
    no_calls = search.right([question for question in questions if not question.names])
    return {
        "dtype": reference.dtype,
        "sequences": [
            {"token_ids": ids, "logprobs": [round(value, 5) for value in values]}
            for ids, values in zip(sequences, exact, strict=True)
        ],
        "rounding_difference": round(rounding, 5),
        "max_mean_difference": round(max(FACTOR * rounding, SMALLEST_DIFFERENCE), 5),
        "because": BECAUSE,
        "calls": [{**question.asked(), "names": question.names} for question in calls],
        "no_calls": [question.asked() for question in no_calls],
        "max_tokens": MAX_TOKENS,
    }


def mean_difference(one: list[list[float]], other: list[list[float]]) -> float:
    """The mean absolute difference over all tokens of all sequences; 0 when there are none."""
    pairs = [pair for both in zip(one, other, strict=True) for pair in zip(*both, strict=True)]
    return sum(abs(a - b) for a, b in pairs) / max(1, len(pairs))


class Search:
    """Looks for questions that the model answers right."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, reference: Reference, report: Callable[[int], None]) -> None:
        self.tokenizer, self.reference, self.report = tokenizer, reference, report
        self.answered, self.until = 0, time.monotonic() + SEARCH_S

    def right(self, questions: list[Question]) -> list[Question]:
        """The first few of them, and none twice."""
        found: list[Question] = []
        tried: list[dict[str, Any]] = []
        for question in questions:
            if len(found) == RECORDED or len(tried) == TRIED or time.monotonic() > self.until:
                break
            if question.asked() not in tried:
                tried.append(question.asked())
                if self._is_right(question):
                    found.append(question)
        return found

    def _is_right(self, question: Question) -> bool:
        """Whether the model calls the functions that the row calls, or none if that calls none."""
        prompt = prompt_ids(self.tokenizer, question.row, question.index)
        text = self.tokenizer.decode(self.reference.answer(prompt, MAX_TOKENS))
        assert isinstance(text, str)
        self.answered += 1
        self.report(self.answered)
        calls = written_calls(text)
        return calls is not None and [call["name"] for call in calls] == question.names and text.strip() != ""


def sample_sequences(tokenizer: PreTrainedTokenizerFast, rows: list[Row]) -> list[list[int]]:
    """The last ids of a few rows from all over; each ends with the answer, which is what the stage taught."""
    return [ids[-LONGEST_SEQUENCE:] for ids in _spread(tokenizer, rows)]


def _spread(tokenizer: PreTrainedTokenizerFast, rows: list[Row]) -> Iterator[list[int]]:
    found, step = 0, max(1, len(rows) // SEQUENCES)
    for row in (row for start in range(step) for row in rows[start::step]):
        ids = tokenize(tokenizer, row).input_ids
        if len(ids) > 1:
            yield ids
            found += 1
        if found == SEQUENCES:
            return


def _question(row: Row) -> Question | None:
    answers = (i for i, m in enumerate(row.messages) if m["role"] == "assistant" and m.get("weight", 1))
    index = next(answers, None)
    return None if not index else Question(row, index)
