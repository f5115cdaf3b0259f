"""Whether training rows answer the very questions that the model will be evaluated on.

A question is what stands before an answer, system messages and tools aside: in a conversation, the whole of it so far,
or what was said since the user last spoke, as rows joined by `join_rows` were questions of their own.
"""

import json
from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

from core.rows import Row
from worker.stages.run_dir import StageRun
from worker.stages.sources import held_out_suite, source_rows, source_suite

_SIZE = 8
"""Bytes of a key: among a million rows, two different questions share one with a chance of 3 in 100 million."""


def evaluation_keys(run: StageRun) -> tuple[frozenset[int], int]:
    """The keys of the questions that the models will be asked, and how many those are; BadData where one is broken."""
    suites = [source_suite(suite, run) for suite in run.suites]
    suites += [held_out_suite(run.held_out, run)] if run.held_out else []
    asked = [question.messages for suite in suites for question in suite.questions]
    for row in source_rows(run.held_out_chat, run) if run.held_out_chat else ():
        answers = [i for i, message in enumerate(row.messages) if message["role"] == "assistant"]
        asked.append(row.messages[: answers[-1]] if answers else row.messages)
    return frozenset(_key(_digest(messages)) for messages in asked), len(asked)


def overlaps(row: Row, keys: frozenset[int]) -> bool:
    """Whether an answer of the row that is learned answers a question with one of the keys."""
    whole, turn = blake2b(digest_size=_SIZE), blake2b(digest_size=_SIZE)
    before = ""
    for message in row.messages:
        role = message["role"]
        if role == "assistant" and message.get("weight", 1) and {_key(whole), _key(turn)} & keys:
            return True
        if role == "user" and before != "user":
            turn = blake2b(digest_size=_SIZE)
        for digest in (whole, turn):
            digest.update(_said(message))
        before = role
    return False


def _digest(messages: Iterable[dict[str, Any]]) -> blake2b:
    digest = blake2b(digest_size=_SIZE)
    for message in messages:
        digest.update(_said(message))
    return digest


def _said(message: dict[str, Any]) -> bytes:
    if message["role"] in ("system", "developer"):
        return b""
    calls = [call["function"] for call in message.get("tool_calls") or []]
    return json.dumps([message["role"], message["content"].strip(), calls], sort_keys=True).encode()


def _key(digest: blake2b) -> int:
    return int.from_bytes(digest.digest())
