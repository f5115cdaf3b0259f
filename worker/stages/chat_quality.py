"""How good a model is at chat: its loss on held-out rows, and what its own answers to them are like.

Every row is kept (`CHAT_ROWS`, beside the scores), so that the next stage can be compared with this one row by row.
"""

import json
import math
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from transformers import PreTrainedTokenizerFast

from core.chat_regression import ChatRegression, ChatRow
from core.rows import Row
from core.significance import rate
from core.storage import write_atomically
from worker.stages.endpoint import Endpoint, in_order
from worker.stages.evaluate_run import CHAT_ROWS
from worker.stages.render import tokenize
from worker.stages.repetition import is_repetitive

LARGEST_LOSS = 700
"""Of a model that holds what stands there for impossible, the perplexity is no number any more."""


class ChatAnswer(BaseModel, frozen=True):
    """One held-out row: what was asked, what the model answered, and how that went."""

    messages: list[dict[str, Any]]
    content: str
    row: ChatRow


async def measure_chat(endpoint: Endpoint, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Row]) -> list[ChatAnswer]:
    """Of every row, ask for its last answer, and for the loss of all that the assistant says in it."""
    endpoint.total += 2 * len(rows)
    return await in_order([_measure(endpoint, tokenizer, row) for row in rows])


async def _measure(endpoint: Endpoint, tokenizer: PreTrainedTokenizerFast, row: Row) -> ChatAnswer:
    tokens = tokenize(tokenizer, row)
    answer = await endpoint.ask(row.messages[:-1], row.tools)
    nats, learned = await endpoint.loss(tokens.input_ids, tokens.labels)
    written, reference = (_ids(tokenizer, text) for text in (answer.content, row.messages[-1].get("content") or ""))
    measured = ChatRow(
        key=_key(row),
        nats=nats,
        tokens=learned,
        answer_tokens=len(written),
        reference_tokens=len(reference),
        stopped=answer.stopped,
        empty=not answer.calls and not answer.content.strip(),
        repetitive=is_repetitive(written),
    )
    return ChatAnswer(messages=row.messages[:-1], content=answer.content, row=measured)


def summarise_chat(rows: Sequence[ChatRow], regression: ChatRegression | None) -> dict[str, Any]:
    """`chat` of the scores, but for the judge's part; there must be a row."""
    return {
        "rows": len(rows),
        "loss": _loss(rows),
        "stop_rate": rate(row.stopped for row in rows),
        "empty_rate": rate(row.empty for row in rows),
        "repetition_rate": rate(row.repetitive for row in rows),
        "answer_tokens": lengths(row.answer_tokens for row in rows),
        "reference_tokens": lengths(row.reference_tokens for row in rows),
        "regression": None if regression is None else regression.model_dump(),
    }


def lengths(tokens: Iterable[int]) -> dict[str, float]:
    """Mean, median and 95th percentile, the latter two as lengths that occur (nearest rank)."""
    ordered = sorted(tokens)
    median, p95 = (ordered[math.ceil(share * len(ordered)) - 1] for share in (0.5, 0.95))
    return {"mean": round(sum(ordered) / len(ordered), 1), "median": median, "p95": p95}


def keep(folder: Path, answers: Iterable[ChatAnswer]) -> None:
    """Write all rows, or none; as ASCII, since a model may write half of a surrogate pair."""
    lines = (json.dumps(one.model_dump()) + "\n" for one in answers)
    write_atomically(folder / CHAT_ROWS, "".join(lines).encode("ascii"))


def kept(folder: Path) -> list[ChatAnswer]:
    """The rows of a model that was measured before; none where it was not."""
    path = folder / CHAT_ROWS
    if not path.exists():
        return []
    return [ChatAnswer.model_validate(json.loads(line)) for line in path.read_bytes().splitlines()]


def _loss(rows: Sequence[ChatRow]) -> dict[str, Any] | None:
    """Over all tokens that are learned; None where there is not one."""
    tokens = sum(row.tokens for row in rows)
    if not tokens:
        return None
    loss = sum(row.nats for row in rows) / tokens
    perplexity = round(math.exp(loss), 3) if loss < LARGEST_LOSS else None
    return {"value": round(loss, 4), "perplexity": perplexity, "tokens": tokens}


def _ids(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    """The text alone as token ids, without anything of the template."""
    ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
    return ids


def _key(row: Row) -> str:
    """The same for a row with the same text, whoever answers it."""
    return blake2b(json.dumps([row.messages, row.tools], sort_keys=True).encode(), digest_size=16).hexdigest()
