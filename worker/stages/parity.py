"""Trained answers that a server is to be asked about, chosen and rendered exactly as they are trained.

The server is asked by the gateway (`inference.parity`): this program's machine may have no vLLM at all.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerFast

from core.errors import BadData
from core.parity import Kind, Question
from core.rows import Row
from worker.stages.render import IGNORED, Tokens, tokenize
from worker.stages.wire import wire

ROWS = 1000
"""So many of the stage's first rows are looked at."""
PER_KIND, TOKENS_PER_KIND = 16, 50_000
"""Answers of each kind that are kept: fewer where they are long, so that the file stays within a few megabytes."""


class _Candidate(NamedTuple):
    """A row and the position of one of its trained answers, and of the message among all."""

    row: Row
    answer: int
    message: int


def sample(
    tokenizer: PreTrainedTokenizerFast, rows: Iterable[Row], max_length: int, per_kind: int = PER_KIND
) -> list[Question]:
    """Up to `per_kind` answers of each kind, from all over the rows; the same ones every time."""
    by_kind: dict[Kind, list[_Candidate]] = {}
    for row in rows:
        for candidate in _answers(row):
            by_kind.setdefault(_kind(row, candidate.message), []).append(candidate)
    return [
        question
        for kind, candidates in sorted(by_kind.items())
        for question in _kept(tokenizer, kind, _spread(candidates, per_kind), max_length, per_kind)
    ]


def _answers(row: Row) -> Iterator[_Candidate]:
    trained = [i for i, m in enumerate(row.messages) if m["role"] == "assistant" and m.get("weight", 1)]
    return (_Candidate(row, number, index) for number, index in enumerate(trained) if index)


def _kind(row: Row, index: int) -> Kind:
    calls = row.messages[index].get("tool_calls", ())
    if any(message.get("tool_calls") for message in row.messages[:index]):
        return "multi_turn"
    if calls:
        return "parallel" if len(calls) > 1 else "single"
    return "none" if row.tools else "chat"


def _spread(candidates: list[_Candidate], wanted: int) -> Iterator[_Candidate]:
    """All of them; the first `wanted` ones lie evenly apart."""
    step = max(1, len(candidates) // wanted)
    return (candidate for start in range(step) for candidate in candidates[start::step])


def _kept(
    tokenizer: PreTrainedTokenizerFast, kind: Kind, candidates: Iterator[_Candidate], max_length: int, wanted: int
) -> list[Question]:
    kept: list[Question] = []
    size = 0
    for candidate in candidates:
        if len(kept) == wanted or size > TOKENS_PER_KIND:
            break
        try:
            tokens = tokenize(tokenizer, candidate.row)
        except BadData:
            continue  # preparing refuses or drops such a row, and says so
        if len(tokens.input_ids) <= max_length:
            kept.append(_question(kind, candidate, tokens))
            size += len(kept[-1].prompt_ids)
    return kept


def _question(kind: Kind, candidate: _Candidate, tokens: Tokens) -> Question:
    """The prompt is what training shows before the answer; nothing is rendered a second time."""
    row, index = candidate.row, candidate.message
    start, end = list(_trained_spans(tokens.labels))[candidate.answer]
    calls: list[dict[str, Any]] = row.messages[index].get("tool_calls", [])
    return Question(
        row=f"{row.origin}, messages[{index}]",
        kind=kind,
        messages=wire(row.messages[:index]),
        tools=row.tools,
        prompt_ids=tokens.input_ids[:start],
        answer_ids=tokens.input_ids[start:end],
        calls=[{"name": c["function"]["name"], "arguments": c["function"]["arguments"]} for c in calls],
    )


def _trained_spans(labels: list[int]) -> Iterator[tuple[int, int]]:
    """Where each trained answer begins, and where the text behind it does."""
    position = 0
    for is_trained, group in groupby(labels, lambda label: label != IGNORED):
        length = sum(1 for _ in group)
        if is_trained:
            yield position, position + length
        position += length
